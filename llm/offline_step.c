/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor's role: one turn of one step. A step with a tool asks for it once, with its literals and what
 * earlier results give (the first allowed directory, a file chosen from a listing), and then hands over the
 * tool's text. A relative path that the server does not find is tried once more below its first allowed
 * directory. A step without a tool is a transform and finishes at once. Keeps no state: where a step stands
 * is read from its conversation.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <stdlib.h>
#include <string.h>

static const char finish_step[] = "finish_step";

static void finish_print(struct buf *arguments, bool success, struct slice text, size_t left_out)
{
	struct buf all = BUF_INIT;
	struct jw w = JW(arguments);
	buf_add_slice(&all, text);
	if (left_out > 0)
		buf_printf(&all, "\n[... %zu bytes left out ...]\n", left_out);
	jw_object(&w);
	jw_kv_text(&w, "status", success ? "success" : "failed");
	jw_name(&w, "result");
	jw_text_n(&w, buf_cstr(&all), all.len);
	jw_object_end(&w);
	buf_release(&all);
}

/* Text that does not fit into the arguments of a call is cut, and says so. */
static void finish(struct buf *name, struct buf *arguments, bool success, const char *head, struct slice text)
{
	struct buf all = BUF_INIT;
	buf_add_str(&all, head);
	buf_add_slice(&all, text);
	buf_add_str(name, finish_step);
	struct slice kept = rules_cut(buf_slice(&all), RESULT_JSON_BYTES_MAX);
	for (;;) {
		finish_print(arguments, success, kept, all.len - kept.len);
		if (arguments->len <= RESULT_JSON_BYTES_MAX + 64)
			break;
		buf_reset(arguments);
		kept = rules_cut(kept, kept.len / 2);
	}
	buf_release(&all);
}

/* --- the conversation so far --- */

static const struct llm_tool_call *call_answered(const struct llm_request *r,
						 const struct llm_message *answer)
{
	const struct llm_tool_call *last = NULL;
	for (size_t i = 0; i < r->messages_count && &r->messages[i] < answer; i++)
		for (size_t k = 0; k < r->messages[i].calls_count; k++) {
			const struct llm_tool_call *c = &r->messages[i].calls[k];
			if (answer->tool_call_id == NULL || strcmp(c->id, answer->tool_call_id) == 0)
				last = c;
		}
	return last;
}

static const struct llm_message *last_answer(const struct llm_request *r, size_t *count)
{
	const struct llm_message *last = NULL;
	*count = 0;
	for (size_t i = 0; i < r->messages_count; i++)
		if (r->messages[i].speaker == LLM_TOOL) {
			last = &r->messages[i];
			(*count)++;
		}
	return last;
}

static void call(const char *tool, const struct json *args, struct buf *name, struct buf *arguments)
{
	buf_add_str(name, tool);
	json_print(args, arguments);
}

/* The literal relative path of the step, "" when it has none. */
static const char *relative_path(const struct stepping *s)
{
	const char *property = rules_arg_required(s->tool->schema, ARG_PATH);
	const char *path = property != NULL ? json_get_text(s->arguments, property, "") : "";
	bool relative = *path != '\0' && *path != '/' && *path != '~' && path[1] != ':';
	return relative ? path : "";
}

/* The tool has answered: hand over, try below a root, or give up. */
static void answered(struct stepping *s, const struct llm_message *answer, size_t answers, struct buf *name,
		     struct buf *arguments)
{
	const char *text = answer->text != NULL ? answer->text : "";
	const struct llm_tool_call *asked = call_answered(s->r, answer);
	const struct llm_tool *roots = rules_tool_roots(s->r, s->tool->server);
	bool failed = answer->is_error;
	bool was_roots =
		roots != NULL && roots != s->tool && asked != NULL && strcmp(asked->name, roots->name) == 0;
	struct buf root = BUF_INIT, path = BUF_INIT;
	if (failed && !was_roots && answers == 1 && roots != NULL && roots != s->tool &&
	    *relative_path(s) != '\0') {
		buf_add_str(name, roots->name);
		buf_add_str(arguments, "{}");
	} else if (was_roots && !failed && *relative_path(s) != '\0' && stepping_directory(text, &root)) {
		buf_printf(&path, "%s%s%s", buf_cstr(&root), root.data[root.len - 1] == '/' ? "" : "/",
			   relative_path(s));
		json_set(s->arguments, rules_arg_required(s->tool->schema, ARG_PATH),
			 json_new_text(buf_cstr(&path)));
		call(s->tool->name, s->arguments, name, arguments);
	} else {
		finish(name, arguments, !failed, buf_cstr(&s->chosen), slice_str(text));
	}
	buf_release(&root);
	buf_release(&path);
}

/* Did this step list a directory before it chose? */
static void deeper_find(struct stepping *s)
{
	const struct llm_tool *lister = rules_tool_lister(s->r, s->tool->server);
	for (size_t i = 0; lister != NULL && lister != s->tool && i < s->r->messages_count; i++) {
		const struct llm_message *m = &s->r->messages[i];
		const struct llm_tool_call *asked = m->speaker == LLM_TOOL ? call_answered(s->r, m) : NULL;
		if (asked == NULL || strcmp(asked->name, lister->name) != 0 || s->deeper_text != NULL)
			continue;
		struct json *args = json_parse(asked->arguments, strlen(asked->arguments), 0, NULL);
		s->deeper_text = m->text != NULL ? m->text : "";
		buf_add_str(&s->deeper_in,
			    json_get_text(args, rules_arg_required(lister->schema, ARG_PATH), ""));
		json_free(args);
	}
}

static void list_deeper(struct stepping *s, struct buf *name, struct buf *arguments)
{
	const struct llm_tool *lister = rules_tool_lister(s->r, s->tool->server);
	struct json *args = json_new_object();
	json_set(args, rules_arg_required(lister->schema, ARG_PATH), json_new_text(buf_cstr(&s->look_in)));
	call(lister->name, args, name, arguments);
	json_free(args);
}

static void tool_turn(struct stepping *s, struct buf *name, struct buf *arguments)
{
	size_t answers;
	const struct llm_message *answer = last_answer(s->r, &answers);
	const struct llm_tool_call *asked = answer != NULL ? call_answered(s->r, answer) : NULL;
	bool forced = s->r->force_tool != NULL && strcmp(s->r->force_tool, s->tool->name) != 0;
	if (!s->tool->read_only)
		buf_printf(&s->failure,
			   "%s is not marked read-only; the " OFFLINE_MARK ", run only read-only tools.",
			   s->tool->name);
	else if (answer == NULL && forced)
		buf_add_str(&s->failure, "The step has to end, but its tool was not called yet.");
	deeper_find(s);
	if (s->failure.len > 0 || !stepping_arguments(s)) {
		if (s->look_in.len > 0 && !forced)
			list_deeper(s, name, arguments);
		else
			finish(name, arguments, false, "", buf_slice(&s->failure));
	} else if (answer == NULL || (s->deeper_text == answer->text && asked != NULL &&
				      strcmp(asked->name, s->tool->name) != 0)) {
		call(s->tool->name, s->arguments, name, arguments);
	} else {
		answered(s, answer, answers, name, arguments);
	}
}

/* --- transforms --- */

/* Takes the line that names a chosen file off the text. */
static struct slice chosen_take(struct slice *text)
{
	size_t at = 0, prefix = strlen(CHOSEN_PREFIX);
	struct slice line;
	if (text->len < prefix || memcmp(text->ptr, CHOSEN_PREFIX, prefix) != 0 ||
	    !rules_line_next(*text, &at, &line))
		return (struct slice){0};
	if (at < text->len && text->ptr[at] == '\n')
		at++;
	*text = (struct slice){text->ptr + at, text->len - at};
	return (struct slice){line.ptr + prefix, line.len - prefix};
}

static void transform_turn(struct stepping *s, struct buf *name, struct buf *arguments)
{
	const char *given = stepping_text(s, INPUT_TEXT);
	struct transform t = {.op = rules_operation_find(stepping_text(s, INPUT_OPERATION)),
			      .unit = stepping_text(s, INPUT_UNIT),
			      .needle = stepping_text(s, INPUT_CONTAINS),
			      .subject = stepping_text(s, INPUT_SUBJECT),
			      .descending = stepping_input(s, INPUT_ORDER) != NULL};
	if (t.op == OP_NONE)
		buf_add_str(&s->failure, "The " OFFLINE_MARK
					 ", cannot do this step: it names no tool that is connected, and "
					 "is none of summarise, count, extract, keywords, sort.");
	else if (given == NULL)
		buf_add_str(&s->failure, "The text to work on is missing.");
	if (s->failure.len > 0) {
		finish(name, arguments, false, "", buf_slice(&s->failure));
		return;
	}
	struct slice text = slice_str(given), chosen = chosen_take(&text);
	char *subject = chosen.len > 0 && t.subject == NULL ? slice_dup(chosen) : NULL;
	struct buf out = BUF_INIT;
	t.subject = subject != NULL ? subject : t.subject;
	rules_transform(&t, text, &out);
	finish(name, arguments, true, "", buf_slice(&out));
	buf_release(&out);
	free(subject);
}

void offline_step(const struct llm_request *r, struct buf *name, struct buf *arguments)
{
	struct stepping s = {.r = r};
	const struct json *steps = json_get(r->context->plan, "steps");
	for (const struct json *j = json_first(steps); j != NULL; j = json_next(j))
		if (r->context->step_id != NULL &&
		    strcmp(json_get_text(j, "id", ""), r->context->step_id) == 0)
			s.step = j;
	const struct json *hints = json_get(s.step, "tool_hints");
	for (const struct json *h = json_first(hints); h != NULL && s.tool == NULL; h = json_next(h))
		s.tool = rules_tool_find(r, json_text(h));
	if (s.tool != NULL && s.tool->server == NULL)
		s.tool = NULL;
	if (s.tool != NULL)
		tool_turn(&s, name, arguments);
	else
		transform_turn(&s, name, arguments);
	json_free(s.arguments);
	buf_release(&s.chosen);
	buf_release(&s.failure);
	buf_release(&s.look_in);
	buf_release(&s.deeper_in);
}
