/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `agent-runtime export TASK`: one kept task as JSON lines: {"document": ...}, then each event as {"id",
 * "event", "data"}, then {"artifact": ...} of each artifact without its bytes. It is printed when all of it
 * has been read, or not at all.
 */
#include "base/base.h"
#include "role/role_int.h"

enum { EVENTS_AT_ONCE_BYTES = 1 << 20 };
static const size_t EXPORT_BYTES_MAX = (size_t)8 << 30;

static enum err task_print(struct db *db, const struct id *id, struct buf *out, struct error *e);
static enum err events_print(struct db *db, const struct id *id, struct buf *out, struct error *e);
static void event_print(const struct event_view *v, struct buf *out);
static enum err artifacts_print(struct db *db, const struct id *id, struct buf *out, struct error *e);

int command_export(const struct cli *cli)
{
	struct kept k;
	struct id id;
	struct error e = {0};
	struct buf out = BUF_LIMIT(EXPORT_BYTES_MAX);
	if (!kept_task_parse(cli->args[1], &id))
		return EXIT_USAGE;
	int code = kept_open(&k, cli);
	if (code != EXIT_OK)
		return code;
	if (task_print(k.db, &id, &out, &e) != ERR_NONE || events_print(k.db, &id, &out, &e) != ERR_NONE ||
	    artifacts_print(k.db, &id, &out, &e) != ERR_NONE)
		code = kept_failed(&e);
	else if (out.overflow)
		code = kept_failed(
			&(struct error){ERR_MEMORY, "there is not memory enough for this task", ""});
	if (!kept_close(&k))
		code = EXIT_AGAIN;
	if (code == EXIT_OK)
		code = kept_print(buf_slice(&out));
	buf_release(&out);
	return code;
}

/* --- helpers --- */

static enum err task_print(struct db *db, const struct id *id, struct buf *out, struct error *e)
{
	struct task_saved t;
	struct buf doc = BUF_INIT;
	char text[ID_TEXT_SIZE];
	enum err code = db->backend->task_get(db, id, &t, &doc, e);
	id_format(id, text);
	if (code == ERR_NOT_FOUND)
		err_set(e, code, "no task %s is kept (store.path)", text);
	if (code == ERR_NONE) {
		struct jw w = JW(out);
		jw_object(&w);
		jw_kv_raw(&w, "document", t.doc.ptr, t.doc.len);
		jw_object_end(&w);
		buf_add_char(out, '\n');
	}
	buf_release(&doc);
	return code;
}

static enum err events_print(struct db *db, const struct id *id, struct buf *out, struct error *e)
{
	struct buf sse = BUF_INIT;
	uint64_t last_seq = 0, after_seq;
	enum err code;
	do {
		struct event_view v;
		after_seq = last_seq;
		buf_reset(&sse);
		code = db->backend->events_get(db, id, after_seq, EVENTS_AT_ONCE_BYTES, &sse, &last_seq, e);
		for (struct slice rest = buf_slice(&sse); code == ERR_NONE && event_next(&rest, &v);)
			event_print(&v, out);
	} while (code == ERR_NONE && last_seq > after_seq);
	buf_release(&sse);
	return code;
}

static void event_print(const struct event_view *v, struct buf *out)
{
	struct jw w = JW(out);
	jw_object(&w);
	jw_kv_int(&w, "id", (int64_t)v->seq);
	jw_kv_text(&w, "event", event_type_text(v->type));
	jw_kv_raw(&w, "data", v->data.ptr, v->data.len);
	jw_object_end(&w);
	buf_add_char(out, '\n');
}

static enum err artifacts_print(struct db *db, const struct id *id, struct buf *out, struct error *e)
{
	struct db_artifact a;
	enum err code;
	for (uint32_t n = 1; (code = db->backend->artifact_get(db, id, n, &a, e)) == ERR_NONE; n++) {
		char at[CLOCK_TEXT_SIZE];
		struct jw w = JW(out);
		clock_format(a.at_ms, at);
		jw_object(&w);
		jw_name(&w, "artifact");
		jw_object(&w);
		jw_kv_int(&w, "number", n);
		jw_kv_text(&w, "name", a.name);
		jw_kv_text(&w, "media_type", a.media_type);
		jw_kv_int(&w, "bytes", (int64_t)a.bytes);
		jw_kv_text(&w, "sha256", a.sha256);
		jw_kv_text(&w, "created_at", at);
		jw_object_end(&w);
		jw_object_end(&w);
		buf_add_char(out, '\n');
	}
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}
