/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as they are shown, and which are this machine. */
#include "base/base.h"
#include "base/fetch_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void url__shows_no_secrets(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"https://api.openai.com/v1", "https://api.openai.com/v1"},
		{"https://user:p@ss@h:8/v1?key=1#f", "https://h:8/v1"},
		{"http://h?x=a@b", "http://h"},
		{"http://h/a@b", "http://h/a@b"},
		{"h/v1", "h/v1"},
		{"", ""},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *shown = url_shown(rows[i][0]);
		assert_string_equal(shown, rows[i][1]);
		free(shown);
	}
}

static void url__knows_this_machine(void **state)
{
	(void)state;
	assert_true(url_is_loopback("http://localhost/v1"));
	assert_true(url_is_loopback("http://LOCALHOST:80"));
	assert_true(url_is_loopback("http://127.0.0.1:8080/v1"));
	assert_true(url_is_loopback("http://u:p@127.1.2.3"));
	assert_true(url_is_loopback("https://[::1]:1/"));
	assert_false(url_is_loopback("http://127.evil.example/"));
	assert_false(url_is_loopback("http://localhost.example/"));
	assert_false(url_is_loopback("http://example/localhost"));
	assert_false(url_is_loopback("http://[2001:db8::1]/"));
}

static void assert_literal(const char *url, int family, int port, const char *host, const char *path)
{
	struct fetch_target t;
	if (!url_literal(url, &t))
		fail_msg("%s", url);
	assert_int_equal(t.address.ss_family, family);
	in_port_t is = family == AF_INET ? ((struct sockaddr_in *)&t.address)->sin_port
					 : ((struct sockaddr_in6 *)&t.address)->sin6_port;
	assert_int_equal(ntohs(is), port);
	assert_true(slice_eq_str(t.host, host));
	assert_true(slice_eq_str(t.path, path));
}

static void url_literal__takes_plain_addresses(void **state)
{
	(void)state;
	assert_literal("http://127.0.0.1:8080/v1/chat?a=b%20c", AF_INET, 8080, "127.0.0.1:8080",
		       "/v1/chat?a=b%20c");
	assert_literal("http://10.1.2.3", AF_INET, 80, "10.1.2.3", "");
	assert_literal("HTTP://10.1.2.3?x", AF_INET, 80, "10.1.2.3", "?x");
	assert_literal("http://[::1]:65535/", AF_INET6, 65535, "[::1]:65535", "/");
	assert_literal("http://[2001:db8::1]/a", AF_INET6, 80, "[2001:db8::1]", "/a");
}

static void url_literal__leaves_all_else_to_libcurl(void **state)
{
	(void)state;
	static const char *const others[] = {
		"https://127.0.0.1/",
		"http://localhost/",
		"http://user:key@127.0.0.1/",
		"http://127.0.0.1:0/",
		"http://127.0.0.1:/",
		"http://127.0.0.1:65536/",
		"http://127.0.0.1:80x/",
		"http://127.1/",
		"http://0x7f.0.0.1/",
		"http://[::1/",
		"http://[::1]80/",
		"http://[127.0.0.1]/",
		"http://::1/",
		"http:///v1",
		"127.0.0.1/v1",
		"http://127.0.0.1/a b",
		"http://127.0.0.1/a#b",
		"http://127.0.0.1/\r\nX:1",
		"http://127.0.0.1/\xC3\xA9",
		"",
	};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		struct fetch_target t;
		if (url_literal(others[i], &t))
			fail_msg("%s", others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url__shows_no_secrets),
		cmocka_unit_test(url__knows_this_machine),
		cmocka_unit_test(url_literal__takes_plain_addresses),
		cmocka_unit_test(url_literal__leaves_all_else_to_libcurl),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
