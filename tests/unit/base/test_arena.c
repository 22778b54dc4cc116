/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c and xalloc.c: alignment, zeroing, the limit, large pieces. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void arena_alloc__is_aligned_and_zeroed(void **state)
{
	struct arena *a = arena_new(0);

	(void)state;
	for (size_t n = 0; n < 3000; n += 7) {
		unsigned char *p = arena_alloc(a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xa5, n);
	}
	arena_free(a);
	arena_free(NULL);
}

static void arena_alloc__keeps_small_pieces_beside_a_large_one(void **state)
{
	struct arena *a = arena_new(0);

	(void)state;
	char *small = arena_alloc(a, 16);
	char *large = arena_alloc(a, 1 << 20);
	char *next = arena_alloc(a, 16);
	assert_ptr_equal(next, small + 16);
	memset(large, 1, 1 << 20);
	assert_int_equal(small[15], 0);
	arena_free(a);
}

static void arena_alloc__refuses_over_the_limit(void **state)
{
	struct arena *a = arena_new(100);

	(void)state;
	assert_non_null(arena_alloc(a, 60));
	assert_null(arena_alloc(a, 41));
	assert_non_null(arena_alloc(a, 40));
	assert_null(arena_alloc(a, 1));
	assert_null(arena_alloc(a, SIZE_MAX));
	arena_free(a);
}

static void arena_printf__and_strndup_terminate(void **state)
{
	struct arena *a = arena_new(64);

	(void)state;
	assert_string_equal(arena_printf(a, "%s/%d", "tasks", 7), "tasks/7");
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_null(arena_printf(a, "%100s", "x"));
	assert_null(arena_strndup(a, "x", 100));
	arena_free(a);
}

static void xstrdup__copies_and_passes_null(void **state)
{
	(void)state;
	assert_null(xstrdup(NULL));
	char *s = xasprintf("%s-%d", "a", 1), *t = xstrdup(s), *u = xstrndup("abc", 2);
	assert_string_equal(t, "a-1");
	assert_string_equal(u, "ab");
	s = xrealloc(s, 100);
	assert_string_equal(s, "a-1");
	void *none = xcalloc(0, 8);
	assert_non_null(none);
	free(none);
	free(s);
	free(t);
	free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_alloc__is_aligned_and_zeroed),
		cmocka_unit_test(arena_alloc__keeps_small_pieces_beside_a_large_one),
		cmocka_unit_test(arena_alloc__refuses_over_the_limit),
		cmocka_unit_test(arena_printf__and_strndup_terminate),
		cmocka_unit_test(xstrdup__copies_and_passes_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
