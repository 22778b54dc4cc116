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

enum { CHOSEN_FILES_MAX = 10, VALUE_BYTES_MAX = 4096 };
static const char finish_step[] = "finish_step";
static const char error_prefix[] = "Error: "; /* as the runtime marks a failed call */

struct stepping {
	const struct llm_request *r;
	const struct json *step;
	const struct llm_tool *tool;
	struct json *arguments;
	struct buf chosen; /* line that says which file was chosen and why; "" */
	struct buf failure;
};

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

static const char *result_of(const struct llm_context *c, const char *step_id)
{
	for (size_t i = 0; step_id != NULL && i < c->results_count; i++)
		if (strcmp(c->results[i].step_id, step_id) == 0)
			return c->results[i].text != NULL ? c->results[i].text : "";
	return NULL;
}

static const struct json *input_find(const struct json *step, const char *name)
{
	const struct json *inputs = json_get(step, "inputs");
	for (const struct json *in = json_first(inputs); in != NULL; in = json_next(in))
		if (strcmp(json_get_text(in, "name", ""), name) == 0)
			return in;
	return NULL;
}

/* The text of an input, from a literal or a step's result; NULL when there is none. */
static const char *input_text(const struct stepping *s, const char *name)
{
	const struct json *in = input_find(s->step, name);
	const char *from = json_get_text(in, "from_step", NULL);
	return from != NULL ? result_of(s->r->context, from) : json_get_text(in, "literal", NULL);
}

/* --- values from results --- */

/* "Allowed directories:" gives its first one, a path is itself. */
static bool directory_of(const char *text, struct buf *out)
{
	struct listing l;
	rules_listing_parse(slice_str(text), &l);
	bool found = l.count > 0 && (l.kind == LISTING_ROOTS || (l.kind == LISTING_PATHS && l.count == 1));
	struct slice whole = rules_trim(slice_str(text));
	if (found)
		buf_add_slice(out, l.entries[0].name);
	else if (whole.len > 0 && whole.len < VALUE_BYTES_MAX && memchr(whole.ptr, '\n', whole.len) == NULL)
		found = buf_add_slice(out, whole);
	rules_listing_release(&l);
	return found;
}

/* A name below the listed directory; absolute names stay. */
static void path_join(const struct stepping *s, struct slice name, struct buf *out)
{
	const char *in = input_text(s, INPUT_DIRECTORY);
	struct buf directory = BUF_INIT;
	bool absolute = name.ptr[0] == '/' || name.ptr[0] == '~' || (name.len > 1 && name.ptr[1] == ':');
	if (!absolute && in != NULL && directory_of(in, &directory)) {
		buf_add_slice(out, buf_slice(&directory));
		if (directory.data[directory.len - 1] != '/')
			buf_add_char(out, '/');
	}
	buf_add_slice(out, name);
	buf_release(&directory);
}

static struct json *all_texts(struct stepping *s, const struct listing *l)
{
	struct json *list = json_new_array();
	size_t texts = 0;
	for (size_t i = 0; i < l->count; i++) {
		if (l->entries[i].directory || !rules_is_text_file(l->entries[i].name) ||
		    texts++ >= CHOSEN_FILES_MAX)
			continue;
		struct buf path = BUF_INIT;
		path_join(s, l->entries[i].name, &path);
		json_push(list, json_new_text(buf_cstr(&path)));
		buf_printf(&s->chosen, "%s%s", s->chosen.len > 0 ? ", " : CHOSEN_PREFIX, buf_cstr(&path));
		buf_release(&path);
	}
	if (texts == 0) {
		json_free(list);
		return NULL;
	}
	buf_printf(&s->chosen, " (%s%zu text files of %zu entries)\n\n",
		   texts > CHOSEN_FILES_MAX ? "the first 10 of " : "all ", texts, l->count);
	return list;
}

static struct json *chosen_text(struct stepping *s, const struct listing *l)
{
	const char *why;
	const struct entry *e = rules_listing_choose(l, slice_str(s->r->context->goal), &why);
	if (e == NULL)
		return NULL;
	struct buf path = BUF_INIT;
	path_join(s, e->name, &path);
	buf_printf(&s->chosen, CHOSEN_PREFIX "%s (of %zu entries: %s%s)\n\n", buf_cstr(&path), l->count, why,
		   l->left_out > 0 ? "; further entries were not looked at" : "");
	struct json *value = json_new_text(buf_cstr(&path));
	buf_release(&path);
	return value;
}

/* What an earlier result gives for a property. NULL, and why in s->failure. */
static struct json *value_of_result(struct stepping *s, const char *name, const char *text)
{
	const struct json *property = json_get(json_get(s->tool->schema, "properties"), name);
	bool many = rules_arg_kind(property, name) == ARG_ARRAY;
	struct json *value = NULL;
	struct listing l;
	rules_listing_parse(slice_str(text), &l);
	if (l.kind == LISTING_ENTRIES || l.kind == LISTING_PATHS) {
		value = many ? all_texts(s, &l) : chosen_text(s, &l);
		if (value == NULL)
			buf_printf(&s->failure, "No text file to choose among these entries:\n%s", text);
	} else {
		struct buf path = BUF_INIT;
		if (directory_of(text, &path))
			value = json_new_text(buf_cstr(&path));
		else
			buf_printf(&s->failure, "The earlier result names nothing that fits \"%s\":\n%s",
				   name, text);
		if (value != NULL && many) {
			struct json *list = json_new_array();
			json_push(list, value);
			value = list;
		}
		buf_release(&path);
	}
	rules_listing_release(&l);
	return value;
}

/* false: s->failure says why. */
static bool arguments_make(struct stepping *s)
{
	const struct json *inputs = json_get(s->step, "inputs");
	s->arguments = json_new_object();
	for (const struct json *in = json_first(inputs); in != NULL; in = json_next(in)) {
		const char *name = json_get_text(in, "name", NULL),
			   *from = json_get_text(in, "from_step", NULL);
		struct json *value = NULL;
		if (name == NULL || strcmp(name, INPUT_DIRECTORY) == 0)
			continue;
		if (from == NULL) {
			value = json_copy(json_get(in, "literal"));
		} else {
			const char *text = result_of(s->r->context, from);
			if (text != NULL)
				value = value_of_result(s, name, text);
			else
				buf_printf(&s->failure, "The result of %s is missing.", from);
		}
		if (value == NULL)
			return false;
		json_set(s->arguments, name, value);
	}
	return true;
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
	bool failed = strncmp(text, error_prefix, sizeof error_prefix - 1) == 0;
	bool was_roots =
		roots != NULL && roots != s->tool && asked != NULL && strcmp(asked->name, roots->name) == 0;
	struct buf root = BUF_INIT, path = BUF_INIT;
	if (failed && !was_roots && answers == 1 && roots != NULL && roots != s->tool &&
	    *relative_path(s) != '\0') {
		buf_add_str(name, roots->name);
		buf_add_str(arguments, "{}");
	} else if (was_roots && !failed && *relative_path(s) != '\0' && directory_of(text, &root)) {
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

static void tool_turn(struct stepping *s, struct buf *name, struct buf *arguments)
{
	size_t answers;
	const struct llm_message *answer = last_answer(s->r, &answers);
	if (!s->tool->read_only)
		buf_printf(&s->failure,
			   "%s is not marked read-only; the " OFFLINE_MARK ", run only read-only tools.",
			   s->tool->name);
	else if (answer == NULL && s->r->force_tool != NULL && strcmp(s->r->force_tool, s->tool->name) != 0)
		buf_add_str(&s->failure, "The step has to end, but its tool was not called yet.");
	if (s->failure.len > 0 || !arguments_make(s))
		finish(name, arguments, false, "", buf_slice(&s->failure));
	else if (answer != NULL)
		answered(s, answer, answers, name, arguments);
	else
		call(s->tool->name, s->arguments, name, arguments);
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
	const char *given = input_text(s, INPUT_TEXT);
	struct transform t = {.op = rules_operation_find(input_text(s, INPUT_OPERATION)),
			      .unit = input_text(s, INPUT_UNIT),
			      .needle = input_text(s, INPUT_CONTAINS),
			      .subject = input_text(s, INPUT_SUBJECT),
			      .descending = input_find(s->step, INPUT_ORDER) != NULL};
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
}
