/* SPDX-License-Identifier: Apache-2.0 */
/* An exchange as a file: whatever it holds comes back; whatever is no exchange is refused with a reason. */
#include "cassette_rig.h"

static struct cassette_exchange read_back(const char *text)
{
	struct cassette_exchange x;
	struct error e;
	if (cassette_file_read(slice_str(text), &x, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	return x;
}

static void cassette_file__holds_an_answer_with_its_pieces(void **state)
{
	(void)state;
	struct cassette_exchange x = exchange_make("{\"messages\":[]}", "data: {\"a\":\"\xc3");
	cassette_piece_add(&x, slice_str("\xa4\\ \x01\r\n\"}\n\n"));
	struct fetch_head head = {.status = 429,
				  .retry_after = "3",
				  .should_retry = "true",
				  .request_id = "r-1",
				  .location = "https://u:p@h/x?key=1",
				  .session_id = "s"};
	cassette_head_take(&x, &head);
	char *text = exchange_text(x);
	assert_null(strstr(text, "key=1"));
	assert_null(strstr(text, "u:p"));
	assert_null(strstr(text, "base64"));
	x = read_back(text);
	assert_string_equal(x.provider, "main");
	assert_string_equal(x.api, "chat");
	assert_string_equal(x.path, "/v1/chat/completions");
	assert_string_equal(buf_cstr(&x.request), "{\"messages\":[]}");
	assert_string_equal(buf_cstr(&x.body), "data: {\"a\":\"\xc3\xa4\\ \x01\r\n\"}\n\n");
	assert_int_equal(x.pieces_count, 2);
	assert_int_equal(x.pieces[0], 13);
	assert_int_equal(x.end, CASSETTE_WHOLE);
	cassette_head_give(&x, &head);
	assert_int_equal(head.status, 429);
	assert_string_equal(head.retry_after, "3");
	assert_string_equal(head.should_retry, "true");
	assert_string_equal(head.request_id, "r-1");
	assert_string_equal(head.location, "https://h/x");
	assert_string_equal(head.session_id, "");
	cassette_exchange_release(&x);
	free(text);
}

static void cassette_file__holds_bytes_that_are_no_text(void **state)
{
	(void)state;
	struct cassette_exchange x = exchange_make("{}", "");
	cassette_piece_add(&x, (struct slice){"a\0b\xff", 4});
	char *text = exchange_text(x);
	assert_non_null(strstr(text, "body_base64"));
	x = read_back(text);
	assert_int_equal(x.body.len, 4);
	assert_memory_equal(x.body.data, "a\0b\xff", 4);
	cassette_exchange_release(&x);
	free(text);
}

static void cassette_file__holds_a_failure(void **state)
{
	(void)state;
	struct cassette_exchange x = exchange_make("{}", "");
	x.status = 0;
	x.end = CASSETTE_FAILED;
	err_set(&x.e, ERR_UNAVAILABLE, "refused \"it\"");
	char *text = exchange_text(x);
	x = read_back(text);
	assert_int_equal(x.status, 0);
	assert_int_equal(x.pieces_count, 1);
	assert_int_equal(x.end, CASSETTE_FAILED);
	assert_int_equal(x.e.code, ERR_UNAVAILABLE);
	assert_string_equal(x.e.msg, "refused \"it\"");
	cassette_exchange_release(&x);
	free(text);
}

static void cassette_file__keeps_many_pieces(void **state)
{
	enum { PIECES = 5000 };
	(void)state;
	struct cassette_exchange x = exchange_make("{}", "");
	for (int i = 0; i < PIECES; i++)
		cassette_piece_add(&x, slice_str("ab"));
	char *text = exchange_text(x);
	x = read_back(text);
	assert_int_equal(x.pieces_count, PIECES + 1);
	assert_int_equal(x.body.len, 2 * PIECES);
	cassette_exchange_release(&x);
	free(text);
}

#define HEAD \
	"{\"version\":1,\"provider\":\"p\",\"api\":\"chat\",\"path\":\"/x\",\"request\":{},\"status\":200,"

static void cassette_file__says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "line 1"},
		{"{\n\"version\":1,,", "line 2"},
		{"[]", "\"version\" must be 1"},
		{"{\"version\":2}", "\"version\" must be 1"},
		{"{\"version\":1,\"status\":99}", "\"status\" must be"},
		{"{\"version\":1,\"status\":200}", "\"provider\" is missing"},
		{"{\"version\":1,\"status\":200,\"provider\":\"p\",\"api\":\"a\",\"path\":\"/\"}",
		 "\"request\" is missing"},
		{HEAD "\"end\":\"whole\"}", "one of \"body\" and \"body_base64\""},
		{HEAD "\"body\":\"a\",\"body_base64\":\"YQ==\"}", "one of \"body\" and \"body_base64\""},
		{HEAD "\"body_base64\":\"Y\"}", "no base64"},
		{HEAD "\"body\":\"a\"}", "\"pieces\" is missing"},
		{HEAD "\"body\":\"\",\"pieces\":[]}", "\"pieces\" is missing, or no list"},
		{HEAD "\"body\":\"abc\",\"pieces\":[2]}", "leave 1 of the body's 3 bytes over"},
		{HEAD "\"body\":\"abc\",\"pieces\":[2,2]}", "number 2 is no part"},
		{HEAD "\"body\":\"abc\",\"pieces\":[-1]}", "number 1 is no part"},
		{HEAD "\"body\":\"abc\",\"pieces\":[\"3\"]}", "number 1 is no part"},
		{HEAD "\"body\":\"abc\",\"pieces\":[3]}", "\"end\" must be"},
		{HEAD "\"body\":\"\",\"pieces\":[0],\"end\":\"failed\"}", "\"error\" needs a \"code\""},
		{HEAD "\"body\":\"\",\"pieces\":[0],\"end\":\"failed\",\"error\":{\"code\":\"NONE\"}}",
		 "\"error\" needs a \"code\""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct cassette_exchange x;
		struct error e = {0};
		assert_int_not_equal(cassette_file_read(slice_str(cases[i].text), &x, &e), ERR_NONE);
		if (strstr(e.msg, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, e.msg);
		assert_null(x.provider);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cassette_file__holds_an_answer_with_its_pieces),
		cmocka_unit_test(cassette_file__holds_bytes_that_are_no_text),
		cmocka_unit_test(cassette_file__holds_a_failure),
		cmocka_unit_test(cassette_file__keeps_many_pieces),
		cmocka_unit_test(cassette_file__says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
