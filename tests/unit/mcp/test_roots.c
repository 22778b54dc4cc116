/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to roots/list. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void roots_write__names_folders_as_uris(void **state)
{
	static const char *const roots[] = {"/srv/a b", "/x/\xc3\xa4?#%", "/", NULL};
	struct buf out = BUF_INIT;
	(void)state;
	roots_write(roots, &out);
	assert_string_equal(buf_cstr(&out),
			    "{\"roots\":[{\"uri\":\"file:///srv/a%20b\",\"name\":\"a b\"},"
			    "{\"uri\":\"file:///x/%C3%A4%3F%23%25\",\"name\":\"\xc3\xa4?#%\"},"
			    "{\"uri\":\"file:///\",\"name\":\"/\"}]}");
	buf_reset(&out);
	roots_write(NULL, &out);
	assert_string_equal(buf_cstr(&out), "{\"roots\":[]}");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roots_write__names_folders_as_uris),
	};
	return cmocka_run_group_tests_name("roots", tests, NULL, NULL);
}
