/* SPDX-License-Identifier: Apache-2.0 */
/*
 * About the service itself: tools, tool servers, health, documentation, problem types. Pages are linked into
 * the program (asset/), so that nothing is read from disk.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

static const char *const no_parameters[] = {NULL};

/* --- tools --- */

void api_tools(struct http_request *r)
{
	const struct mcp_catalog *c;

	if (!api_query_check(r, no_parameters))
		return;
	c = mcp_client_catalog(r->http->mcp);
	http_reply(r, 200, "application/json", NULL, c->text.len ? c->text : SLICE_LIT("{\"tools\":[]}"));
	mcp_catalog_drop(c);
}

static void servers_came(struct slice text, const struct error *e, void *request)
{
	struct http_request *r = request;

	r->on_gone = NULL;
	if (text.len)
		http_reply(r, 200, "application/json", NULL, text);
	else
		http_reply_errorf(r, ERR_UNAVAILABLE, NULL,
				  "the state of the tool servers is not known just now: %s",
				  e && e->msg[0] ? e->msg : "their supervisor is away");
}

static void servers_gone(struct http_request *r)
{
	mcp_client_servers_cancel(r->http->mcp, r);
}

void api_servers(struct http_request *r)
{
	if (!api_query_check(r, no_parameters))
		return;
	r->on_gone = servers_gone;
	mcp_client_servers(r->http->mcp, servers_came, r);
}

/* --- health --- */

void api_livez(struct http_request *r)
{
	http_reply(r, 200, "application/json", "Cache-Control: no-store\r\n",
		   SLICE_LIT("{\"status\":\"ok\"}"));
}

static const char *health_text(enum store_health health)
{
	switch (health) {
	case STORE_STARTING: return "starting";
	case STORE_WORKS: return "works";
	case STORE_FULL: return "full";
	case STORE_NO_SPACE: return "no_space";
	case STORE_AWAY: return "away";
	case STORE_BROKEN: break;
	}
	return "broken";
}

/* What stands in the way, most lasting first. */
static const char *readiness(const struct http_request *r, enum store_health health)
{
	if (r->http->draining)
		return "draining";
	if (health != STORE_STARTING && health != STORE_WORKS)
		return health_text(health);
	return health == STORE_WORKS && mcp_client_settled(r->http->mcp) ? "ready" : "starting";
}

static void store_write(struct jw *w, const struct http *h, enum store_health health)
{
	jw_object(w);
	jw_kv_text(w, "backend", h->options.store_backend);
	jw_kv_text(w, "health", health_text(health));
	if (!store_has_keeper(h->store))
		jw_kv_text(w, "note", "nothing is on disk: no task survives a restart of the whole service");
	jw_object_end(w);
}

/* Not ready while tasks are restored, while tool servers start (tasks would be planned without their tools),
 * while nothing can be stored, and when the server is about to stop: a load balancer sends its clients
 * elsewhere. */
void api_readyz(struct http_request *r)
{
	char why[ERROR_MSG_MAX];
	enum store_health health = store_health(r->http->store, why);
	const char *status = readiness(r, health);
	bool ready = strcmp(status, "ready") == 0;
	struct buf body = BUF_INIT;
	struct jw w = JW(&body);

	jw_object(&w);
	jw_kv_text(&w, "status", status);
	jw_name(&w, "store");
	store_write(&w, r->http, health);
	jw_kv_text(&w, "version", r->http->options.version);
	jw_name(&w, "checks");
	jw_object(&w);
	jw_kv_bool(&w, "tool_servers_settled", mcp_client_settled(r->http->mcp));
	jw_kv_bool(&w, "accepting_tasks", !r->http->draining && health == STORE_WORKS);
	jw_kv_bool(&w, "store_works", health == STORE_WORKS || health == STORE_FULL);
	if (health != STORE_WORKS)
		jw_kv_text(&w, "store_reason", why[0] ? why : "the tasks are being restored");
	jw_object_end(&w);
	jw_object_end(&w);
	http_reply(r, ready ? 200 : 503, "application/json",
		   ready ? "Cache-Control: no-store\r\n" : "Cache-Control: no-store\r\nRetry-After: 1\r\n",
		   buf_slice(&body));
	buf_release(&body);
}

/* --- pages --- */

/* Made by the Makefile from asset/docs.html and asset/openapi.json. */
extern const char _binary_docs_html_start[], _binary_docs_html_end[];
extern const char _binary_openapi_json_start[], _binary_openapi_json_end[];

static struct slice asset(const char *start, const char *end)
{
	return (struct slice){start, (size_t)(end - start)};
}

void api_docs(struct http_request *r)
{
	http_reply(r, 200, "text/html; charset=utf-8",
		   "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
		   "form-action 'none'; frame-ancestors 'none'\r\n"
		   "Referrer-Policy: no-referrer\r\n",
		   asset(_binary_docs_html_start, _binary_docs_html_end));
}

void api_openapi(struct http_request *r)
{
	http_reply(r, 200, "application/json", NULL,
		   asset(_binary_openapi_json_start, _binary_openapi_json_end));
}

void api_root(struct http_request *r)
{
	http_reply(r, 308, NULL, "Location: /docs\r\n", (struct slice){0});
}

/* --- problem types --- */

/* Several kinds may share a type; the first stands for it. */
static const struct err_info *problem_find(const char *slug)
{
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++) {
		if (strcmp(err_info((enum err)i)->slug, slug) == 0)
			return err_info((enum err)i);
	}
	return NULL;
}

void api_problem(struct http_request *r)
{
	const struct err_info *info = problem_find(r->params[0]);
	struct buf text = BUF_INIT;

	if (!info) {
		http_reply_errorf(r, ERR_NOT_FOUND, "slug", "\"%.80s\" is no problem type of this service",
				  r->params[0]);
		return;
	}
	buf_printf(&text, "/problems/%s\n\n%s (HTTP status %d).\n\n", info->slug, info->title,
		   info->http_status);
	buf_add_str(
		&text,
		"A problem document (RFC 9457) of this type tells in \"detail\" what was wrong, and in "
		"\"field\" where:\na JSON pointer into the body, or the name of a header or parameter.\n");
	buf_add_str(&text, info->retry_helps ? "The same request may succeed later.\n"
					     : "The same request will fail again: change it first.\n");
	http_reply(r, 200, "text/plain; charset=utf-8", NULL, buf_slice(&text));
	buf_release(&text);
}
