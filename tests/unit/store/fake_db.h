/* SPDX-License-Identifier: Apache-2.0 */
/* A database made up for tests of those who ask one: tasks 1 ... TASKS with a document and two events each,
 * the key of one request, and one artifact. Any call can be told to fail. */
#ifndef TESTS_STORE_FAKE_DB_H
#define TESTS_STORE_FAKE_DB_H

#include "base/base.h"
#include "store/store_db.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { TASKS = 5, PARTS = 4 };

struct fake_db {
	struct db db;
	enum err fail; /* what every call ends with */
	size_t doc_bytes;
	int reads, checkpoints, parts_put;
	struct buf parts[PARTS];
	bool complete;
	uint64_t artifact_bytes;
	char sha256[SHA256_HEX_SIZE], *media_type, *name;
};

static inline struct id id_of(uint8_t n)
{
	struct id id;
	memset(id.b, n, ID_BYTES);
	return id;
}

static inline enum err fake_call(struct fake_db *d, struct error *e)
{
	return d->fail == ERR_NONE ? ERR_NONE : err_set(e, d->fail, "the fake database fails");
}

static inline struct fake_db *fake_read(struct db *db, enum err *rc, struct error *e)
{
	struct fake_db *d = (struct fake_db *)db;
	d->reads++;
	*rc = fake_call(d, e);
	return d;
}

/* A letter by task, doc_bytes of them. */
static inline void fake_task(const struct fake_db *d, uint8_t n, struct task_saved *t, struct buf *doc)
{
	size_t from = doc->len;
	for (size_t i = 0; i < d->doc_bytes; i++)
		buf_add_char(doc, (char)('0' + n));
	*t = (struct task_saved){.id = id_of(n),
				 .state = n % 2 ? TASK_COMPLETED : TASK_FAILED,
				 .last_seq = 2,
				 .created_ms = 100 + n,
				 .updated_ms = 200 + n,
				 .doc = {doc->data + from, doc->len - from}};
}

static inline enum err fake_task_get(struct db *db, const struct id *id, struct task_saved *out,
				     struct buf *doc, struct error *e)
{
	enum err rc;
	struct fake_db *d = fake_read(db, &rc, e);
	if (rc == ERR_NONE && (id->b[0] < 1 || id->b[0] > TASKS))
		rc = err_set(e, ERR_NOT_FOUND, "there is no such task");
	if (rc == ERR_NONE)
		fake_task(d, id->b[0], out, doc);
	return rc;
}

static inline enum err fake_events_get(struct db *db, const struct id *task, uint64_t after_seq,
				       size_t bytes_max, struct buf *out, uint64_t *last_seq, struct error *e)
{
	enum err rc;
	(void)task;
	fake_read(db, &rc, e);
	*last_seq = after_seq;
	while (rc == ERR_NONE && *last_seq < 2 && (out->len == 0 || out->len + 7 <= bytes_max))
		buf_printf(out, "id: %d\n\n", (int)++*last_seq);
	return rc;
}

static inline enum err fake_tasks_each(struct db *db, uint32_t states, const struct id *before,
				       db_task_fn *fn, void *arg, struct error *e)
{
	enum err rc;
	struct fake_db *d = fake_read(db, &rc, e);
	for (uint8_t n = TASKS; rc == ERR_NONE && n > 0; n--) {
		struct buf doc = BUF_INIT;
		struct task_saved t;
		fake_task(d, n, &t, &doc);
		bool wanted =
			(!states || states & 1u << t.state) && (!before || id_compare(&t.id, before) < 0);
		bool more = !wanted || fn(&t, arg);
		buf_release(&doc);
		if (!more)
			break;
	}
	return rc;
}

static inline enum err fake_request_get(struct db *db, const uint8_t key[REQUEST_DIGEST],
					struct db_request *out, struct error *e)
{
	enum err rc;
	fake_read(db, &rc, e);
	if (rc == ERR_NONE && key[0] != 7)
		rc = err_set(e, ERR_NOT_FOUND, "the key was not used");
	*out = (struct db_request){.place = {.task = id_of(3), .after_seq = 1, .at_ms = 55}};
	memset(out->key.body, 8, REQUEST_DIGEST);
	return rc;
}

static inline enum err fake_artifact_get(struct db *db, const struct id *task, uint32_t number,
					 struct db_artifact *out, struct error *e)
{
	enum err rc;
	struct fake_db *d = fake_read(db, &rc, e);
	if (rc == ERR_NONE && !d->complete)
		rc = err_set(e, ERR_NOT_FOUND, "there is no such artifact");
	*out = (struct db_artifact){.task = *task,
				    .number = number,
				    .bytes = d->artifact_bytes,
				    .media_type = d->media_type,
				    .name = d->name};
	memcpy(out->sha256, d->sha256, sizeof(d->sha256));
	return rc;
}

static inline enum err fake_artifact_read(struct db *db, const struct id *task, uint32_t number,
					  uint64_t offset, size_t bytes_max, struct buf *out, struct error *e)
{
	struct db_artifact a;
	struct fake_db *d = (struct fake_db *)db;
	enum err rc = fake_artifact_get(db, task, number, &a, e);
	for (; rc == ERR_NONE && offset < a.bytes && bytes_max > 0; offset++, bytes_max--)
		buf_add_char(out, d->parts[offset / DB_PART_BYTES].data[offset % DB_PART_BYTES]);
	return rc;
}

static inline enum err fake_part_put(struct db *db, const struct id *task, uint32_t number, uint32_t part,
				     struct slice bytes, struct error *e)
{
	struct fake_db *d = (struct fake_db *)db;
	enum err rc = fake_call(d, e);
	(void)task;
	(void)number;
	assert_true(part < PARTS);
	d->parts_put++;
	buf_reset(&d->parts[part]);
	buf_add_slice(&d->parts[part], bytes);
	return rc;
}

static inline enum err fake_artifact_put(struct db *db, const struct db_artifact *a, struct error *e)
{
	struct fake_db *d = (struct fake_db *)db;
	enum err rc = fake_call(d, e);
	if (rc != ERR_NONE)
		return rc;
	d->complete = true;
	d->artifact_bytes = a->bytes;
	memcpy(d->sha256, a->sha256, sizeof(d->sha256));
	d->media_type = xstrdup(a->media_type);
	d->name = xstrdup(a->name);
	return ERR_NONE;
}

static inline enum err fake_checkpoint(struct db *db, bool all, struct error *e)
{
	struct fake_db *d = (struct fake_db *)db;
	d->checkpoints += all;
	return fake_call(d, e);
}

static const struct db_backend fake_backend = {.name = "fake",
					       .checkpoint = fake_checkpoint,
					       .artifact_part_put = fake_part_put,
					       .artifact_put = fake_artifact_put,
					       .task_get = fake_task_get,
					       .events_get = fake_events_get,
					       .tasks_each = fake_tasks_each,
					       .request_get = fake_request_get,
					       .artifact_get = fake_artifact_get,
					       .artifact_read = fake_artifact_read};

static inline void fake_db_init(struct fake_db *d)
{
	*d = (struct fake_db){.db = {&fake_backend}, .doc_bytes = 10};
}

static inline void fake_db_release(struct fake_db *d)
{
	for (size_t i = 0; i < PARTS; i++)
		buf_release(&d->parts[i]);
	free(d->media_type);
	free(d->name);
}

#endif
