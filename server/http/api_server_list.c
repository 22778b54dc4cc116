/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/servers/{id}/resources, .../resource-templates, .../prompts: what a tool server lists besides
 * tools, a page at a time. It is the last list that the server told, which the supervisor keeps and keeps
 * fresh: nobody waits for the server here. A cursor ends with the list it was given for (410).
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

static void page_came(struct slice page, const struct error *e, void *request)
{
	struct http_request *r = request;
	bool cursor = e && (e->code == ERR_FIELD || e->code == ERR_GONE);

	r->on_gone = NULL;
	if (e)
		http_reply_errorf(r, e->code, cursor ? "cursor" : NULL, "%s", e->msg);
	else
		http_reply(r, 200, "application/json", "Cache-Control: no-store\r\n", page);
}

static void client_gone(struct http_request *r)
{
	mcp_client_servers_cancel(r->http->mcp, r);
}

static void list_reply(struct http_request *r, enum mcp_list list)
{
	static const char *const names[] = {"limit", "cursor", NULL};
	struct mcp_list_request q = {.server = r->params[0], .list = list};
	struct error e = {0};
	uint64_t limit;

	if (!api_query_check(r, names))
		return;
	if (api_limit_parse(r, &limit, &e) != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	q.limit = (unsigned)limit;
	q.cursor = http_query_get(r->arena, r->query, "cursor", &e);
	if (!q.cursor && e.code != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	r->on_gone = client_gone;
	mcp_client_list(r->http->mcp, &q, page_came, r);
}

void api_server_resources(struct http_request *r)
{
	list_reply(r, MCP_RESOURCES);
}

void api_server_templates(struct http_request *r)
{
	list_reply(r, MCP_RESOURCE_TEMPLATES);
}

void api_server_prompts(struct http_request *r)
{
	list_reply(r, MCP_PROMPTS);
}
