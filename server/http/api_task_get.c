/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/tasks/{id}: the document as the store has it ready. This is the hottest path of the service: a hash
 * look-up, a copy, an answer; nothing is parsed or allocated per member. ?wait= is the slow way and lives in
 * api_task_wait.c.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

/* 0: do not wait. false: answered. */
static bool wait_parse(struct http_request *r, int64_t *wait_ms)
{
	static const char *const names[] = {"wait", NULL};
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
	struct task_ref ref;
	int64_t wait_ms = 0;

	if (r->query.len > 0 && !wait_parse(r, &wait_ms))
		return;
	if (!api_task_resolve(r, &ref))
		return;
	if (wait_ms > 0)
		api_task_wait(r, ref, wait_ms);
	else
		api_reply_task(r, ref, 200, NULL);
}
