/* SPDX-License-Identifier: Apache-2.0 */
/* A database as a service would have left it, for commands that read one. */
#ifndef TESTS_UNIT_ROLE_KEPT_DB_H
#define TESTS_UNIT_ROLE_KEPT_DB_H

#include "base/base.h"
#include "role/role_int.h"
#include "capture.h"

#include <ftw.h>
#include <sys/stat.h>

struct kept_db {
	char dir[64], config[96];
	struct db *db;
	struct id id; /* of its one task */
	struct buf sse, doc;
	uint64_t last_seq;
};

static inline int kept_db_remove(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)what;
	(void)at;
	return remove(path);
}

/* The text of a finished task with two events and one that names artifact 1, as the table makes them. */
static inline void kept_db_task(struct kept_db *k, const char *artifact_sha256)
{
	struct store_options o = {.bytes = 8 << 20,
				  .tasks_max = 16,
				  .procs_max = 1,
				  .task_events_max = 100,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 4096,
				  .requests_max = 64};
	struct store *made;
	struct error e = {0};
	char id[ID_TEXT_SIZE];
	struct task_ref ref;
	struct event_cursor cursor;
	if (store_create(&o, &made, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	struct store *s = store_attach(made, 0);
	id_new(&k->id);
	id_format(&k->id, id);
	char *created =
		xasprintf("{\"task_id\":\"%s\",\"prompt\":\"say \\\"hi\\\"\",\"approval\":\"auto\"}", id);
	char *completed = xasprintf(
		"{\"call\":\"c1\",\"step\":\"s1\",\"server\":\"x\",\"tool\":\"y\",\"is_error\":false,"
		"\"artifact\":{\"number\":1,\"sha256\":\"%s\"}}",
		artifact_sha256);
	struct task_event event = {EVENT_TOOL_COMPLETED, slice_str(completed)};
	struct task_change change = {.events = artifact_sha256[0] != '\0' ? &event : NULL,
				     .events_count = artifact_sha256[0] != '\0',
				     .to = TASK_CANCELLED};
	assert_int_equal(task_create(s, &k->id, slice_str(created), &ref, &e), ERR_NONE);
	if (task_move(s, ref, &change, &k->last_seq, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	event_cursor_init(&cursor, 0);
	buf_reset(&k->sse);
	buf_reset(&k->doc);
	assert_int_equal(task_events_copy(s, ref, &cursor, 1 << 20, &k->sse, NULL), ERR_NONE);
	assert_int_equal(task_doc_copy(s, ref, &k->doc, NULL), ERR_NONE);
	free(created);
	free(completed);
	store_detach(s);
	store_destroy(made);
}

/* Writes what is in k->sse and k->doc now. */
static inline void kept_db_put(struct kept_db *k)
{
	const struct db_backend *b = k->db->backend;
	struct task_saved t = {.id = k->id,
			       .state = TASK_CANCELLED,
			       .last_seq = k->last_seq,
			       .created_ms = 1,
			       .updated_ms = 2,
			       .doc = buf_slice(&k->doc)};
	struct error e = {0};
	if (b->begin(k->db, &e) != ERR_NONE || b->task_put(k->db, &t, &e) != ERR_NONE ||
	    b->events_put(k->db, &k->id, buf_slice(&k->sse), &e) != ERR_NONE ||
	    b->commit(k->db, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

/* sha256: as the artifact's row says; bytes: as they are. */
static inline void kept_db_artifact(struct kept_db *k, uint32_t number, const char *bytes, const char *sha256)
{
	const struct db_backend *b = k->db->backend;
	struct db_artifact a = {.task = k->id,
				.number = number,
				.bytes = strlen(bytes),
				.media_type = "text/plain",
				.name = "a.txt",
				.at_ms = 3};
	struct error e = {0};
	snprintf(a.sha256, sizeof a.sha256, "%s", sha256);
	if (b->begin(k->db, &e) != ERR_NONE ||
	    b->artifact_part_put(k->db, &k->id, number, 0, slice_str(bytes), &e) != ERR_NONE ||
	    b->artifact_put(k->db, &a, &e) != ERR_NONE || b->commit(k->db, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

static inline void kept_db_open(struct kept_db *k)
{
	struct db_options o = {.bytes_max = 64 << 20, .cache_bytes = 1 << 20};
	struct error e = {0};
	char path[96];
	*k = (struct kept_db){0};
	snprintf(k->dir, sizeof k->dir, "/tmp/role-kept-XXXXXX");
	assert_non_null(mkdtemp(k->dir));
	snprintf(path, sizeof path, "%s/data", k->dir);
	snprintf(k->config, sizeof k->config, "%s/config.yaml", k->dir);
	FILE *f = fopen(k->config, "we");
	fprintf(f, "store: {backend: sqlite, path: %s}\n", path);
	fclose(f);
	o.path = path;
	if (db_backend_find("sqlite")->open(&o, &k->db, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

/* The service has ended. */
static inline void kept_db_close(struct kept_db *k)
{
	k->db->backend->close(k->db);
	k->db = NULL;
}

static inline void kept_db_release(struct kept_db *k)
{
	buf_release(&k->sse);
	buf_release(&k->doc);
	nftw(k->dir, kept_db_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* The command on this database; what it said, to be freed. */
static inline char *kept_db_run(const struct kept_db *k, int (*command)(const struct cli *cli),
				const char *word, int *code)
{
	const char *args[] = {"command", word};
	struct cli cli = {.config_path = k->config, .args = args, .args_count = word != NULL ? 2 : 1};
	struct capture c;
	capture_begin(&c);
	*code = command(&cli);
	return capture_end(&c);
}

#endif
