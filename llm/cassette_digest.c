/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a request counts when its answer is looked up in a cassette. Two runs of the same task send the
 * same bodies but for a few things: the key for prompt caching, which is the task's id, and what the agent
 * writes into its prompts from clocks and counters (the caller's `plain` knows that). What a request says of
 * the answer's form is left out, too: its length, since what is left of a budget depends on which of two
 * steps was faster; its format, since that is what each worker has learned of the server. Pure.
 */
#include "base/base.h"
#include "llm/cassette_int.h"

#include <stdlib.h>
#include <string.h>

struct plainer {
	void (*plain)(struct slice text, struct buf *out);
	struct buf text; /* of one string, reused */
	struct buf *out;
};

static void value_put(struct plainer *p, const struct json *j, bool top);

static bool is_left_out(const char *name)
{
	static const char *const names[] = {
		"prompt_cache_key", /* the task's id */
		"max_tokens",       "max_completion_tokens", "max_output_tokens", "response_format", "text",
		"output_config",    "output_format",
	};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static void text_put(struct plainer *p, const char *text)
{
	struct jw w = JW(p->out);
	struct slice s = slice_str(text);
	if (p->plain != NULL) {
		buf_reset(&p->text);
		p->plain(s, &p->text);
		s = buf_slice(&p->text);
	}
	jw_text_n(&w, s.ptr, s.len);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(json_name(*(const struct json *const *)a), json_name(*(const struct json *const *)b));
}

static void object_put(struct plainer *p, const struct json *j, bool top)
{
	size_t count = 0;
	const struct json **members = xcalloc(json_count(j) + 1, sizeof *members);
	for (const struct json *m = json_first(j); m != NULL; m = json_next(m))
		if (!top || !is_left_out(json_name(m)))
			members[count++] = m;
	qsort(members, count, sizeof *members, by_name);
	buf_add_char(p->out, '{');
	for (size_t i = 0; i < count; i++) {
		struct jw w = JW(p->out);
		if (i > 0)
			buf_add_char(p->out, ',');
		jw_text(&w, json_name(members[i])); /* some are the server's, and need escapes */
		buf_add_char(p->out, ':');
		value_put(p, members[i], false);
	}
	buf_add_char(p->out, '}');
	free(members);
}

static void value_put(struct plainer *p, const struct json *j, bool top)
{
	switch (json_type(j)) {
	case JSON_STRING: text_put(p, json_text(j)); return;
	case JSON_OBJECT: object_put(p, j, top); return;
	case JSON_ARRAY:
		buf_add_char(p->out, '[');
		for (const struct json *i = json_first(j); i != NULL; i = json_next(i)) {
			if (i != json_first(j))
				buf_add_char(p->out, ',');
			value_put(p, i, false);
		}
		buf_add_char(p->out, ']');
		return;
	case JSON_NULL:
	case JSON_BOOL:
	case JSON_NUMBER: json_print_canonical(j, p->out); return;
	}
}

void cassette_request_plain(struct slice body, void (*plain)(struct slice text, struct buf *out),
			    struct buf *out)
{
	struct plainer p = {.plain = plain, .out = out};
	struct json *j = json_parse(body.ptr, body.len, JSON_DEPTH_MAX, NULL);
	if (j != NULL) {
		value_put(&p, j, true);
	} else {
		struct jw w = JW(out);
		jw_text_n(&w, body.ptr, body.len);
	}
	json_free(j);
	buf_release(&p.text);
}

void cassette_key(const char *provider, const char *path, struct slice request, char out[SHA256_HEX_SIZE])
{
	char hex[SHA256_HEX_SIZE];
	sha256_hex(request.ptr, request.len, hex);
	char *all = xasprintf("%s\nPOST %s\n%s\n", provider, path, hex);
	sha256_hex(all, strlen(all), out);
	free(all);
}
