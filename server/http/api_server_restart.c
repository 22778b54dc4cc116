/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/servers/{id}/restart: one tool server is stopped, once its running calls have ended, and started
 * anew; one that waits after failures is started at once. Answered when that has begun, with the server as it
 * is then; what becomes of it is told by GET /v1/servers. Nothing is kept of it, so an Idempotency-Key says
 * nothing here: a repetition while it is under way is a conflict, later it is another restart.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

static void restarted(struct slice server, const struct error *e, void *request)
{
	struct http_request *r = request;

	r->on_gone = NULL;
	if (e)
		http_reply_error(r, e);
	else
		http_reply(r, 202, "application/json", "Cache-Control: no-store\r\n", server);
}

static void client_gone(struct http_request *r)
{
	mcp_client_servers_cancel(r->http->mcp, r);
}

void api_server_restart(struct http_request *r)
{
	static const char *const none[] = {NULL};
	struct error e = {0};
	struct json *body;

	if (!api_query_check(r, none))
		return;
	if (api_body_object(r, none, true, &body, &e) != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	json_free(body);
	r->on_gone = client_gone;
	mcp_client_restart(r->http->mcp, r->params[0], restarted, r);
}
