/* SPDX-License-Identifier: Apache-2.0 */
/* What goes back with a turn: written from parts, read back in order, whatever became of the turn since. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void add_text(struct llm_turn_buf *t, const char *text, const char *phase)
{
	struct llm_part_buf *p = turn_buf_new_part(t, LLM_PART_TEXT, (int64_t)t->parts_count);
	turn_buf_add_text(t, text);
	p->bytes = strlen(text);
	snprintf(p->phase, sizeof(p->phase), "%s", phase);
}

static void add_call(struct llm_turn_buf *t, const char *id)
{
	struct llm_part_buf *p = turn_buf_new_part(t, LLM_PART_CALL, (int64_t)t->parts_count);
	p->call = t->calls_count;
	assert_true(turn_buf_add_call(t, id, "f", "{}"));
}

static void add_raw(struct llm_turn_buf *t, const char *json)
{
	struct llm_part_buf *p = turn_buf_new_part(t, LLM_PART_RAW, (int64_t)t->parts_count);
	p->value = json != NULL ? json_parse(json, strlen(json), 0, NULL) : NULL;
}

/* The parts of a message as "text:phase", "id()" and raw JSON. */
static void assert_parts(const struct llm_message *m, const char *origin, const char *expected)
{
	struct llm_parts parts;
	struct llm_part p;
	struct buf b = BUF_INIT;
	llm_parts_open(&parts, m, origin);
	while (llm_parts_next(&parts, &p)) {
		if (p.kind == LLM_PART_RAW)
			json_print(p.raw, &b);
		else if (p.kind == LLM_PART_CALL)
			buf_printf(&b, "%s()", p.call->id);
		else
			buf_printf(&b, "%.*s:%s", (int)p.text.len, p.text.ptr, p.phase ? p.phase : "");
		buf_add_char(&b, ' ');
	}
	llm_parts_close(&parts);
	assert_string_equal(buf_cstr(&b), expected);
	buf_release(&b);
}

static void llm_echo__is_left_out_where_text_and_calls_say_it_all(void **state)
{
	(void)state;
	struct llm_turn_buf t;
	turn_buf_init(&t);
	add_raw(&t, NULL);
	add_text(&t, "a", "");
	add_text(&t, "b", "");
	add_call(&t, "c1");
	turn_buf_make_echo(&t, "here");
	assert_null(turn_buf_view(&t)->echo);
	turn_buf_release(&t);
}

static void llm_echo__keeps_the_order(void **state)
{
	(void)state;
	struct llm_turn_buf t;
	turn_buf_init(&t);
	add_raw(&t, "{\"k\":1}");
	add_text(&t, "one", "commentary");
	add_call(&t, "c1");
	add_raw(&t, "{\"k\":2}");
	add_text(&t, "", "");
	add_text(&t, "two", "");
	add_call(&t, "c2");
	turn_buf_make_echo(&t, "here");
	const struct llm_turn *v = turn_buf_view(&t);
	struct llm_message m = {
		.text = v->text, .calls = v->calls, .calls_count = v->calls_count, .echo = v->echo};
	assert_parts(&m, "here", "{\"k\":1} one:commentary c1() {\"k\":2} two: c2() ");
	assert_parts(&m, "elsewhere", "onetwo: c1() c2() ");
	/* of a turn that was changed since, nothing is lost and nothing doubled */
	m.calls_count = 1;
	assert_parts(&m, "here", "{\"k\":1} one:commentary c1() {\"k\":2} two: ");
	m.calls_count = 2;
	m.text = "short";
	assert_parts(&m, "here", "{\"k\":1} short:commentary c1() {\"k\":2} c2() ");
	m.text = "";
	assert_parts(&m, "here", "{\"k\":1} c1() {\"k\":2} c2() ");
	turn_buf_release(&t);
}

static void llm_echo__bears_any_text(void **state)
{
	(void)state;
	static const char *const echoes[] = {
		"",
		"{",
		"[]",
		"{\"origin\":\"here\"}",
		"{\"origin\":\"here\",\"parts\":[{\"text\":-1},{\"text\":99},{\"raw\":1},{\"call\":1},{"
		"\"call\":1}]}",
		"{\"origin\":\"here\",\"parts\":{\"a\":{\"text\":2}}}",
	};
	const struct llm_tool_call call = {.id = "c", .name = "f"};
	for (size_t i = 0; i < COUNT_OF(echoes); i++) {
		struct llm_message m = {.text = "ab", .calls = &call, .calls_count = 1, .echo = echoes[i]};
		assert_parts(&m, "here", "ab: c() ");
	}
}

static void llm_echo__bounds_its_parts(void **state)
{
	(void)state;
	struct llm_turn_buf t;
	turn_buf_init(&t);
	for (int i = 0; i < LLM_PARTS_MAX; i++)
		assert_non_null(turn_buf_new_part(&t, LLM_PART_RAW, i));
	assert_null(turn_buf_new_part(&t, LLM_PART_RAW, 0));
	assert_ptr_equal(turn_buf_find_part(&t, 7), &t.parts[7]);
	assert_null(turn_buf_find_part(&t, LLM_PARTS_MAX));
	turn_buf_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_echo__is_left_out_where_text_and_calls_say_it_all),
		cmocka_unit_test(llm_echo__keeps_the_order),
		cmocka_unit_test(llm_echo__bears_any_text),
		cmocka_unit_test(llm_echo__bounds_its_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
