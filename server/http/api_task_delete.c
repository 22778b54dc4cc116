/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DELETE /v1/tasks/{id}: removes a finished task, its events, artifacts and keys: from the archive, which
 * takes it out of the table too, or from the table when that is all there is. Repeating it does no harm: it
 * ends with 404.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

static void removed(struct http_request *r, struct error *e)
{
	if (e->code == ERR_NOT_FOUND)
		api_task_missing(r, e);
	else if (e->code == ERR_CONFLICT)
		err_set(e, ERR_CONFLICT,
			"the task is not finished: only a finished task can be removed; cancel "
			"it first");
	if (e->code == ERR_NONE)
		http_reply(r, 204, NULL, NULL, (struct slice){0});
	else
		http_reply_error(r, e);
}

static void archive_came(const struct archive_answer *a, void *request)
{
	struct http_request *r = request;
	struct error e = a->error;

	r->on_gone = NULL;
	removed(r, &e);
}

static void ask_gone(struct http_request *r)
{
	api_ask_cancel(r->data);
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
	api_ask_start(q, r->http, archive_delete(r->http->archive, id, api_ask_came, q), archive_came, r);
}

void api_task_delete(struct http_request *r)
{
	static const char *const no_parameters[] = {NULL};
	struct http *h = r->http;
	struct error e = {0};
	struct task_ref ref;
	struct id id;

	if (!api_query_check(r, no_parameters))
		return;
	if (api_task_id(r, &id, &e) != ERR_NONE) {
		http_reply_error(r, &e);
	} else if (h->archive) {
		archive_ask(r, &id);
	} else {
		if (!task_find(h->store, &id, &ref))
			e.code = ERR_NOT_FOUND;
		else
			e.code = task_forget(h->store, &id, &e);
		removed(r, &e);
	}
}
