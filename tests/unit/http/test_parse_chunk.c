/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked bodies: sizes, extensions, trailers, limits; cut everywhere like all parser cases. */
#include "parse_case.h"

#define T "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static void chunked_parse__decodes(void **state)
{
	static const struct parse_case cases[] = {
		BODY(T "3\r\nabc\r\n0\r\n\r\n", "abc", 0),
		BODY(T "3\r\nabc\r\n0\r\n\r\nGET", "abc", 3),
		BODY(T "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", 0),
		BODY(T "a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
		BODY(T "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
		BODY(T "003\r\nabc\r\n000\r\n\r\n", "abc", 0),
		BODY(T "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", 0),
		BODY(T "3;a\r\nabc\r\n0\r\n\r\n", "abc", 0),
		BODY(T "3;a=b;c;d=\"e\"\r\nabc\r\n0;x\r\n\r\n", "abc", 0),
		BODY(T "3;a=\"\\\";\t x=\"\r\nabc\r\n0\r\n\r\n", "abc", 0),
		BODY(T "3\r\nabc\r\n0\r\nX: y\r\n\r\n", "abc", 0),
		BODY(T "0\r\nX: y\r\nZ:\r\nContent-Length: 9\r\n\r\n", "", 0),
		MORE(T),
		MORE(T "3"),
		MORE(T "3\r\nab"),
		MORE(T "3\r\nabc"),
		MORE(T "3\r\nabc\r\n0\r\n"),
		MORE(T "3\r\nabc\r\n0\r\n\r"),
		MORE(T "3\r\nabc\r\n0\r\nX: y\r\n"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void chunked_parse__refuses(void **state)
{
	static const struct parse_case cases[] = {
		BAD(T "0x3\r\nabc\r\n0\r\n\r\n", INVALID, "'x'"),
		BAD(T "+3\r\nabc\r\n", INVALID, "hexadecimal"),
		BAD(T "-3\r\nabc\r\n", INVALID, "hexadecimal"),
		BAD(T " 3\r\nabc\r\n", INVALID, "0x20"),
		BAD(T "3 \r\nabc\r\n", INVALID, "0x20"),
		BAD(T "3\t\r\nabc\r\n", INVALID, "0x09"),
		BAD(T "3_0\r\nabc\r\n", INVALID, "'_'"),
		BAD(T "3g\r\nabc\r\n", INVALID, "'g'"),
		BAD(T "\r\nabc\r\n", INVALID, "hexadecimal"),
		BAD(T "\n", INVALID, "hexadecimal"),
		BAD(T ";a\r\n", INVALID, "hexadecimal"),
		BAD(T "3\nabc\r\n", INVALID, "0x0a"),
		BAD(T "3\rabc\r\n", INVALID, "followed by LF"),
		BAD(T "3\r\nabcd\r\n", INVALID, "end in CR LF, not the byte 'd'"),
		BAD(T "3\r\nabc\n", INVALID, "end in CR LF"),
		BAD(T "3\r\nabc\rX", INVALID, "followed by LF"),
		BAD(T "3\r\nabc0\r\n\r\n", INVALID, "end in CR LF"),
		BAD(T "3\r\nab\r\n0\r\n\r\n", INVALID, "end in CR LF"),
		BAD(T "1000000000000000\r\n", TOO_LARGE, "limit"),
		BAD(T "1000000000000001\r\n", INVALID, "reasonable"),
		BAD(T "10000000000000000\r\n", INVALID, "reasonable"),
		BAD(T "ffffffffffffffffff\r\n", INVALID, "reasonable"),
		BAD(T "fffffffffffffffff3\r\nabc", INVALID, "reasonable"),
		BAD(T "000000000000000000000000000000000\r\n\r\n", INVALID, "reasonable"),
		BAD(T "3e9\r\n", TOO_LARGE, "limit of 1000"),
		BAD(T "3;\r\nabc\r\n", INVALID, "extension"),
		BAD(T "3; a\r\nabc\r\n", INVALID, "extension"),
		BAD(T "3 ;a\r\nabc\r\n", INVALID, "0x20"),
		BAD(T "3;a=\r\nabc\r\n", INVALID, "extension"),
		BAD(T "3;a\nabc\r\n", INVALID, "extension"),
		BAD(T "3;a=\"b\"c\r\nabc\r\n", INVALID, "extension"),
		BAD(T "3;a=\"b\r\nabc\r\n", INVALID, "extension"),
		BAD(T "3;a\0\r\nabc\r\n", INVALID, "extension"),
		BAD(T "0\r\n X: y\r\n\r\n", INVALID, "trailer"),
		BAD(T "0\r\nX\r\n\r\n", INVALID, "trailer"),
		BAD(T "0\r\nX : y\r\n\r\n", INVALID, "trailer"),
		BAD(T "0\r\n: y\r\n\r\n", INVALID, "trailer"),
		BAD(T "0\r\nX: y\n\r\n", INVALID, "trailer"),
		BAD(T "0\r\nX: \0\r\n\r\n", INVALID, "trailer"),
		BAD(T "0\r\n\n", INVALID, "trailer"),
		BAD(T "0\r\n\rX", INVALID, "followed by LF"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void chunked_parse__holds_the_body_limit_over_all_chunks(void **state)
{
	struct buf b = BUF_INIT;
	struct outcome o;

	(void)state;
	buf_add_str(&b, T);
	for (size_t i = 0; i < case_limits.body_bytes_max / 10; i++)
		buf_add_str(&b, "a\r\n0123456789\r\n");
	buf_add_str(&b, "0\r\n\r\n");
	o = feed(b.data, b.len, &case_limits);
	assert_int_equal(o.parse, HTTP_PARSE_DONE);
	assert_int_equal(o.body.len, case_limits.body_bytes_max);
	outcome_release(&o);
	b.len -= 5;
	buf_add_str(&b, "1\r\nx\r\n");
	o = feed(b.data, b.len, &case_limits);
	assert_int_equal(o.parse, HTTP_PARSE_BAD);
	assert_int_equal(o.error.code, ERR_TOO_LARGE);
	outcome_release(&o);
	buf_release(&b);
}

/* Each byte of body may not be wrapped in an extension for ever. */
static void chunked_parse__bounds_extensions_and_trailers(void **state)
{
	struct buf b = BUF_INIT;
	struct outcome o;

	(void)state;
	buf_add_str(&b, T);
	for (int i = 0; i < 100; i++) {
		buf_add_str(&b, "1;");
		for (int k = 0; k < 60; k++)
			buf_add_char(&b, 'e');
		buf_add_str(&b, "\r\nx\r\n");
	}
	o = feed(b.data, b.len, &case_limits);
	assert_int_equal(o.parse, HTTP_PARSE_BAD);
	assert_non_null(strstr(o.error.msg, "extensions"));
	outcome_release(&o);
	buf_reset(&b);
	buf_add_str(&b, T "0\r\n");
	for (int i = 0; i < 100; i++)
		buf_add_str(&b, "X: yyyyyyy\r\n");
	o = feed(b.data, b.len, &case_limits);
	assert_int_equal(o.parse, HTTP_PARSE_BAD);
	assert_int_equal(o.error.code, ERR_HEADERS_LARGE);
	outcome_release(&o);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunked_parse__decodes),
		cmocka_unit_test(chunked_parse__refuses),
		cmocka_unit_test(chunked_parse__holds_the_body_limit_over_all_chunks),
		cmocka_unit_test(chunked_parse__bounds_extensions_and_trailers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
