/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/tasks: checks what the client wants, makes the task, answers with its document. Planning starts
 * elsewhere, when a worker takes the lease. Not idempotent: each accepted request is a task of its own. A
 * server that stops takes no task that it could not begin.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdio.h>
#include <string.h>

static const char *const create_members[] = {"prompt", "approval", "metadata", NULL};

static enum err prompt_check(const struct http_options *o, const struct json *body, struct error *e)
{
	const struct json *prompt = json_get(body, "prompt");
	const char *text = json_text(prompt);
	size_t n = text ? strlen(text) : 0;

	if (!prompt)
		return err_set_field(e, ERR_FIELD, "/prompt", "prompt is missing: say what is to be done");
	if (!text)
		return err_set_field(e, ERR_FIELD, "/prompt", "prompt must be a string, not %s",
				     json_type_name(json_type(prompt)));
	if (strspn(text, " \t\r\n\v\f") == n)
		return err_set_field(e, ERR_FIELD, "/prompt", "prompt is empty: say what is to be done");
	if (n > o->prompt_bytes_max)
		return err_set_field(e, ERR_FIELD, "/prompt",
				     "prompt has %zu bytes, the most is %zu (limits.prompt_bytes)", n,
				     o->prompt_bytes_max);
	return ERR_NONE;
}

static enum err approval_check(const struct http_options *o, const struct json *body, const char **approval,
			       struct error *e)
{
	const struct json *given = json_get(body, "approval");
	const char *text = json_text(given);

	*approval = o->approval_required ? "required" : "auto";
	if (!given)
		return ERR_NONE;
	if (!text || (strcmp(text, "required") != 0 && strcmp(text, "auto") != 0))
		return err_set_field(
			e, ERR_FIELD, "/approval",
			"approval must be \"required\" (a person approves the plan) or \"auto\"");
	*approval = text;
	return ERR_NONE;
}

/* Compact text of metadata into *out; {} when there is none. */
static enum err metadata_check(const struct http_options *o, const struct json *body, struct buf *out,
			       struct error *e)
{
	const struct json *given = json_get(body, "metadata");

	if (given && !json_is(given, JSON_OBJECT))
		return err_set_field(e, ERR_FIELD, "/metadata", "metadata must be an object, not %s",
				     json_type_name(json_type(given)));
	if (!given)
		buf_add_str(out, "{}");
	else if (!json_print(given, out))
		return err_set(e, ERR_MEMORY, "no memory for the metadata");
	if (out->len > o->metadata_bytes_max)
		return err_set_field(e, ERR_FIELD, "/metadata",
				     "metadata has %zu bytes as compact JSON, the most is %zu "
				     "(limits.metadata_bytes)",
				     out->len, o->metadata_bytes_max);
	return ERR_NONE;
}

/* The object of the event task.created. */
static void created_write(struct buf *out, const char *id, const char *prompt, const char *approval,
			  const struct buf *metadata)
{
	struct jw w = JW(out);

	jw_object(&w);
	jw_kv_text(&w, "task_id", id);
	jw_kv_text(&w, "prompt", prompt);
	jw_kv_text(&w, "approval", approval);
	jw_kv_raw(&w, "metadata", metadata->data, metadata->len);
	jw_object_end(&w);
}

static enum err task_make(struct http *h, const struct json *body, char id_text[ID_TEXT_SIZE],
			  struct task_ref *ref, struct error *e)
{
	struct buf metadata = BUF_INIT, created = BUF_INIT;
	const char *approval;
	struct id id;
	enum err code = prompt_check(&h->options, body, e);

	if (code == ERR_NONE)
		code = approval_check(&h->options, body, &approval, e);
	if (code == ERR_NONE)
		code = metadata_check(&h->options, body, &metadata, e);
	if (code != ERR_NONE)
		goto out;
	id_new(&id);
	id_format(&id, id_text);
	created_write(&created, id_text, json_get_text(body, "prompt", ""), approval, &metadata);
	code = created.overflow ? err_set(e, ERR_MEMORY, "no memory for the task")
				: task_create(h->store, &id, buf_slice(&created), ref, e);
out:
	buf_release(&metadata);
	buf_release(&created);
	return code;
}

void api_task_create(struct http_request *r)
{
	static const char *const no_parameters[] = {NULL};
	char id[ID_TEXT_SIZE], location[sizeof("Location: /v1/tasks/\r\n") + ID_TEXT_SIZE];
	struct task_ref ref;
	struct json *body;
	struct error e;
	bool absent;

	if (!api_query_check(r, no_parameters))
		return;
	if (r->http->draining) {
		http_reply_errorf(r, ERR_UNAVAILABLE, NULL, "this server is stopping: send the task again");
		return;
	}
	body = api_body_object(r, create_members, false, &absent);
	if (!body)
		return;
	if (task_make(r->http, body, id, &ref, &e) == ERR_NONE) {
		snprintf(location, sizeof(location), "Location: /v1/tasks/%s\r\n", id);
		log_debug("task accepted", LF_STR("task_id", id), LF_STR("request_id", r->id));
		api_reply_task(r, ref, 202, location);
	} else {
		http_reply_error(r, &e);
	}
	json_free(body);
}
