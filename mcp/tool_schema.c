/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a tool's arguments as models read it: what it says of them in words, its titles and
 * descriptions, is freed of what people do not see, as the tool's own description is. All else, names and
 * values, stays as the server wrote it, byte for byte where there is nothing to take out. Pure.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <string.h>

/* Replaces one word of `j` that holds something unseen; true: there may be another. */
static bool word_clean(struct json *j)
{
	static const char *const words[] = {"title", "description", "$comment"};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		const char *text = json_get_text(j, words[i], NULL);
		struct buf clean = BUF_INIT;
		if (text == NULL)
			continue;
		text_clean(slice_str(text), &clean);
		bool changed = strcmp(text, buf_cstr(&clean)) != 0;
		if (changed)
			json_set(j, words[i], json_new_text(buf_cstr(&clean)));
		buf_release(&clean);
		if (changed)
			return true;
	}
	return false;
}

static bool words_clean(struct json *j)
{
	bool changed = false;
	while (json_is(j, JSON_OBJECT) && word_clean(j))
		changed = true;
	for (const struct json *m = json_first(j); m != NULL; m = json_next(m)) {
		if (json_is(m, JSON_ARRAY) || json_is(m, JSON_OBJECT))
			changed |= words_clean((struct json *)(uintptr_t)m); /* of our copy */
	}
	return changed;
}

/* Plain text without escapes has nothing to hide. */
static bool may_hide(struct slice raw)
{
	for (size_t i = 0; i < raw.len; i++)
		if ((unsigned char)raw.ptr[i] >= 0x7f ||
		    (raw.ptr[i] == '\\' && i + 1 < raw.len && raw.ptr[i + 1] == 'u'))
			return true;
	return false;
}

void tool_schema_seen(const struct json *schema, struct slice raw, struct buf *out)
{
	struct json *copy = schema != NULL && may_hide(raw) ? json_copy(schema) : NULL;
	if (copy == NULL || !words_clean(copy) || !json_print(copy, out)) {
		buf_reset(out);
		buf_add_slice(out, raw);
	}
	json_free(copy);
}
