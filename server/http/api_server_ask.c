/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tool server is asked on behalf of a client, other than to call a tool: to read a resource, to fill
 * in a prompt, to complete an argument. The server's result is answered as it came, unknown members included.
 * The request waits while the server starts, has the time limits of a tool call, and is cancelled when the
 * client leaves. What is wrong with the question is said here as far as the protocol goes, and by the server
 * beyond.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

enum { VALUES_MAX = 100 /* of a completion, says the protocol */ };

/* --- the server's answer --- */

/* A result over a limit of ours is not the client's doing, unlike params over one. */
static enum err ended_code(const struct mcp_call_end *end)
{
	return end->error.code == ERR_TOO_LARGE && end->sent ? ERR_UPSTREAM : end->error.code;
}

/* field: what the server finds fault with when it refuses the params. */
static void failure_reply(struct http_request *r, const struct mcp_call_end *end, const char *field)
{
	enum err code = ended_code(end);

	http_reply_errorf(r, code, code == ERR_FIELD ? field : NULL, "%s", end->error.msg);
}

static void result_reply(struct http_request *r, struct slice result)
{
	http_reply(r, 200, "application/json", "Cache-Control: no-store\r\n", result);
}

static void read_ended(const struct mcp_call_end *end, void *request)
{
	struct http_request *r = request;

	r->on_gone = NULL;
	if (end->error.code)
		failure_reply(r, end, "uri");
	else
		result_reply(r, end->result);
}

static void prompt_ended(const struct mcp_call_end *end, void *request)
{
	struct http_request *r = request;

	r->on_gone = NULL;
	if (end->error.code)
		failure_reply(r, end, "/arguments");
	else
		result_reply(r, end->result);
}

/* The first values of one that brought more than it may. */
static void completion_cut(const struct json *completion, struct buf *out)
{
	struct jw w = JW(out);
	const struct json *v = json_first(json_get(completion, "values"));

	jw_object(&w);
	jw_name(&w, "completion");
	jw_object(&w);
	jw_name(&w, "values");
	jw_array(&w);
	for (int i = 0; v && i < VALUES_MAX; v = json_next(v), i++)
		jw_json(&w, v);
	jw_array_end(&w);
	if (json_get(completion, "total"))
		jw_kv_json(&w, "total", json_get(completion, "total"));
	jw_kv_bool(&w, "hasMore", true);
	jw_object_end(&w);
	jw_object_end(&w);
}

static void completion_reply(struct http_request *r, struct slice result)
{
	struct error e = {0};
	struct json *tree = json_parse(result.ptr, result.len, 0, &e);
	const struct json *completion = json_get(tree, "completion"),
			  *values = json_get(completion, "values");
	struct buf cut = BUF_INIT;

	if (!json_is(values, JSON_ARRAY)) {
		http_reply_errorf(r, ERR_UPSTREAM, NULL, "the server's completion has no array \"values\"");
	} else if (json_count(values) <= VALUES_MAX) {
		result_reply(r, result);
	} else {
		completion_cut(completion, &cut);
		result_reply(r, buf_slice(&cut));
	}
	buf_release(&cut);
	json_free(tree);
}

static void completion_ended(const struct mcp_call_end *end, void *request)
{
	struct http_request *r = request;

	r->on_gone = NULL;
	if (end->error.code)
		failure_reply(r, end, "/ref");
	else
		completion_reply(r, end->result);
}

/* --- the question --- */

static void client_gone(struct http_request *r)
{
	mcp_call_cancel(r->data);
}

static void ask(struct http_request *r, const char *method, const struct buf *params,
		void (*ended)(const struct mcp_call_end *end, void *request))
{
	struct mcp_request q = {.server = r->params[0], .method = method, .params = buf_slice(params)};
	struct mcp_call_handler h = {.on_end = ended, .arg = r};

	r->on_gone = client_gone;
	r->data = mcp_request_start(r->http->mcp, &q, h);
}

void api_server_read(struct http_request *r)
{
	static const char *const names[] = {"uri", NULL};
	struct error e = {0};
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	const char *uri;

	if (!api_query_check(r, names))
		return;
	uri = http_query_get(r->arena, r->query, "uri", &e);
	if (!uri && e.code != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	if (!uri || !*uri) {
		http_reply_errorf(
			r, ERR_FIELD, "uri",
			"uri must name the resource to read: one of GET /v1/servers/{id}/resources, or "
			"one that a template makes");
		return;
	}
	jw_object(&w);
	jw_kv_text(&w, "uri", uri);
	jw_object_end(&w);
	ask(r, "resources/read", &params, read_ended);
	buf_release(&params);
}

/* An object of strings, or nothing. field: its JSON pointer. */
static enum err texts_check(const struct json *j, const char *field, struct error *e)
{
	if (j && !json_is(j, JSON_OBJECT))
		return err_set_field(e, ERR_FIELD, field, "%s must be an object of strings, not %s",
				     field + 1, json_type_name(json_type(j)));
	for (const struct json *m = json_first(j); m; m = json_next(m)) {
		if (!json_text(m))
			return err_set_field(e, ERR_FIELD, field,
					     "%s must be an object of strings; \"%.80s\" is %s", field + 1,
					     json_name(m), json_type_name(json_type(m)));
	}
	return ERR_NONE;
}

static void prompt_ask(struct http_request *r, const char *name, const struct json *arguments)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);

	jw_object(&w);
	jw_kv_text(&w, "name", name);
	if (arguments)
		jw_kv_json(&w, "arguments", arguments);
	jw_object_end(&w);
	ask(r, "prompts/get", &params, prompt_ended);
	buf_release(&params);
}

/* The prompt is named by the path, or, because a name may hold a slash, by the body. */
static void prompt_get(struct http_request *r, const char *const *names, bool named)
{
	static const char *const none[] = {NULL};
	struct error e = {0};
	struct json *body = NULL;
	const char *name;

	if (!api_query_check(r, none))
		return;
	if (api_body_object(r, names, named, &body, &e) == ERR_NONE) {
		name = named ? r->params[1] : json_get_text(body, "name", NULL);
		if (!name || !*name)
			err_set_field(&e, ERR_FIELD, "/name", "name must be the name of a prompt, a string");
		else if (texts_check(json_get(body, "arguments"), "/arguments", &e) == ERR_NONE)
			prompt_ask(r, name, json_get(body, "arguments"));
	}
	if (e.code)
		http_reply_error(r, &e);
	json_free(body);
}

void api_server_prompt(struct http_request *r)
{
	static const char *const names[] = {"arguments", NULL};

	prompt_get(r, names, true);
}

void api_server_prompt_named(struct http_request *r)
{
	static const char *const names[] = {"name", "arguments", NULL};

	prompt_get(r, names, false);
}

/* --- completion --- */

static enum err ref_check(const struct json *ref, struct error *e)
{
	const char *type = json_get_text(ref, "type", "");
	const char *key = strcmp(type, "ref/prompt") == 0     ? "name"
			  : strcmp(type, "ref/resource") == 0 ? "uri"
							      : NULL;

	if (!key)
		return err_set_field(e, ERR_FIELD, "/ref",
				     "ref must be {\"type\": \"ref/prompt\", \"name\": ...} or {\"type\": "
				     "\"ref/resource\", \"uri\": ...}");
	if (!json_get_text(ref, key, NULL))
		return err_set_field(e, ERR_FIELD, "/ref", "ref of type %s must have \"%s\", a string", type,
				     key);
	return ERR_NONE;
}

static enum err completion_check(const struct json *body, struct error *e)
{
	const struct json *argument = json_get(body, "argument"), *context = json_get(body, "context");

	if (ref_check(json_get(body, "ref"), e) != ERR_NONE)
		return e->code;
	if (!json_get_text(argument, "name", NULL) || !json_get_text(argument, "value", NULL))
		return err_set_field(
			e, ERR_FIELD, "/argument",
			"argument must be {\"name\": ..., \"value\": what was typed so far}, strings");
	if (context && !json_is(context, JSON_OBJECT))
		return err_set_field(e, ERR_FIELD, "/context", "context must be an object");
	return texts_check(json_get(context, "arguments"), "/context/arguments", e);
}

void api_server_complete(struct http_request *r)
{
	static const char *const none[] = {NULL}, *const names[] = {"ref", "argument", "context", NULL};
	struct error e = {0};
	struct json *body = NULL;
	struct buf params = BUF_INIT;

	if (!api_query_check(r, none))
		return;
	if (api_body_object(r, names, false, &body, &e) == ERR_NONE &&
	    completion_check(body, &e) == ERR_NONE) {
		json_print(body, &params);
		ask(r, "completion/complete", &params, completion_ended);
	}
	if (e.code)
		http_reply_error(r, &e);
	buf_release(&params);
	json_free(body);
}
