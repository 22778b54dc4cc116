/* SPDX-License-Identifier: Apache-2.0 */
/* What all wires share of decoding: forms, values within events, cuts. With a wire of its own that keeps what
 * it is given. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct buf taken;

static enum err plain_take(struct llm_decode *d, const char *event, const struct json *value, struct error *e)
{
	buf_printf(&taken, "%s:", event);
	json_print(value, &taken);
	buf_add_char(&taken, ' ');
	d->has_answer = true;
	if (json_get(value, "fail") != NULL) {
		(void)llm_fault_read(value, &d->fault);
		return llm_decode_fault(d, e);
	}
	return ERR_NONE;
}

static enum err plain_finish(struct llm_decode *d, struct error *e)
{
	return d->done ? ERR_NONE : llm_decode_cut(d, e);
}

static const struct llm_wire plain = {
	.title = "Plain", .event_prefixes = {"own."}, .take = plain_take, .finish = plain_finish};

static enum err run(const char *bytes, size_t step, struct error *e)
{
	struct llm_decode d;
	enum err rc = ERR_NONE;
	size_t n = strlen(bytes);
	*e = (struct error){0};
	buf_reset(&taken);
	llm_decode_init(&d, &plain, (struct llm_decode_from){0});
	for (size_t i = 0; i < n && rc == ERR_NONE; i += step)
		rc = llm_decode_feed(&d, (struct slice){bytes + i, n - i < step ? n - i : step}, e);
	if (rc == ERR_NONE)
		rc = llm_decode_finish(&d, e);
	llm_decode_release(&d);
	return rc;
}

static void assert_taken(const char *bytes, enum err expected, const char *values)
{
	struct error e;
	for (size_t step = 1; step < 8; step++) {
		assert_int_equal(run(bytes, step, &e), expected);
		assert_string_equal(buf_cstr(&taken), values);
		assert_true((e.msg[0] != '\0') == (expected != ERR_NONE));
	}
}

static void llm_decode__finds_the_form_by_the_first_byte(void **state)
{
	(void)state;
	assert_taken("\xef\xbb\xbf\n {\"a\":1} ", ERR_NONE, "message:{\"a\":1} ");
	assert_taken("\xef\xbb\xbf"
		     "data: {\"a\":1}\n\ndata: [DONE]\n\n",
		     ERR_NONE, "message:{\"a\":1} ");
	assert_taken("[{\"a\":1}]", ERR_NONE, "message:[{\"a\":1}] ");
}

static void llm_decode__takes_each_value_of_an_event(void **state)
{
	(void)state;
	assert_taken("event: x\r\ndata: {\"a\":\"}\"} {\"b\":[]}\r\n\r\ndata: : note\n\ndata: data: {}\n\n"
		     "data: [DONE]\n\ndata: {\"late\":1}\n\n",
		     ERR_NONE, "x:{\"a\":\"}\"} x:{\"b\":[]} message:{} ");
}

static void llm_decode__refuses_what_is_no_json_in_events_of_the_answer(void **state)
{
	(void)state;
	assert_taken("data: {]\n\n", ERR_UPSTREAM, "");
	assert_taken("event: own.delta\ndata: {\"a\":}\n\n", ERR_UPSTREAM, "");
	assert_taken("event: ping\ndata: pong\n\ndata: [DONE]\n\n", ERR_NONE, "");
	assert_taken("event: error\ndata: boom\n\n", ERR_UPSTREAM, "");
}

static void llm_decode__tells_a_cut_from_another_answer(void **state)
{
	(void)state;
	assert_taken("", ERR_LOST, "");
	assert_taken("data: {\"a\":1}\n\ndata: {\"b\"", ERR_LOST, "message:{\"a\":1} ");
	assert_taken("{\"a\":", ERR_LOST, "");
	assert_taken("<html>", ERR_UPSTREAM, "");
	assert_taken("data: {\"fail\":1}\n\n", ERR_UPSTREAM, "message:{\"fail\":1} ");
}

static void llm_value__finds_the_end_of_a_value(void **state)
{
	(void)state;
	assert_int_equal(llm_value_len(SLICE_LIT("{}x")), 2);
	assert_int_equal(llm_value_len(SLICE_LIT("[{\"a\":\"}]\\\"\"}] ")), 14);
	assert_int_equal(llm_value_len(SLICE_LIT("{\"a\":[1,2}")), 0);
	assert_int_equal(llm_value_len(SLICE_LIT("{\"a")), 0);
	assert_int_equal(llm_value_len(SLICE_LIT("{\"a\\")), 0);
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&taken);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_decode__finds_the_form_by_the_first_byte),
		cmocka_unit_test(llm_decode__takes_each_value_of_an_event),
		cmocka_unit_test(llm_decode__refuses_what_is_no_json_in_events_of_the_answer),
		cmocka_unit_test(llm_decode__tells_a_cut_from_another_answer),
		cmocka_unit_test(llm_value__finds_the_end_of_a_value),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
