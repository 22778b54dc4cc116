/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/tasks: checks what the client wants, makes the task, answers with its document when that is
 * durable. Planning starts elsewhere, when a worker takes the lease. Without an Idempotency-Key each accepted
 * request is a task of its own. A server that stops takes no task that it could not begin.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"
#include "base/schema.h"

#include <string.h>

static const char *const create_members[] = {"prompt",        "approval", "metadata",
					     "output_schema", "budget",   NULL};

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

	*approval = o->approval;
	if (!given)
		return ERR_NONE;
	if (!text ||
	    (strcmp(text, "required") != 0 && strcmp(text, "auto") != 0 && strcmp(text, "policy") != 0))
		return err_set_field(
			e, ERR_FIELD, "/approval",
			"approval must be \"required\" (a person approves the plan), \"auto\" or "
			"\"policy\" (agent.rules decide about each call)");
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

static bool writer_is_offline(const struct http *h)
{
	enum { WRITER = 1 << 2 };

	for (uint32_t i = 0; i < store_gates(h->store); i++) {
		const struct http_model *m = &h->options.models[i];

		if ((m->roles & WRITER) != 0 && strcmp(m->api, "offline") == 0)
			return true;
	}
	return false;
}

/* Compact text of the schema that the result must follow into *out; nothing when there is none. */
static enum err output_schema_check(const struct http *h, const struct json *body, struct buf *out,
				    struct error *e)
{
	const struct http_options *o = &h->options;
	const struct json *given = json_get(body, "output_schema");
	struct error why = {0};

	if (!given)
		return ERR_NONE;
	if (!json_is(given, JSON_OBJECT))
		return err_set_field(e, ERR_FIELD, "/output_schema",
				     "output_schema must be a JSON Schema object, not %s",
				     json_type_name(json_type(given)));
	if (writer_is_offline(h))
		return err_set_field(
			e, ERR_FIELD, "/output_schema",
			"output_schema needs a language model, and the offline rules, which write "
			"text only, are all there is: set llm.api or llm.providers");
	if (!json_print(given, out))
		return err_set(e, ERR_MEMORY, "no memory for the output schema");
	if (out->len > o->output_schema_bytes_max)
		return err_set_field(e, ERR_FIELD, "/output_schema",
				     "output_schema has %zu bytes as compact JSON, the most is %zu "
				     "(limits.output_schema_bytes)",
				     out->len, o->output_schema_bytes_max);
	if (schema_compile_check(given, &why) != ERR_NONE)
		return err_set_field(e, ERR_FIELD, "/output_schema", "output_schema cannot be used: %s%s%s",
				     why.field, why.field[0] ? ": " : "", why.msg);
	return ERR_NONE;
}

/* The object of the event task.created. */
static void created_write(struct buf *out, const char *id, const char *prompt, const char *approval,
			  const struct buf *metadata, const struct buf *output_schema,
			  const struct buf *budget, struct slice tenant, const char *request)
{
	struct jw w = JW(out);

	jw_object(&w);
	jw_kv_text(&w, "task_id", id);
	jw_kv_text(&w, "prompt", prompt);
	jw_kv_text(&w, "approval", approval);
	jw_kv_raw(&w, "metadata", metadata->data, metadata->len);
	if (output_schema->len > 0)
		jw_kv_raw(&w, "output_schema", output_schema->data, output_schema->len);
	if (tenant.len > 0) {
		jw_name(&w, "tenant");
		jw_text_n(&w, tenant.ptr, tenant.len);
	}
	if (budget->len > 0)
		jw_kv_raw(&w, "budget", budget->data, budget->len);
	if (request[0])
		jw_kv_text(&w, "request", request);
	jw_object_end(&w);
}

static enum err task_make(struct api_post *p, const struct json *body, struct api_made *made, struct error *e)
{
	const struct http_options *o = &p->request->http->options;
	struct buf metadata = BUF_INIT, output_schema = BUF_INIT, created = BUF_INIT, budget = BUF_INIT;
	struct slice tenant;
	char id_text[ID_TEXT_SIZE];
	const char *approval;
	struct id id;
	enum err code = prompt_check(o, body, e);

	if (code == ERR_NONE)
		code = approval_check(o, body, &approval, e);
	if (code == ERR_NONE)
		code = metadata_check(o, body, &metadata, e);
	if (code == ERR_NONE)
		code = output_schema_check(p->request->http, body, &output_schema, e);
	if (code == ERR_NONE)
		code = api_budget_check(o, body, &budget, e);
	if (code == ERR_NONE)
		code = api_tenant_check(p->request, &tenant, e);
	if (code != ERR_NONE)
		goto out;
	id_new(&id);
	id_format(&id, id_text);
	created_write(&created, id_text, json_get_text(body, "prompt", ""), approval, &metadata,
		      &output_schema, &budget, tenant, p->hex);
	api_post_begin(p, &id, 0);
	code = created.overflow
		       ? err_set(e, ERR_MEMORY, "no memory for the task")
		       : task_create(p->request->http->store, &id, buf_slice(&created), &made->ref, e);
	made->last_seq = 1;
	if (code == ERR_NONE)
		log_debug("task accepted", LF_STR("task_id", id_text), LF_STR("request_id", p->request->id));
out:
	buf_release(&metadata);
	buf_release(&output_schema);
	buf_release(&budget);
	buf_release(&created);
	return code;
}

static enum err create(struct api_post *p, struct api_made *made, struct error *e)
{
	struct json *body = NULL;
	enum err code;

	if (p->request->http->draining)
		return err_set(e, ERR_UNAVAILABLE, "this server is stopping: send the task again");
	code = api_body_object(p->request, create_members, false, &body, e);
	if (code == ERR_NONE)
		code = task_make(p, body, made, e);
	json_free(body);
	return code;
}

void api_task_create(struct http_request *r)
{
	api_post_start(r, 202, create);
}
