/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of scopes. */
#include "mcp/auth_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_text(char *got, const char *want)
{
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
	free(got);
}

static void scope_union__keeps_order_and_leaves_out_what_no_scope_is(void **state)
{
	(void)state;
	assert_text(scope_union("b a", " a  c b"), "b a c");
	assert_text(scope_union(NULL, NULL), NULL);
	assert_text(scope_union("", "  "), NULL);
	assert_text(scope_union("a\"b x\ny z", NULL), "z");
	assert_true(scope_covers("a b c", "c a"));
	assert_true(scope_covers(NULL, NULL));
	assert_false(scope_covers("ab", "a"));
	assert_false(scope_covers(NULL, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scope_union__keeps_order_and_leaves_out_what_no_scope_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
