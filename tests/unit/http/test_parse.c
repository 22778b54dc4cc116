/* SPDX-License-Identifier: Apache-2.0 */
/* Heads: request line, target forms, line ends, limits. Every case is also fed byte by byte and cut at every
 * place. */
#include "parse_case.h"

#define H "Host: a\r\n\r\n"

static void head_parse__takes_what_is_right(void **state)
{
	static const struct parse_case cases[] = {
		GOOD("GET / HTTP/1.1\r\n" H,
		     "GET / path=/ query= 1.1 host=a keep=1 expect=0 chunked=0 length=0|Host=a"),
		GOOD("GET /a/b?x=1&y=2 HTTP/1.1\r\n" H, "path=/a/b query=x=1&y=2 "),
		GOOD("GET /? HTTP/1.1\r\n" H, "path=/ query= "),
		GOOD("GET /a?b?c HTTP/1.1\r\n" H, "path=/a query=b?c "),
		GOOD("GET //a//b HTTP/1.1\r\n" H, "path=//a//b "),
		GOOD("GET /%7Bid%7d HTTP/1.1\r\n" H, "path=/%7Bid%7d "),
		GOOD("GET /%00 HTTP/1.1\r\n" H, "path=/%00 "),
		GOOD("GET /a:b@c!$&'()*+,;=-._~ HTTP/1.1\r\n" H, "path=/a:b@c!$&'()*+,;=-._~ "),
		GOOD("GET / HTTP/1.0\r\n\r\n", "1.0 host= keep=0"),
		GOOD("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "1.0 host= keep=1"),
		GOOD("GET / HTTP/1.2\r\n" H, "1.1 host=a"),
		GOOD("GET / HTTP/1.9\r\n" H, "1.1 host=a"),
		GOOD("HEAD / HTTP/1.1\r\n" H, "HEAD /"),
		GOOD("POST / HTTP/1.1\r\n" H, "POST /"),
		GOOD("PUT / HTTP/1.1\r\n" H, "PUT /"),
		GOOD("DELETE / HTTP/1.1\r\n" H, "DELETE /"),
		GOOD("PATCH / HTTP/1.1\r\n" H, "PATCH /"),
		GOOD("OPTIONS / HTTP/1.1\r\n" H, "OPTIONS / path=/"),
		GOOD("OPTIONS * HTTP/1.1\r\n" H, "OPTIONS * path=*"),
		GOOD("TRACE / HTTP/1.1\r\n" H, "OTHER /"),
		GOOD("get / HTTP/1.1\r\n" H, "OTHER /"),
		GOOD("M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1\r\n" H, "OTHER /"),
		GOOD("\r\nGET / HTTP/1.1\r\n" H, "GET / path=/"),
		GOOD("GET http://b:80/c?d HTTP/1.1\r\n" H, "path=/c query=d 1.1 host=b:80 "),
		GOOD("GET HTTPS://b HTTP/1.1\r\n" H, "path=/ query= 1.1 host=b "),
		GOOD("GET http://b?d HTTP/1.1\r\n" H, "path=/ query=d 1.1 host=b "),
		GOOD("GET http://[::1]:8080/ HTTP/1.1\r\n" H, "host=[::1]:8080 "),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void head_parse__refuses_bad_request_lines(void **state)
{
	static const struct parse_case cases[] = {
		BAD("GET  / HTTP/1.1\r\n" H, INVALID, "two spaces"),
		BAD("GET /  HTTP/1.1\r\n" H, INVALID, "two spaces"),
		BAD("GET /a b HTTP/1.1\r\n" H, INVALID, "two spaces"),
		BAD("GET / HTTP/1.1 \r\n" H, INVALID, "two spaces"),
		BAD(" GET / HTTP/1.1\r\n" H, INVALID, "start with a method"),
		BAD("GET\t/ HTTP/1.1\r\n" H, INVALID, "0x09"),
		BAD("GET /\tHTTP/1.1\r\n" H, INVALID, "one space"),
		BAD("GET /\r\n" H, INVALID, "one space"),
		BAD("GET\r\n" H, INVALID, "one space"),
		BAD("GET HTTP/1.1\r\n" H, INVALID, "one space"),
		BAD("GET  HTTP/1.1\r\n" H, INVALID, "two spaces"),
		BAD("G@T / HTTP/1.1\r\n" H, INVALID, "'@'"),
		BAD("GET: / HTTP/1.1\r\n" H, INVALID, "':'"),
		BAD("G\0T / HTTP/1.1\r\n" H, INVALID, "0x00"),
		BAD("G\x80T / HTTP/1.1\r\n" H, INVALID, "0x80"),
		BAD("\r\n\r\nGET / HTTP/1.1\r\n" H, INVALID, "start with a method"),
		BAD("\nGET / HTTP/1.1\r\n" H, INVALID, "0x0a"),
		BAD("\rGET / HTTP/1.1\r\n" H, INVALID, "0x0d"),
		BAD("\x16\x03\x01\x02", INVALID, "0x16"),
		BAD("\r\n\x16", INVALID, "0x16"),
		BAD("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" H, UNSUPPORTED, "method"),
		BAD("CONNECT a:443 HTTP/1.1\r\n" H, UNSUPPORTED, "CONNECT"),
		BAD("GET / HTTP/2.0\r\n" H, HTTP_VERSION, "HTTP/2.0"),
		BAD("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_VERSION, "HTTP/2.0"),
		BAD("GET / HTTP/0.9\r\n" H, HTTP_VERSION, "HTTP/0.9"),
		BAD("GET / HTTP/9.9\r\n" H, HTTP_VERSION, "HTTP/9.9"),
		BAD("GET / http/1.1\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / HTTP/1.10\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / HTTP/1\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / HTTP/1.\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / HTTP/11.1\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / HTTP/1,1\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / HTTP/+1.1\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / HTTPS/1.1\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / ICE/1.1\r\n" H, INVALID, "HTTP/1.1"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void head_parse__refuses_bad_targets(void **state)
{
	static const struct parse_case cases[] = {
		BAD("GET * HTTP/1.1\r\n" H, INVALID, "OPTIONS only"),
		BAD("GET a HTTP/1.1\r\n" H, INVALID, "path that starts with '/'"),
		BAD("GET ?a HTTP/1.1\r\n" H, INVALID, "path that starts with '/'"),
		BAD("OPTIONS ** HTTP/1.1\r\n" H, INVALID, "path"),
		BAD("GET ftp://a/ HTTP/1.1\r\n" H, INVALID, "path"),
		BAD("GET http:/a HTTP/1.1\r\n" H, INVALID, "path"),
		BAD("GET http:// HTTP/1.1\r\n" H, INVALID, "host"),
		BAD("GET http:///a HTTP/1.1\r\n" H, INVALID, "host"),
		BAD("GET http://u@b/ HTTP/1.1\r\n" H, INVALID, "host"),
		BAD("GET http://b:x/ HTTP/1.1\r\n" H, INVALID, "host"),
		BAD("GET http://b:99999/ HTTP/1.1\r\n" H, INVALID, "host"),
		BAD("GET http://[::g]/ HTTP/1.1\r\n" H, INVALID, "host"),
		BAD("GET http://b#c HTTP/1.1\r\n" H, INVALID, "host"),
		BAD("GET /a#b HTTP/1.1\r\n" H, INVALID, "fragment"),
		BAD("GET /a?b#c HTTP/1.1\r\n" H, INVALID, "fragment"),
		BAD("GET /% HTTP/1.1\r\n" H, INVALID, "two hexadecimal"),
		BAD("GET /%4 HTTP/1.1\r\n" H, INVALID, "two hexadecimal"),
		BAD("GET /%4g HTTP/1.1\r\n" H, INVALID, "two hexadecimal"),
		BAD("GET /?a=%zz HTTP/1.1\r\n" H, INVALID, "two hexadecimal"),
		BAD("GET /{id} HTTP/1.1\r\n" H, INVALID, "'{'"),
		BAD("GET /a\\b HTTP/1.1\r\n" H, INVALID, "'\\'"),
		BAD("GET /a|b HTTP/1.1\r\n" H, INVALID, "'|'"),
		BAD("GET /\"a\" HTTP/1.1\r\n" H, INVALID, "'\"'"),
		BAD("GET /\xc3\xa4 HTTP/1.1\r\n" H, INVALID, "0xc3"),
		BAD("GET /\0 HTTP/1.1\r\n" H, INVALID, "0x00"),
		BAD("GET /a\rb HTTP/1.1\r\n" H, INVALID, "0x0d"),
		BAD("GET /\x7f HTTP/1.1\r\n" H, INVALID, "0x7f"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

static void head_parse__refuses_bad_line_ends(void **state)
{
	static const struct parse_case cases[] = {
		BAD("GET / HTTP/1.1\nHost: a\r\n\r\n", INVALID, "request line ends in a bare LF"),
		BAD("GET / HTTP/1.1\r\nHost: a\n\r\n", INVALID, "header line ends in a bare LF"),
		BAD("GET / HTTP/1.1\r\nHost: a\r\n\n", INVALID, "bare LF"),
		BAD("GET / HTTP/1.1\n\n", INVALID, "bare LF"),
		BAD("GET / HTTP/1.1\r\nHost: a\n", INVALID, "bare LF"),
		BAD("GET / HTTP/1.1\r\r\n" H, INVALID, "HTTP/1.1"),
		BAD("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", INVALID, "0x0d"),
		BAD("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", INVALID, "0x0d"),
		BAD("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", INVALID, "the byte 0x0d"),
		MORE(""),
		MORE("\r"),
		MORE("\r\n"),
		MORE("G"),
		MORE("GET / HTTP/1.1\r\n"),
		MORE("GET / HTTP/1.1\r\nHost: a\r\n"),
		MORE("GET / HTTP/1.1\r\nHost: a\r\n\r"),
	};

	(void)state;
	cases_check(cases, COUNT_OF(cases));
}

/* A request of `n` bytes in its target and one header that makes the whole head `head` bytes. */
static struct outcome feed_sized(size_t target, size_t head)
{
	struct buf b = BUF_INIT;
	struct outcome o;

	buf_add_str(&b, "GET /");
	for (size_t i = 1; i < target; i++)
		buf_add_char(&b, 'a');
	buf_add_str(&b, " HTTP/1.1\r\nHost: a\r\nX: ");
	while (b.len + 4 < head)
		buf_add_char(&b, 'b');
	buf_add_str(&b, "\r\n\r\n");
	o = feed(b.data, b.len, &case_limits);
	assert_int_equal(feed_cuts_differ(b.data, b.len, &case_limits), -1);
	buf_release(&b);
	return o;
}

static void head_parse__holds_its_limits(void **state)
{
	size_t target_max = case_limits.target_bytes_max;
	size_t head_max = strlen("GET / HTTP/1.1\r\n") + case_limits.header_bytes_max;
	struct outcome o;

	(void)state;
	o = feed_sized(target_max, 0);
	assert_int_equal(o.parse, HTTP_PARSE_DONE);
	o = feed_sized(target_max + 1, 0);
	assert_int_equal(o.parse, HTTP_PARSE_BAD);
	assert_int_equal(o.error.code, ERR_URI_LARGE);
	assert_string_equal(o.error.field, "target");
	o = feed_sized(5 * target_max, 0);
	assert_int_equal(o.error.code, ERR_URI_LARGE);
	o = feed_sized(1, head_max);
	assert_int_equal(o.parse, HTTP_PARSE_DONE);
	assert_int_equal(o.head_bytes, head_max);
	o = feed_sized(1, head_max + 1);
	assert_int_equal(o.parse, HTTP_PARSE_BAD);
	assert_int_equal(o.error.code, ERR_HEADERS_LARGE);
	assert_non_null(strstr(o.error.msg, "400 bytes"));
	/* A long target takes nothing from the headers. */
	o = feed_sized(target_max, target_max - 1 + head_max);
	assert_int_equal(o.parse, HTTP_PARSE_DONE);
	assert_true(o.head_bytes <= http_head_bytes_max(&case_limits));
	o = feed_sized(target_max, target_max - 1 + head_max + 1);
	assert_int_equal(o.error.code, ERR_HEADERS_LARGE);
}

/* The request line as a whole is bounded too, whatever it is made of. */
static void head_parse__holds_the_limit_of_the_line(void **state)
{
	size_t line_max = case_limits.target_bytes_max + 64;
	static const char rest[] = " / HTTP/1.1\r\nHost: a\r\n\r\n";

	(void)state;
	for (size_t over = 0; over < 2; over++) {
		char text[400];
		/* LF is line_max + over bytes from the start */
		size_t method = line_max + over - strlen(" / HTTP/1.1\r");
		struct outcome o;

		memset(text, 'M', method);
		memcpy(text + method, rest, sizeof(rest));
		o = feed(text, method + sizeof(rest) - 1, &case_limits);
		assert_int_equal(o.parse, HTTP_PARSE_BAD);
		assert_int_equal(o.error.code, over ? ERR_URI_LARGE : ERR_UNSUPPORTED);
		assert_int_equal(feed_cuts_differ(text, method + sizeof(rest) - 1, &case_limits), -1);
	}
}

static void head_parse__allows_exactly_the_bytes_of_the_rfc(void **state)
{
	bool token[256] = {false}, target[256] = {false};

	(void)state;
	bytes_allow(token, ALPHANUMERIC "!#$%&'*+-.^_`|~");
	bytes_check("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", token);
	bytes_allow(target, ALPHANUMERIC "-._~:/?@!$&'()*+,;=");
	bytes_check("GET /@ HTTP/1.1\r\nHost: a\r\n\r\n", target);
	bytes_check("GET /?@ HTTP/1.1\r\nHost: a\r\n\r\n", target);
}

/* Cost is not asserted, only that a dribbled head near a large limit comes to an end soon. */
static void head_parse__remembers_how_far_it_looked(void **state)
{
	struct http_limits l = {.target_bytes_max = 100,
				.header_bytes_max = 1 << 20,
				.header_count_max = 12,
				.body_bytes_max = 0};
	struct buf b = BUF_INIT;
	struct http_head *head = malloc(sizeof(*head));
	size_t scanned = 0, head_bytes;
	struct error e;

	(void)state;
	buf_add_str(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	for (int i = 0; i < 200000; i++)
		buf_add_char(&b, 'x');
	for (size_t n = 1; n <= b.len; n++) {
		enum http_parse p =
			http_parse_head((struct slice){b.data, n}, &scanned, &l, head, &head_bytes, &e);

		assert_int_equal(p, HTTP_PARSE_MORE);
		if (n > 2)
			assert_int_equal(scanned, n);
	}
	free(head);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_parse__takes_what_is_right),
		cmocka_unit_test(head_parse__refuses_bad_request_lines),
		cmocka_unit_test(head_parse__refuses_bad_targets),
		cmocka_unit_test(head_parse__refuses_bad_line_ends),
		cmocka_unit_test(head_parse__holds_its_limits),
		cmocka_unit_test(head_parse__holds_the_limit_of_the_line),
		cmocka_unit_test(head_parse__allows_exactly_the_bytes_of_the_rfc),
		cmocka_unit_test(head_parse__remembers_how_far_it_looked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
