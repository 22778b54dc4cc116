/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines, and what Host, Content-Length, Transfer-Encoding, Connection and Expect come to. */
#include "parse_case.h"

#define G   "GET / HTTP/1.1\r\n"
#define P   "POST / HTTP/1.1\r\nHost: a\r\n"
#define END "\r\n\r\n"

static void field_parse__takes_what_is_right(void **state)
{
	static const struct parse_case cases[] = {
		GOOD(G "Host:a" END, "|Host=a"),
		GOOD(G "Host: \t a \t " END, "host=a "),
		GOOD(G "hOsT: a" END, "host=a "),
		GOOD(G "Host: a"
		       "\r\nX:" END,
		     "|X="),
		GOOD(G "Host: a\r\nX: \t" END, "|X="),
		GOOD(G "Host: a\r\nX: a b\tc:d" END, "|X=a b\tc:d"),
		GOOD(G "Host: a\r\nX: \xff\x80" END, "|X=\xff\x80"),
		GOOD(G "Host: a\r\nX: 1\r\nX: 2" END, "|X=1|X=2"),
		GOOD(G "Host: a.b-c_d~e!$&'()*+,;=:0" END, "host=a.b-c_d~e!$&'()*+,;=:0 "),
		GOOD(G "Host: a:" END, "host=a: "),
		GOOD(G "Host: a:65535" END, "host=a:65535 "),
		GOOD(G "Host: [2001:db8::1]" END, "host=[2001:db8::1] "),
		GOOD(G "Host: [::1]:80" END, "host=[::1]:80 "),
		GOOD(G "Host: a\r\nConnection: close" END, "keep=0"),
		GOOD(G "Host: a\r\nConnection: CLOSE" END, "keep=0"),
		GOOD(G "Host: a\r\nConnection: keep-alive" END, "keep=1"),
		GOOD(G "Host: a\r\nConnection: keep-alive, close" END, "keep=0"),
		GOOD(G "Host: a\r\nConnection: a,, ,close" END, "keep=0"),
		GOOD(G "Host: a\r\nConnection: closed" END, "keep=1"),
		GOOD(G "Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c" END, "keep=1"),
		GOOD(G "Host: a\r\nConnection: x\r\nConnection: close" END, "keep=0"),
		GOOD(G "Host: a\r\nConnection:" END, "keep=1"),
		GOOD("GET / HTTP/1.0\r\nConnection: keep-alive, close" END, "keep=0"),
		GOOD("GET / HTTP/1.0\r\nConnection: x" END, "keep=0"),
		GOOD(P "Content-Length: 0" END, "length=0"),
		GOOD(P "Content-Length: 000" END, "length=0"),
		GOOD(P "Expect: 100-continue" END, "expect=1"),
		GOOD(P "Expect: 100-Continue" END, "expect=1"),
		GOOD("POST / HTTP/1.0\r\nExpect: 100-continue" END, "expect=0"),
		GOOD("POST / HTTP/1.0\r\nExpect: tea" END, "expect=0"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void field_parse__refuses_bad_lines(void **state)
{
	static const struct parse_case cases[] = {
		BAD(G "Host : a" END, INVALID, "0x20"),
		BAD(G "Host\t: a" END, INVALID, "0x09"),
		BAD(G " Host: a" END, INVALID, "folded"),
		BAD(G "Host: a\r\n b" END, INVALID, "folded"),
		BAD(G "Host: a\r\n\tb" END, INVALID, "folded"),
		BAD(G "Host: a\r\nX: b\r\n c" END, INVALID, "folded"),
		BAD(G "Host: a\r\n: b" END, INVALID, "':'"),
		BAD(G "Host: a\r\nX" END, INVALID, "no ':'"),
		BAD(G "Host: a\r\nX Y: b" END, INVALID, "0x20"),
		BAD(G "Host: a\r\nX(: b" END, INVALID, "'('"),
		BAD(G "Host: a\r\nX\0: b" END, INVALID, "0x00"),
		BAD(G "Host: a\r\nX\x80: b" END, INVALID, "0x80"),
		BAD(G "Host: a\r\nX: a\0b" END, INVALID, "header X: its value holds the byte 0x00"),
		BAD(G "Host: a\r\nX: a\x01"
		      "b" END,
		    INVALID, "0x01"),
		BAD(G "Host: a\r\nX: a\x7f" END, INVALID, "0x7f"),
		BAD(G "Host: a\r\nX: a\vb" END, INVALID, "0x0b"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void host_check__wants_exactly_one(void **state)
{
	static const struct parse_case cases[] = {
		BAD(G "\r\n", INVALID, "Host: is missing"),
		BAD(G "X: Host: a" END, INVALID, "Host: is missing"),
		BAD(G "Host: a\r\nHost: a" END, INVALID, "more than once"),
		BAD(G "Host: a\r\nhost: b" END, INVALID, "header host"),
		BAD(G "Host:" END, INVALID, "host:port"),
		BAD(G "Host: a b" END, INVALID, "host:port"),
		BAD(G "Host: a,b"
		      "\r\nHost: c" END,
		    INVALID, "more than once"),
		BAD(G "Host: a/b" END, INVALID, "host:port"),
		BAD(G "Host: u@a" END, INVALID, "host:port"),
		BAD(G "Host: a?b" END, INVALID, "host:port"),
		BAD(G "Host: a#b" END, INVALID, "host:port"),
		BAD(G "Host: a\\b" END, INVALID, "host:port"),
		BAD(G "Host: :80" END, INVALID, "host:port"),
		BAD(G "Host: a:b" END, INVALID, "host:port"),
		BAD(G "Host: a:-1" END, INVALID, "host:port"),
		BAD(G "Host: a:65536" END, INVALID, "host:port"),
		BAD(G "Host: a:000080" END, INVALID, "host:port"),
		BAD(G "Host: a:80:80" END, INVALID, "host:port"),
		BAD(G "Host: [::1" END, INVALID, "host:port"),
		BAD(G "Host: []" END, INVALID, "host:port"),
		BAD(G "Host: [1.2.3.4]" END, INVALID, "host:port"),
		BAD(G "Host: [::1]x" END, INVALID, "host:port"),
		BAD(G "Host: ::1" END, INVALID, "host:port"),
		BAD(G "Host: \xc3\xa4" END, INVALID, "host:port"),
		BAD("GET http://b/ HTTP/1.1\r\n\r\n", INVALID, "Host: is missing"),
		BAD("GET / HTTP/1.0\r\nHost: a\r\nHost: a" END, INVALID, "more than once"),
		BAD("GET / HTTP/1.0\r\nHost: a b" END, INVALID, "host:port"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void framing_parse__leaves_no_room(void **state)
{
	static const struct parse_case cases[] = {
		BODY(P "Content-Length: 3" END "abcX", "abc", 1),
		BODY(P "Content-Length: 0003" END "abcX", "abc", 1),
		BODY("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2" END "ab", "ab", 0),
		MORE(P "Content-Length: 3" END "ab"),
		BAD(P "Content-Length:" END, INVALID, "is empty"),
		BAD(P "Content-Length: +3" END "abc", INVALID, "decimal digits"),
		BAD(P "Content-Length: -1" END, INVALID, "decimal digits"),
		BAD(P "Content-Length: 0x3" END "abc", INVALID, "decimal digits"),
		BAD(P "Content-Length: 3 3" END "abc", INVALID, "decimal digits"),
		BAD(P "Content-Length: 3, 3" END "abc", INVALID, "decimal digits"),
		BAD(P "Content-Length: 3,3" END "abc", INVALID, "decimal digits"),
		BAD(P "Content-Length: 3.0" END "abc", INVALID, "decimal digits"),
		BAD(P "Content-Length: 3\"" END "abc", INVALID, "decimal digits"),
		BAD(P "Content-Length: 1e1" END "abc", INVALID, "decimal digits"),
		BAD(P "Content-Length: \xd9\xa3" END, INVALID, "decimal digits"),
		BAD(P "Content-Length: 3\r\nContent-Length: 3" END "abc", INVALID, "more than once"),
		BAD(P "Content-Length: 3\r\ncontent-length: 4" END "abc", INVALID, "more than once"),
		BAD(P "Content-Length: 1001" END, TOO_LARGE, "limit of 1000 bytes"),
		BAD(P "Content-Length: 18446744073709551617" END, TOO_LARGE, "limit"),
		BAD(P "Content-Length: 99999999999999999999999999999999999999" END, TOO_LARGE, "limit"),
		BAD(P "Content-Length: 3\r\nTransfer-Encoding: chunked" END "0" END, INVALID, "together"),
		BAD(P "Transfer-Encoding: chunked\r\nContent-Length: 3" END "0" END, INVALID, "together"),
		BAD(P "Transfer-Encoding: x\r\nContent-Length: 3" END, INVALID, "together"),
		BODY(P "Transfer-Encoding: chunked" END "0" END, "", 0),
		BODY(P "transfer-encoding: CHUNKED" END "0" END, "", 0),
		BAD(P "Transfer-Encoding:" END, INVALID, "is empty"),
		BAD(P "Transfer-Encoding: gzip" END, UNSUPPORTED, "chunked"),
		BAD(P "Transfer-Encoding: identity" END, UNSUPPORTED, "chunked"),
		BAD(P "Transfer-Encoding: gzip, chunked" END, UNSUPPORTED, "chunked"),
		BAD(P "Transfer-Encoding: chunked, chunked" END, UNSUPPORTED, "chunked"),
		BAD(P "Transfer-Encoding: chunked," END, UNSUPPORTED, "chunked"),
		BAD(P "Transfer-Encoding: xchunked" END, UNSUPPORTED, "chunked"),
		BAD(P "Transfer-Encoding: \"chunked\"" END, UNSUPPORTED, "chunked"),
		BAD(P "Transfer-Encoding: chunked;q=1" END, UNSUPPORTED, "chunked"),
		BAD(P "Transfer-Encoding: chunked\v" END, INVALID, "0x0b"),
		BAD(P "Transfer-Encoding : chunked" END, INVALID, "0x20"),
		BAD(P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" END, INVALID,
		    "more than once"),
		BAD(P "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked" END, INVALID, "more than once"),
		BAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked" END "0" END, INVALID, "HTTP/1.0"),
		BAD(P "Expect: tea" END, EXPECTATION, "100-continue"),
		BAD(P "Expect:" END, EXPECTATION, "100-continue"),
		BAD(P "Expect: 100-continue, tea" END, EXPECTATION, "100-continue"),
		BAD(P "Connection: a b" END, INVALID, "tokens"),
		BAD(P "Connection: \"close\"" END, INVALID, "tokens"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void field_parse__names_the_header(void **state)
{
	static const char text[] = P "content-Length: x" END;
	struct outcome o = feed(text, sizeof(text) - 1, &case_limits);

	(void)state;
	assert_int_equal(o.parse, HTTP_PARSE_BAD);
	assert_string_equal(o.error.field, "content-Length");
	outcome_release(&o);
}

static void field_parse__counts_headers(void **state)
{
	struct buf b = BUF_INIT;
	struct outcome o;

	(void)state;
	buf_add_str(&b, G "Host: a\r\n");
	for (size_t i = 1; i < case_limits.header_count_max; i++)
		buf_add_str(&b, "X: y\r\n");
	buf_add_str(&b, "\r\n");
	o = feed(b.data, b.len, &case_limits);
	assert_int_equal(o.parse, HTTP_PARSE_DONE);
	b.len -= 2;
	buf_add_str(&b, "X: y\r\n\r\n");
	o = feed(b.data, b.len, &case_limits);
	assert_int_equal(o.parse, HTTP_PARSE_BAD);
	assert_int_equal(o.error.code, ERR_HEADERS_LARGE);
	assert_non_null(strstr(o.error.msg, "more than 12 headers"));
	buf_release(&b);
}

static void field_parse__allows_exactly_the_bytes_of_the_rfc(void **state)
{
	bool token[256] = {false}, value[256] = {false}, host[256] = {false};

	(void)state;
	bytes_allow(token, ALPHANUMERIC "!#$%&'*+-.^_`|~");
	token[':'] = true; /* ends the name */
	bytes_check("GET / HTTP/1.1\r\nHost: a\r\nX@Y: b\r\n\r\n", token);
	for (int b = 0x20; b < 0x7f; b++)
		value[b] = true;
	for (int b = 0x80; b < 0x100; b++)
		value[b] = true;
	value['\t'] = true;
	bytes_check("GET / HTTP/1.1\r\nHost: a\r\nX: a@b\r\n\r\n", value);
	bytes_allow(host, ALPHANUMERIC "-._~!$&'()*+,;=");
	bytes_check("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", host);
	host[':'] = true; /* no digits: an empty port */
	host[' '] = host['\t'] = true;
	bytes_check("GET / HTTP/1.1\r\nHost: a@\r\n\r\n", host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(field_parse__takes_what_is_right),
		cmocka_unit_test(field_parse__refuses_bad_lines),
		cmocka_unit_test(host_check__wants_exactly_one),
		cmocka_unit_test(framing_parse__leaves_no_room),
		cmocka_unit_test(field_parse__names_the_header),
		cmocka_unit_test(field_parse__counts_headers),
		cmocka_unit_test(field_parse__allows_exactly_the_bytes_of_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
