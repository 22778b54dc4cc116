/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tool calls that a model wrote into its text, where its server does not take them out:
 *
 *   <tool_call>
 *   {"name": "read_file", "arguments": {"path": "a"}}
 *   </tool_call>
 *
 * Only for servers that the operator says are such (text_tool_calls): with any other, a document that the
 * model quotes could make calls. What is no call by its form stays text. Pure.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdlib.h>
#include <string.h>

static const char begin_mark[] = "<tool_call>", end_mark[] = "</tool_call>";

static bool call_take(struct llm_turn_buf *t, struct slice s)
{
	struct buf arguments = BUF_INIT;
	struct json *j = json_parse(s.ptr, s.len, JSON_DEPTH_MAX, NULL);
	const char *name = json_get_text(j, "name", "");
	const struct json *given = json_get(j, "arguments");
	if (given == NULL)
		given = json_get(j, "parameters");
	if (json_text(given) != NULL)
		buf_add_str(&arguments, json_text(given));
	else if (json_is(given, JSON_OBJECT))
		json_print(given, &arguments);
	bool taken = name[0] != '\0' && turn_buf_add_call(t, NULL, name, buf_cstr(&arguments));
	json_free(j);
	buf_release(&arguments);
	return taken;
}

void chat_text_calls_take(struct llm_turn_buf *t)
{
	struct buf rest = BUF_LIMIT(LLM_TURN_BYTES_MAX);
	const char *p = buf_cstr(&t->text), *found;
	while ((found = strstr(p, begin_mark)) != NULL) {
		const char *inner = found + sizeof(begin_mark) - 1;
		const char *end = strstr(inner, end_mark);
		const char *after = end != NULL ? end + sizeof(end_mark) - 1 : inner + strlen(inner);
		size_t len = end != NULL ? (size_t)(end - inner) : strlen(inner);
		bool taken = call_take(t, (struct slice){inner, len});
		buf_add(&rest, p, (size_t)((taken ? found : after) - p));
		p = after;
	}
	buf_add_str(&rest, p);
	while (rest.len > 0 && strchr(" \t\r\n", rest.data[rest.len - 1]) != NULL)
		rest.data[--rest.len] = '\0';
	if (t->calls_count > 0) {
		buf_reset(&t->text);
		buf_add_slice(&t->text, buf_slice(&rest));
	}
	buf_release(&rest);
}
