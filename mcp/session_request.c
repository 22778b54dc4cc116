/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a session that are no tool calls: what the client half asks for by method and params
 * (resources, prompts, completion). Only the methods listed here are sent, so nothing a worker says becomes
 * part of a message but parameters that are an object. What the server's error means is told by the method it
 * was given to, because the protocol has few codes: not found is -32002 up to 2025-11-25 and -32602 since
 * (which servers of before send, too), and -32601 is how a server says that it has no such thing.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <string.h>

static const struct {
	const char *method;
	const char *key;  /* the parameter that names what is asked for; NULL: nothing is */
	enum err invalid; /* what it means that the parameters are refused */
} methods[] = {
	{"resources/list", NULL, ERR_FIELD},      {"resources/templates/list", NULL, ERR_FIELD},
	{"resources/read", "uri", ERR_NOT_FOUND}, {"prompts/list", NULL, ERR_FIELD},
	{"prompts/get", "name", ERR_FIELD},       {"completion/complete", NULL, ERR_FIELD},
};

static size_t method_find(const char *name)
{
	size_t i = 0;
	while (i < COUNT_OF(methods) && strcmp(methods[i].method, name) != 0)
		i++;
	return i;
}

const char *session_method(const char *name)
{
	size_t i = method_find(name);
	return i < COUNT_OF(methods) ? methods[i].method : NULL;
}

char *session_request_key(const char *method, struct slice params)
{
	const char *name = methods[method_find(method)].key;
	struct buf key = BUF_INIT;
	if (name && scan_text(scan_member(params, name), &key))
		return buf_take(&key);
	buf_release(&key);
	return NULL;
}

void session_request_fault(const char *method, int64_t rpc_code, struct error *e)
{
	size_t i = method_find(method);
	ensure(i < COUNT_OF(methods));
	if (e->code != ERR_UPSTREAM)
		return;
	if (rpc_code == RPC_RESOURCE_NOT_FOUND)
		e->code = ERR_NOT_FOUND;
	else if (rpc_code == RPC_INVALID_PARAMS)
		e->code = methods[i].invalid;
	else if (rpc_code == RPC_METHOD_NOT_FOUND)
		e->code = ERR_UNSUPPORTED;
}

/* The members of an object without its braces; empty when it has none. */
static struct slice members_of(struct slice object)
{
	struct scan_iter it;
	struct slice name, value;
	if (!scan_open(object, &it) || !scan_next(&it, &name, &value))
		return (struct slice){0};
	while (object.ptr[object.len - 1] != '}')
		object.len--;
	while (object.ptr[0] != '{')
		object = (struct slice){object.ptr + 1, object.len - 1};
	return (struct slice){object.ptr + 1, object.len - 2};
}

uint64_t session_request(struct session *s, const char *method, struct slice params, struct request_handler h,
			 struct error *e)
{
	struct buf text = BUF_INIT;
	struct slice members = members_of(params);
	ensure(s->ready && !s->closed && session_method(method) == method);
	buf_add_char(&text, '{');
	buf_add_slice(&text, members);
	/* As for tool calls: without a token no progress ever comes. */
	buf_printf(&text, "%s\"_meta\":{\"progressToken\":%llu}}", members.len ? "," : "",
		   (unsigned long long)s->id_last + 1);
	uint64_t id = wire_request(s, method, buf_slice(&text), h, e);
	buf_release(&text);
	return id;
}
