/* SPDX-License-Identifier: Apache-2.0 */
/* Characters that a server has cut in two. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void assert_joined(unsigned *half, const char *text, const char *expected)
{
	struct buf b = BUF_INIT;
	assert_int_equal(llm_halves_join(half, slice_str(text), &b), strcmp(text, expected) != 0);
	assert_string_equal(buf_cstr(&b), expected);
	buf_release(&b);
}

static void halves__are_put_together(void **state)
{
	unsigned half = 0;
	(void)state;
	assert_joined(&half, "{\"a\":\"x\\ud83d\"}", "{\"a\":\"x\"}");
	assert_joined(&half, "{\"a\":\"\\uDE00y\"}", "{\"a\":\"\\ud83d\\ude00y\"}");
	assert_int_equal(half, 0);
	assert_joined(&half, "\"\\ude00\"", "\"\\ufffd\"");
	assert_joined(&half, "\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\\ude00\"");
}

static void halves__whole_text_is_left_alone(void **state)
{
	unsigned half = 0;
	(void)state;
	assert_joined(&half, "\"\\ud83d\\ude00 \\u00e9 \\\\ud83d \\u12\"",
		      "\"\\ud83d\\ude00 \\u00e9 \\\\ud83d \\u12\"");
	assert_joined(&half, "\\", "\\");
	assert_int_equal(half, 0);
}

/* Through the decoder, for each place that a cut may be at; a cut that is never mended leaves nothing. */
static void halves__in_a_stream(void **state)
{
	static const char stream[] =
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ude00b\\ud83d\"}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
	struct llm_decode d;
	struct error e = {0};
	(void)state;
	llm_decode_init(&d, llm_wire_of(LLM_CHAT), (struct llm_decode_from){0});
	assert_int_equal(llm_decode_feed(&d, SLICE_LIT(stream), &e), ERR_NONE);
	assert_int_equal(llm_decode_finish(&d, &e), ERR_NONE);
	assert_string_equal(turn_buf_view(&d.turn)->text, "a\xf0\x9f\x98\x80"
							  "b");
	llm_decode_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halves__are_put_together),
		cmocka_unit_test(halves__whole_text_is_left_alone),
		cmocka_unit_test(halves__in_a_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
