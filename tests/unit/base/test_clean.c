/* SPDX-License-Identifier: Apache-2.0 */
/* Text without what cannot be seen. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void becomes(const char *text, const char *expected)
{
	struct buf out = BUF_INIT;
	text_clean(slice_str(text), &out);
	assert_string_equal(buf_cstr(&out), expected);
	buf_release(&out);
}

static void text_clean__leaves_what_people_see(void **state)
{
	(void)state;
	becomes("", "");
	becomes("plain text, 100 %\n\ttabbed", "plain text, 100 %\n\ttabbed");
	becomes("\xc3\xa9\xe2\x82\xac \xe4\xb8\xad \xf0\x9f\x98\x80\xef\xb8\x8f",
		"\xc3\xa9\xe2\x82\xac \xe4\xb8\xad \xf0\x9f\x98\x80\xef\xb8\x8f");
}

static void text_clean__drops_what_they_do_not(void **state)
{
	(void)state;
	becomes("a\x1b[31mb\r\x7f"
		"c",
		"a[31mbc");
	becomes("a\xc2\x85"
		"b\xc2\xad"
		"c",
		"abc"); /* C1, soft hyphen */
	becomes("a\xe2\x80\x8b"
		"b\xe2\x80\xae"
		"c",
		"abc"); /* zero width space, right-to-left override */
	becomes("\xef\xbb\xbf"
		"a\xe2\x81\xa0",
		"a"); /* byte order mark, word joiner */
	becomes("a\xf3\xa0\x81\x81\xf3\xa0\x81\x82"
		"b",
		"ab"); /* tags: ASCII that nobody sees */
	becomes("\xe2\x80\x8b", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_clean__leaves_what_people_see),
		cmocka_unit_test(text_clean__drops_what_they_do_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
