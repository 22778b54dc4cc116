/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation that a tool server wants the model to go on with (2025-11-25, client/sampling): whether it
 * is one, what a model is told of it, and how its turn is told to the server. Pure. Content is one block or a
 * list of blocks: texts, uses of tools (the assistant's), and their results, which fill the message after.
 * The tools are the server's own: what the model calls goes back to it, and nothing of it is called here.
 * Pictures and sounds are not taken.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

/* What every model API takes as the name of a tool. */
enum { TOOL_NAME_MAX = 64 };

/* --- content --- */

static const struct json *block_first(const struct json *content)
{
	return json_is(content, JSON_ARRAY) ? json_first(content) : content;
}

static const struct json *block_next(const struct json *content, const struct json *b)
{
	return json_is(content, JSON_ARRAY) ? json_next(b) : NULL;
}

static bool is_of(const struct json *b, const char *type)
{
	return strcmp(json_get_text(b, "type", ""), type) == 0;
}

/* type NULL: of any. */
static size_t blocks_count(const struct json *content, const char *type)
{
	size_t n = 0;
	for (const struct json *b = block_first(content); b != NULL; b = block_next(content, b))
		n += type == NULL || is_of(b, type);
	return n;
}

static void text_join(const struct json *content, struct buf *out)
{
	for (const struct json *b = block_first(content); b != NULL; b = block_next(content, b))
		if (is_of(b, "text"))
			buf_printf(out, "%s%s", out->len > 0 ? "\n" : "", json_get_text(b, "text", ""));
}

static void result_join(const struct json *result, struct buf *out)
{
	text_join(json_get(result, "content"), out);
	if (out->len == 0 && json_get(result, "structuredContent") != NULL)
		json_print(json_get(result, "structuredContent"), out);
}

/* --- is it one? --- */

static enum err text_check(const struct json *b, struct error *e)
{
	if (is_of(b, "image") || is_of(b, "audio"))
		return err_set(e, ERR_FIELD,
			       "content of type \"%s\" is not taken: this client takes text only",
			       json_get_text(b, "type", ""));
	if (!is_of(b, "text") || json_text(json_get(b, "text")) == NULL)
		return err_set(e, ERR_FIELD,
			       "a message has content that is no text; this client takes text only");
	return ERR_NONE;
}

static enum err use_check(const struct json *b, struct error *e)
{
	if (json_get_text(b, "id", "")[0] == '\0' || json_get_text(b, "name", "")[0] == '\0' ||
	    !json_is(json_get(b, "input"), JSON_OBJECT))
		return err_set(e, ERR_FIELD, "a tool_use needs an id, a name, and an object as input");
	return ERR_NONE;
}

static enum err result_check(const struct json *b, struct error *e)
{
	const struct json *content = json_get(b, "content");
	enum err rc = ERR_NONE;
	if (json_get_text(b, "toolUseId", "")[0] == '\0')
		return err_set(e, ERR_FIELD, "a tool_result needs a toolUseId");
	for (const struct json *c = block_first(content); c != NULL && rc == ERR_NONE;
	     c = block_next(content, c))
		rc = text_check(c, e);
	return rc;
}

static enum err block_check(const struct json *b, bool assistant, struct error *e)
{
	if (assistant && is_of(b, "tool_use"))
		return use_check(b, e);
	if (!assistant && is_of(b, "tool_result"))
		return result_check(b, e);
	if (is_of(b, "tool_use") || is_of(b, "tool_result"))
		return err_set(e, ERR_FIELD, "tool_use is the assistant's, and tool_result the user's");
	return text_check(b, e);
}

static bool is_answered(const struct json *use, const struct json *results)
{
	size_t n = 0;
	for (const struct json *b = block_first(results); b != NULL; b = block_next(results, b))
		n += strcmp(json_get_text(b, "toolUseId", ""), json_get_text(use, "id", "")) == 0;
	return n == 1;
}

/* before: the content of the message before; NULL: there is none. */
static enum err pairs_check(const struct json *content, const struct json *before, struct error *e)
{
	size_t uses = blocks_count(before, "tool_use"), results = blocks_count(content, "tool_result");
	bool paired = uses == results;
	if (results > 0 && results != blocks_count(content, NULL))
		return err_set(e, ERR_FIELD, "a message with tool results must hold nothing else");
	for (const struct json *b = block_first(before); b != NULL && paired; b = block_next(before, b))
		paired = !is_of(b, "tool_use") || is_answered(b, content);
	if (!paired)
		return err_set(e, ERR_FIELD,
			       "each tool_use must be answered by one tool_result in the message that "
			       "follows, and nothing else may be");
	return ERR_NONE;
}

static enum err message_check(const struct json *m, const struct json *before, struct error *e)
{
	const struct json *content = json_get(m, "content");
	const char *role = json_get_text(m, "role", "");
	bool assistant = strcmp(role, "assistant") == 0;
	enum err rc = ERR_NONE;
	if (!assistant && strcmp(role, "user") != 0)
		return err_set(e, ERR_FIELD, "the role of a message must be user or assistant");
	if (blocks_count(content, NULL) == 0)
		return err_set(e, ERR_FIELD, "a message has no content");
	for (const struct json *b = block_first(content); b != NULL && rc == ERR_NONE;
	     b = block_next(content, b))
		rc = block_check(b, assistant, e);
	return rc != ERR_NONE ? rc : pairs_check(content, before, e);
}

static bool name_fits(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return n > 0 && n <= TOOL_NAME_MAX && name[n] == '\0';
}

static enum err tool_check(const struct json *tools, const struct json *t, struct error *e)
{
	const char *name = json_get_text(t, "name", "");
	if (!name_fits(name))
		return err_set(e, ERR_FIELD,
			       "the name of a tool must be of 1 to %d letters, digits, _ or -, is \"%.80s\"",
			       TOOL_NAME_MAX, name);
	if (!json_is(json_get(t, "inputSchema"), JSON_OBJECT))
		return err_set(e, ERR_FIELD, "tool \"%s\" has no object as inputSchema", name);
	for (const struct json *o = json_first(tools); o != t; o = json_next(o))
		if (strcmp(json_get_text(o, "name", ""), name) == 0)
			return err_set(e, ERR_FIELD, "two tools are named \"%s\"", name);
	return ERR_NONE;
}

/* false: there is no such mode. */
static bool choice_read(const struct json *params, enum llm_choice *out)
{
	static const char *const modes[] = {
		[LLM_CHOICE_AUTO] = "auto", [LLM_CHOICE_REQUIRED] = "required", [LLM_CHOICE_NONE] = "none"};
	const struct json *choice = json_get(params, "toolChoice");
	const char *mode =
		choice == NULL || json_is(choice, JSON_OBJECT) ? json_get_text(choice, "mode", "auto") : "";
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		*out = (enum llm_choice)i;
		if (strcmp(mode, modes[i]) == 0)
			return true;
	}
	return false;
}

static enum err tools_check(const struct json *params, struct error *e)
{
	const struct json *tools = json_get(params, "tools");
	enum llm_choice choice;
	if (tools != NULL && !json_is(tools, JSON_ARRAY))
		return err_set(e, ERR_FIELD, "tools must be a list");
	for (const struct json *t = json_first(tools); t != NULL; t = json_next(t))
		if (tool_check(tools, t, e) != ERR_NONE)
			return e->code;
	if (!choice_read(params, &choice))
		return err_set(e, ERR_FIELD, "toolChoice must have a mode: auto, required or none");
	if (choice == LLM_CHOICE_REQUIRED && json_count(tools) == 0)
		return err_set(e, ERR_FIELD, "toolChoice requires a tool, and there are none");
	return ERR_NONE;
}

enum err sampling_check(const struct json *params, struct error *e)
{
	const struct json *messages = json_get(params, "messages"), *before = NULL;
	if (!json_is(messages, JSON_ARRAY) || json_count(messages) == 0)
		return err_set(e, ERR_FIELD, "messages must be a list of at least one message");
	for (const struct json *m = json_first(messages); m != NULL; m = json_next(m)) {
		if (message_check(m, before, e) != ERR_NONE)
			return e->code;
		before = json_get(m, "content");
	}
	const struct json *last = json_at(messages, json_count(messages) - 1);
	if (strcmp(json_get_text(last, "role", ""), "user") != 0)
		return err_set(e, ERR_FIELD, "the last message must be the user's");
	return tools_check(params, e);
}

/* --- what a model is told --- */

static const char *kept(struct arena *a, const char *text)
{
	return text != NULL ? arena_strndup(a, text, strlen(text)) : NULL;
}

static const char *printed(struct arena *a, const struct json *j)
{
	struct buf text = BUF_INIT;
	json_print(j, &text);
	const char *copy = kept(a, buf_cstr(&text));
	buf_release(&text);
	return copy;
}

static void say(struct sampling_talk *t, struct arena *a, enum llm_speaker speaker, const char *text)
{
	t->messages[t->messages_count++] = (struct llm_message){.speaker = speaker, .text = kept(a, text)};
}

static void results_say(struct sampling_talk *t, struct arena *a, const struct json *content)
{
	for (const struct json *b = block_first(content); b != NULL; b = block_next(content, b)) {
		struct buf text = BUF_INIT;
		result_join(b, &text);
		say(t, a, LLM_TOOL, buf_cstr(&text));
		struct llm_message *m = &t->messages[t->messages_count - 1];
		m->tool_call_id = kept(a, json_get_text(b, "toolUseId", ""));
		m->is_error = json_get_bool(b, "isError", false);
		buf_release(&text);
	}
}

static void uses_add(struct llm_message *m, struct arena *a, const struct json *content)
{
	size_t uses = blocks_count(content, "tool_use");
	struct llm_tool_call *calls = arena_alloc(a, (uses + 1) * sizeof *calls);
	for (const struct json *b = block_first(content); b != NULL; b = block_next(content, b)) {
		if (is_of(b, "tool_use"))
			calls[m->calls_count++] =
				(struct llm_tool_call){.id = kept(a, json_get_text(b, "id", "")),
						       .name = kept(a, json_get_text(b, "name", "")),
						       .arguments = printed(a, json_get(b, "input"))};
	}
	m->calls = calls;
}

static void message_say(struct sampling_talk *t, struct arena *a, const struct json *m)
{
	const struct json *content = json_get(m, "content");
	bool assistant = strcmp(json_get_text(m, "role", ""), "assistant") == 0;
	struct buf text = BUF_INIT;
	if (blocks_count(content, "tool_result") > 0) {
		results_say(t, a, content);
		return;
	}
	text_join(content, &text);
	say(t, a, assistant ? LLM_ASSISTANT : LLM_USER, buf_cstr(&text));
	if (assistant)
		uses_add(&t->messages[t->messages_count - 1], a, content);
	buf_release(&text);
}

static void tools_read(struct sampling_talk *t, struct arena *a, const struct json *tools)
{
	t->tools = arena_alloc(a, (json_count(tools) + 1) * sizeof *t->tools);
	for (const struct json *one = json_first(tools); one != NULL; one = json_next(one)) {
		const struct json *schema = json_get(one, "inputSchema");
		t->tools[t->tools_count++] =
			(struct llm_tool){.name = kept(a, json_get_text(one, "name", "")),
					  .title = kept(a, json_get_text(one, "title", NULL)),
					  .description = kept(a, json_get_text(one, "description", NULL)),
					  .schema = schema,
					  .schema_text = slice_str(printed(a, schema))};
	}
}

void sampling_read(const struct json *params, struct arena *a, struct sampling_talk *out)
{
	const struct json *messages = json_get(params, "messages");
	const char *system = json_get_text(params, "systemPrompt", NULL);
	size_t most = 1;
	for (const struct json *m = json_first(messages); m != NULL; m = json_next(m))
		most += blocks_count(json_get(m, "content"), NULL);
	*out = (struct sampling_talk){.messages = arena_alloc(a, most * sizeof *out->messages)};
	if (system != NULL)
		say(out, a, LLM_SYSTEM, system);
	for (const struct json *m = json_first(messages); m != NULL; m = json_next(m))
		message_say(out, a, m);
	tools_read(out, a, json_get(params, "tools"));
	ensure(choice_read(params, &out->choice));
}

/* --- its turn --- */

static void text_write(struct jw *w, const char *text)
{
	jw_object(w);
	jw_kv_text(w, "type", "text");
	jw_kv_text(w, "text", text);
	jw_object_end(w);
}

/* false: its arguments are no object. */
static bool use_write(struct jw *w, const struct llm_tool_call *c)
{
	struct json *input = json_parse(c->arguments, strlen(c->arguments), JSON_DEPTH_MAX, NULL);
	bool fits = json_is(input, JSON_OBJECT);
	if (fits) {
		jw_object(w);
		jw_kv_text(w, "type", "tool_use");
		jw_kv_text(w, "id", c->id);
		jw_kv_text(w, "name", c->name);
		jw_kv_json(w, "input", input);
		jw_object_end(w);
	}
	json_free(input);
	return fits;
}

static bool uses_write(struct jw *w, const struct llm_turn *turn)
{
	bool fits = true;
	jw_array(w);
	if (turn->text[0] != '\0')
		text_write(w, turn->text);
	for (size_t i = 0; i < turn->calls_count && fits; i++)
		fits = use_write(w, &turn->calls[i]);
	jw_array_end(w);
	return fits;
}

bool sampling_turn_write(const struct sampling_talk *t, const struct llm_turn *turn, struct buf *out)
{
	struct jw w = JW(out);
	bool cut = turn->stop == LLM_STOP_LENGTH, fits = true;
	bool uses = turn->calls_count > 0 && !cut && t->tools_count > 0 && t->choice != LLM_CHOICE_NONE;
	jw_object(&w);
	jw_kv_text(&w, "role", "assistant");
	jw_name(&w, "content");
	if (uses)
		fits = uses_write(&w, turn);
	else
		text_write(&w, turn->text);
	jw_kv_text(&w, "model", turn->model);
	jw_kv_text(&w, "stopReason", uses ? "toolUse" : cut ? "maxTokens" : "endTurn");
	jw_object_end(&w);
	return fits;
}
