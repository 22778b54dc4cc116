/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tool calls of Chat Completions, put together from fragments. Pure.
 *
 * By the book each fragment carries the index of its call, the first one id and name, the others a piece of
 * the argument text. Servers that call themselves compatible leave the index out, send 0 for all parallel
 * calls, give the arguments as an object, repeat the name, or send a member of their own in a fragment by
 * itself that must be echoed on the next turn. So a fragment belongs to the newest call at its position
 * unless something about it says that it begins another; members nobody knows are kept as they are. It does
 * not judge names or arguments: the agent checks those against the tool's schema.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <string.h>

static bool is_complete(const struct buf *arguments)
{
	if (arguments->len == 0)
		return false;
	struct json *j = json_parse(arguments->data, arguments->len, JSON_DEPTH_MAX, NULL);
	json_free(j);
	return j != NULL;
}

static struct llm_call_buf *find_by_id(struct llm_turn_buf *t, const char *id)
{
	for (size_t i = t->calls_count; i > 0; i--) {
		if (slice_eq_str(buf_slice(&t->calls[i - 1].id), id))
			return &t->calls[i - 1];
	}
	return NULL;
}

static struct llm_call_buf *find_by_key(struct llm_turn_buf *t, int64_t key)
{
	for (size_t i = t->calls_count; i > 0; i--) {
		if (t->calls[i - 1].key == key)
			return &t->calls[i - 1];
	}
	return NULL;
}

/* The call a fragment with this position, id and name ("" when absent) continues; NULL: it begins one. */
static struct llm_call_buf *find_call(struct llm_turn_buf *t, int64_t key, bool keyed, const char *id,
				      const char *name)
{
	struct llm_call_buf *c = find_by_key(t, key);
	bool other_id = c != NULL && c->id.len > 0 && !slice_eq_str(buf_slice(&c->id), id);
	if (id[0] != '\0' && (other_id || (c == NULL && !keyed)))
		return find_by_id(t, id);
	if (c == NULL || name[0] == '\0' || (id[0] != '\0' && c->id.len > 0))
		return c;
	bool other_name = c->name.len > 0 && !slice_eq_str(buf_slice(&c->name), name);
	return other_name || is_complete(&c->arguments) ? NULL : c;
}

static void add_arguments(struct llm_call_buf *c, const struct json *arguments)
{
	if (json_is(arguments, JSON_STRING)) {
		buf_add_str(&c->arguments, json_text(arguments));
	} else if (arguments != NULL && !json_is(arguments, JSON_NULL)) {
		buf_reset(&c->arguments); /* a value comes whole, also when it is repeated */
		json_print(arguments, &c->arguments);
	}
}

/* The call that the fragment belongs to, with its id and name. NULL: there are too many. */
static struct llm_call_buf *fragment_call(struct llm_turn_buf *t, int64_t key, bool keyed, const char *id,
					  const char *name)
{
	struct llm_call_buf *c = find_call(t, key, keyed, id, name);
	if (c == NULL) {
		c = turn_buf_new_call(t);
		if (c == NULL)
			return NULL;
		c->key = key;
	}
	if (id[0] != '\0' && c->id.len == 0)
		buf_add_str(&c->id, id);
	if (name[0] != '\0' && c->name.len == 0)
		buf_add_str(&c->name, name);
	return c;
}

static enum err add_fragment(struct llm_turn_buf *t, const struct json *fragment, int64_t position,
			     struct error *e)
{
	static const char *const known[] = {"index", "id", "type", "function"};
	int64_t key = position;
	bool keyed = json_integer(json_get(fragment, "index"), &key);
	const struct json *function = json_get(fragment, "function");
	struct llm_call_buf *c = fragment_call(t, key, keyed, json_get_text(fragment, "id", ""),
					       json_get_text(function, "name", ""));
	if (c == NULL)
		return err_set(e, ERR_UPSTREAM, "the model asked for more than %d tools at once",
			       LLM_CALLS_MAX);
	add_arguments(c, json_get(function, "arguments"));
	llm_call_keep(c, fragment, known, COUNT_OF(known));
	return llm_call_check(c, e);
}

enum err chat_calls_add(struct llm_turn_buf *t, const struct json *fragments, struct error *e)
{
	int64_t position = 0;
	for (const struct json *f = json_first(fragments); f != NULL; f = json_next(f), position++) {
		enum err rc = json_is(f, JSON_OBJECT) ? add_fragment(t, f, position, e) : ERR_NONE;
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

bool chat_fragments_take(struct llm_turn_buf *t, const struct chat_fragment *f, size_t count)
{
	size_t bytes = 0, most = 0;
	for (size_t i = 0; i < count; i++)
		bytes += f[i].arguments.len;
	for (size_t i = 0; i < t->calls_count; i++)
		most = t->calls[i].arguments.len > most ? t->calls[i].arguments.len : most;
	if (t->calls_count + count > LLM_CALLS_MAX || most + bytes > LLM_ARGUMENTS_BYTES_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct llm_call_buf *c = fragment_call(t, f[i].key, f[i].keyed, f[i].id, f[i].name);
		ensure(c != NULL);
		if (!json_peek_is_null(f[i].arguments))
			ensure(json_peek_text(f[i].arguments, &c->arguments));
	}
	return true;
}
