/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/tasks/{id}/input: a person decides about what a task waits for, such as a call of a tool of which
 * nobody knows whether it took effect, or what a tool server asks of it. The entry that waits names what may
 * be decided; the decision becomes an event, the entry goes, and the task runs on.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdio.h>
#include <string.h>

/* What each action takes as content. */
static const struct {
	const char *name;
	bool content_allowed, content_needed;
} actions[] = {
	{"retry", false, false}, {"completed", true, true}, {"skip", true, false}, {"fail", true, false},
	{"answer", true, true},  {"approve", true, false},  {"deny", true, false},
};

/* Of what a tool server asks: "accept" takes an object that the entry's schema describes, the others nothing.
 */
static const char *const ask_actions[] = {"accept", "decline", "cancel"};

static const char *text_of(const struct act *a, const char *name)
{
	return json_text(json_get(a->body, name));
}

static enum err text_need(const struct act *a, const char *name, const char *means, struct error *e)
{
	const struct json *given = json_get(a->body, name);
	char field[ERROR_FIELD_MAX];

	if (json_text(given))
		return ERR_NONE;
	snprintf(field, sizeof(field), "/%s", name);
	if (given)
		return err_set_field(e, ERR_FIELD, field, "%s must be a string, not %s", name,
				     json_type_name(json_type(given)));
	return err_set_field(e, ERR_FIELD, field, "%s is missing: %s", name, means);
}

static enum err content_check(const struct act *a, size_t action, struct error *e)
{
	const struct json *given = json_get(a->body, "content");
	size_t max = a->post->request->http->options.tool_result_bytes_max;
	const char *text = json_text(given);

	if (!given || json_is(given, JSON_NULL))
		return actions[action].content_needed
			       ? err_set_field(e, ERR_FIELD, "/content",
					       "content is missing: with \"%s\" say what it is, as text",
					       actions[action].name)
			       : ERR_NONE;
	if (!actions[action].content_allowed)
		return err_set_field(e, ERR_FIELD, "/content", "\"%s\" takes no content",
				     actions[action].name);
	if (!text)
		return err_set_field(e, ERR_FIELD, "/content", "content must be a string, not %s",
				     json_type_name(json_type(given)));
	if (strlen(text) > max)
		return err_set_field(e, ERR_FIELD, "/content",
				     "content has %zu bytes, the most is %zu (limits.tool_result_bytes)",
				     strlen(text), max);
	return ERR_NONE;
}

/* The body by itself, without the task. */
static enum err body_check(const struct act *a, struct error *e)
{
	enum err code = text_need(a, "id", "the id of the task's pending entry", e);

	if (code == ERR_NONE)
		code = text_need(a, "action", "one of the actions of the pending entry", e);
	if (code != ERR_NONE)
		return code;
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (strcmp(actions[i].name, text_of(a, "action")) == 0)
			return content_check(a, i, e);
	}
	for (size_t i = 0; i < COUNT_OF(ask_actions); i++) {
		if (strcmp(ask_actions[i], text_of(a, "action")) == 0)
			return ERR_NONE;
	}
	return err_set_field(e, ERR_FIELD, "/action",
			     "unknown action \"%.40s\"; there are those that the task's pending entry names",
			     text_of(a, "action"));
}

static bool action_offered(const struct json *pending, const char *action, struct buf *offered)
{
	const struct json *at = json_first(json_get(pending, "actions"));
	bool found = false;

	for (; at; at = json_next(at)) {
		const char *name = json_text(at);

		found = found || (name && strcmp(name, action) == 0);
		buf_printf(offered, "%s\"%.40s\"", offered->len ? ", " : "", name ? name : "");
	}
	return found;
}

/* Is this what the task waits for, and may it be decided so? */
static enum err pending_check(const struct act *a, const struct json *pending, struct error *e)
{
	const char *id = json_get_text(pending, "id", "");
	struct buf offered = BUF_INIT;
	enum err code = ERR_NONE;

	if (strcmp(id, text_of(a, "id")) != 0)
		return err_set_field(
			e, ERR_CONFLICT, "/id",
			"the task does not wait for \"%.80s\": what it waits for now is \"%.80s\"; read "
			"the task again",
			text_of(a, "id"), id);
	if (!action_offered(pending, text_of(a, "action"), &offered))
		code = err_set_field(e, ERR_FIELD, "/action", "\"%s\" is not possible here: there are %s",
				     text_of(a, "action"), offered.len ? buf_cstr(&offered) : "no actions");
	buf_release(&offered);
	return code;
}

/* What is filled into a form; *filled is to be freed. */
static enum err form_check(const struct act *a, const struct json *pending, struct json **filled,
			   struct error *e)
{
	const struct json *content = json_get(a->body, "content");
	const struct json *schema = json_get(pending, "schema");
	const size_t at = strlen("/content");

	content = json_is(content, JSON_NULL) ? NULL : content;
	if (schema && strcmp(text_of(a, "action"), "accept") == 0) {
		if (mcp_elicit_fill(schema, content, filled, e) == ERR_NONE)
			return ERR_NONE;
		memmove(e->field + at, e->field, sizeof(e->field) - at - 1);
		memcpy(e->field, "/content", at);
		e->field[sizeof(e->field) - 1] = '\0';
		return e->code = ERR_FIELD;
	}
	if (content)
		return err_set_field(e, ERR_FIELD, "/content", "\"%s\" takes no content here",
				     text_of(a, "action"));
	return ERR_NONE;
}

/* pending: answers to a planner's questions make a plan, all other input goes on with one. */
static void input_change(struct act *a, const struct json *pending, const struct json *filled)
{
	bool plans = strcmp(json_get_text(pending, "kind", ""), "questions") == 0;

	struct jw w = JW(&a->data);

	buf_reset(&a->data);
	jw_object(&w);
	jw_kv_text(&w, "id", text_of(a, "id"));
	jw_kv_text(&w, "action", text_of(a, "action"));
	if (filled)
		jw_kv_json(&w, "content", filled);
	else
		jw_kv_text(&w, "content", text_of(a, "content"));
	if (json_is(json_get(a->body, "arguments"), JSON_OBJECT))
		jw_kv_json(&w, "arguments", json_get(a->body, "arguments"));
	act_by_write(a, &w);
	jw_object_end(&w);
	a->events[0] = (struct task_event){EVENT_TASK_INPUT, buf_slice(&a->data)};
	a->events[1] = (struct task_event){EVENT_TASK_PENDING, SLICE_LIT("{\"pending\":null}")};
	a->change =
		(struct task_change){.events = a->events, .events_count = 2, .if_last_seq = a->head.last_seq};
	a->change.to = plans ? TASK_PLANNING : TASK_RUNNING;
	act_state_data(a, NULL);
}

static enum err input_prepare(struct act *a, struct error *e)
{
	struct json *doc, *filled = NULL;
	const struct json *pending;
	enum err code = body_check(a, e);

	if (code != ERR_NONE)
		return code;
	if (a->head.state != TASK_INPUT_REQUIRED)
		return err_set(e, ERR_CONFLICT,
			       "the task is %s: only a task that is input_required can be given input",
			       task_state_text(a->head.state));
	doc = json_parse(a->doc.data, a->doc.len, JSON_DEPTH_MAX, e);
	if (!doc)
		return err_set(e, ERR_INTERNAL, "the task's document cannot be read");
	pending = json_get(doc, "pending");
	code = pending_check(a, pending, e);
	if (code == ERR_NONE && json_get_bool(pending, "live", false))
		code = form_check(a, pending, &filled, e);
	if (code == ERR_NONE)
		code = input_arguments_check(a, pending, e);
	if (code == ERR_NONE)
		input_change(a, pending, filled);
	json_free(filled);
	json_free(doc);
	return code;
}

static enum err input(struct api_post *p, struct api_made *made, struct error *e)
{
	static const char *const members[] = {"id", "action", "content", "arguments", NULL};

	return act_run(p, made, members, false, input_prepare, e);
}

void api_task_input(struct http_request *r)
{
	api_post_start(r, 200, input);
}
