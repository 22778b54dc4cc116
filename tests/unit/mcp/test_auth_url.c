/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: which are addresses at all, which may be asked, which belong together. */
#include "mcp/auth_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void url_parse__refuses_what_two_readers_may_read_differently(void **state)
{
	static const char *const bad[] = {
		"",
		"ftp://a/",
		"https:/a",
		"https://",
		"https:///a",
		"https://u@a/",
		"https://u:p@a",
		"https://a b/",
		"https://a/\n",
		"https://a#f",
		"https://a\\@b/",
		"https://a:",
		"https://a:99999",
		"https://a:1x/",
		"HTTPS://a/",
		"https://[::1/",
		"https://[::1]x/",
		"https://a,b/",
		"https://\xc3\xa4/",
		"https://a%2fb/",
		"file:///etc/passwd",
		"https://a:80:80/",
	};
	struct url u;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (url_parse(bad[i], &u))
			fail_msg("%s", bad[i]);
	}
	assert_true(url_parse("https://a.b-c:8443/p/q?x=y:z@", &u));
	assert_int_equal(u.port, 8443);
	assert_true(slice_eq_str(u.host, "a.b-c"));
	assert_true(slice_eq_str(u.path, "/p/q"));
	assert_true(url_parse("http://[::1]:80?x", &u));
	assert_true(slice_eq_str(u.host, "[::1]"));
	assert_int_equal(u.path.len, 0);
}

static void url_check__asks_nobody_in_private(void **state)
{
	static const char *const bad[] = {
		"http://a.example/",
		"http://localhost/",
		"https://localhost:1/",
		"https://127.0.0.1/",
		"https://127.1/",
		"https://2130706433/",
		"https://0x7f000001/",
		"https://0/",
		"https://10.0.0.8/",
		"https://169.254.169.254/latest",
		"https://192.168.1.1/",
		"https://[::1]/",
		"https://[fe80::1]/",
		"https://[fc00::1]/",
		"https://[::ffff:10.0.0.1]/",
		"https://[::]/",
		"https://[fe80::1%lo]/",
	};
	struct error e;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (url_check(bad[i], false, "x", &e) == ERR_NONE)
			fail_msg("%s", bad[i]);
	}
	assert_int_equal(url_check("https://a.example/x", false, "x", &e), ERR_NONE);
	assert_int_equal(url_check("https://8.8.8.8/", false, "x", &e), ERR_NONE);
}

static void url_check__allows_what_the_operator_allows(void **state)
{
	struct error e;
	(void)state;
	assert_int_equal(url_check("http://localhost:99/", true, "x", &e), ERR_NONE);
	assert_int_equal(url_check("http://[::1]:99/", true, "x", &e), ERR_NONE);
	assert_int_equal(url_check("https://10.0.0.8/", true, "x", &e), ERR_NONE);
	assert_int_not_equal(url_check("http://10.0.0.8/", true, "x", &e), ERR_NONE); /* in the clear */
	assert_int_not_equal(url_check("http://127.0.0.1.example/", true, "x", &e), ERR_NONE);
}

static void url_covers__goes_by_whole_segments_of_one_origin(void **state)
{
	(void)state;
	assert_true(url_covers("https://a/mcp", "https://a/mcp"));
	assert_true(url_covers("https://a", "https://a:443/mcp"));
	assert_true(url_covers("https://A/", "https://a/mcp"));
	assert_true(url_covers("https://a/mcp/", "https://a/mcp"));
	assert_true(url_covers("https://a/mcp", "https://a/mcp/x?y"));
	assert_false(url_covers("https://a/mcp", "https://a/mcp2"));
	assert_false(url_covers("https://a/mcp/x", "https://a/mcp"));
	assert_false(url_covers("https://a/mcp", "https://a/mcp/../y"));
	assert_false(url_covers("http://a/mcp", "https://a/mcp"));
	assert_false(url_covers("https://b/mcp", "https://a/mcp"));
	assert_false(url_covers("https://a:1/mcp", "https://a/mcp"));
	assert_false(url_covers("https://a/mcp?x", "https://a/mcp"));
}

static void assert_text(char *got, const char *want)
{
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
	free(got);
}

static void url_well_known__puts_the_path_behind(void **state)
{
	(void)state;
	assert_text(url_well_known("https://A:443/x/y/?q", "n", true), "https://a/.well-known/n/x/y");
	assert_text(url_well_known("https://a/x/y", "n", false), "https://a/.well-known/n");
	assert_text(url_well_known("https://a:8/", "n", true), "https://a:8/.well-known/n");
	assert_text(url_origin("http://[::1]:80/x"), "http://[::1]");
}

static void url_redirect__stays_at_home(void **state)
{
	(void)state;
	assert_text(url_redirect("https://a/x", "/y"), "https://a/y");
	assert_text(url_redirect("https://a/x", "https://a:443/y"), "https://a:443/y");
	assert_text(url_redirect("https://a/x", "//b/y"), NULL);
	assert_text(url_redirect("https://a/x", "https://b/y"), NULL);
	assert_text(url_redirect("https://a/x", "http://a/y"), NULL);
	assert_text(url_redirect("https://a/x", ""), NULL);
}

static void form_add__encodes(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	form_add(&b, "a", "b c&=+/\xc3\xa4~");
	form_add(&b, "no", NULL);
	form_add(&b, "d", "");
	assert_string_equal(b.data, "a=b%20c%26%3D%2B%2F%C3%A4~&d=");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url_parse__refuses_what_two_readers_may_read_differently),
		cmocka_unit_test(url_check__asks_nobody_in_private),
		cmocka_unit_test(url_check__allows_what_the_operator_allows),
		cmocka_unit_test(url_covers__goes_by_whole_segments_of_one_origin),
		cmocka_unit_test(url_well_known__puts_the_path_behind),
		cmocka_unit_test(url_redirect__stays_at_home),
		cmocka_unit_test(form_add__encodes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
