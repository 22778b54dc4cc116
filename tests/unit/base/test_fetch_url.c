/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as they are shown, and which are this machine. */
#include "base/base.h"
#include "base/fetch.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url__shows_no_secrets),
		cmocka_unit_test(url__knows_this_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
