/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/tasks/{id}: the durable document as the store has it ready. This is the hottest path of the
 * service: a hash look-up, a copy, an answer; nothing is parsed or allocated per member. A task that is not
 * in the table is asked of the archive. ?wait= is the slow way and lives in api_task_wait.c.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

static void document_reply(struct http_request *r, struct slice doc, uint64_t seq)
{
	struct buf lines = BUF_INIT;

	buf_add_str(&lines, "ETag: \"");
	buf_add_u64(&lines, seq);
	buf_add_str(&lines, "\"\r\n");
	if (api_etag_matches(r, seq))
		http_reply(r, 304, NULL, buf_cstr(&lines), (struct slice){0});
	else
		http_reply(r, 200, "application/json", buf_cstr(&lines), doc);
	buf_release(&lines);
}

/* --- from the archive --- */

static void ask_gone(struct http_request *r)
{
	api_ask_cancel(r->data);
}

static void archive_came(const struct archive_answer *a, void *request)
{
	struct http_request *r = request;
	struct error e = a->error;

	r->on_gone = NULL;
	if (e.code == ERR_NOT_FOUND)
		api_task_missing(r, &e);
	if (e.code != ERR_NONE)
		http_reply_error(r, &e);
	else
		document_reply(r, a->bytes, a->head.last_seq);
}

static void archive_ask(struct http_request *r, const struct id *id)
{
	struct api_ask *q = arena_alloc(r->arena, sizeof(*q));

	if (!q) {
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for this request");
		return;
	}
	r->data = q;
	r->on_gone = ask_gone;
	api_ask_start(q, r->http, archive_task(r->http->archive, id, api_ask_came, q), archive_came, r);
}

void api_reply_task(struct http_request *r, const struct id *id, const struct task_ref *ref)
{
	struct buf doc = BUF_INIT;
	struct task_head head;
	struct error e;
	enum err code = ref ? task_doc_copy(r->http->store, *ref, &doc, &head) : ERR_GONE;

	if (code == ERR_NONE) {
		document_reply(r, buf_slice(&doc), head.last_seq);
	} else if (code != ERR_GONE) {
		http_reply_errorf(r, code, NULL, "no memory for the task's document");
	} else if (r->http->archive) {
		archive_ask(r, id);
	} else {
		api_task_missing(r, &e);
		http_reply_error(r, &e);
	}
	buf_release(&doc);
}

/* --- the request --- */

/* until=change (as without it) or until=end, beside a wait. false: answered. */
static bool until_parse(struct http_request *r, int64_t wait_ms, bool *to_end)
{
	struct error e;
	const char *text = http_query_get(r->arena, r->query, "until", &e);

	*to_end = text && strcmp(text, "end") == 0;
	if (!text && e.code == ERR_NONE)
		return true;
	if (!text)
		http_reply_error(r, &e);
	else if (!*to_end && strcmp(text, "change") != 0)
		http_reply_errorf(r, ERR_FIELD, "until", "until must be change or end, not \"%.40s\"", text);
	else if (wait_ms == 0)
		http_reply_errorf(r, ERR_FIELD, "until", "until says what wait waits for: give wait too");
	else
		return true;
	return false;
}

/* 0: do not wait. false: answered. */
static bool wait_parse(struct http_request *r, int64_t *wait_ms)
{
	static const char *const names[] = {"wait", "until", NULL};
	int64_t max_ms = r->http->options.wait_ms_max;
	struct error e;
	char *text;

	*wait_ms = 0;
	if (!api_query_check(r, names))
		return false;
	text = http_query_get(r->arena, r->query, "wait", &e);
	if (!text) {
		if (e.code != ERR_NONE)
			http_reply_error(r, &e);
		return e.code == ERR_NONE;
	}
	if (!api_duration_parse(text, wait_ms)) {
		http_reply_errorf(r, ERR_FIELD, "wait",
				  "wait must be a time like 500ms, 30s or 1m, not \"%.40s\"", text);
		return false;
	}
	if (*wait_ms > max_ms) {
		http_reply_errorf(r, ERR_FIELD, "wait", "wait may be at most %lldms (limits.wait_seconds)",
				  (long long)max_ms);
		return false;
	}
	return true;
}

void api_task_get(struct http_request *r)
{
	int64_t wait_ms = 0;
	struct task_ref ref;
	struct error e;
	struct id id;
	bool found, to_end = false;

	if (r->query.len > 0 && (!wait_parse(r, &wait_ms) || !until_parse(r, wait_ms, &to_end)))
		return;
	if (api_task_id(r, &id, &e) != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	found = task_find(r->http->store, &id, &ref);
	if (found && wait_ms > 0)
		api_task_wait(r, &id, ref, wait_ms, to_end);
	else
		api_reply_task(r, &id, found ? &ref : NULL);
}
