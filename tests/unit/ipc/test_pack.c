/* SPDX-License-Identifier: Apache-2.0 */
/* Packing: what goes in comes out, and nothing a peer writes is read past its end. */
#include "base/base.h"
#include "ipc/ipc.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void pack__comes_out_as_it_went_in(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	pack_u32(&b, 7);
	pack_text(&b, "text");
	pack_text(&b, NULL);
	pack_text(&b, "");
	pack_u64(&b, UINT64_MAX);
	pack_slice(&b, SLICE_LIT("a\0b"));
	pack_slice(&b, (struct slice){NULL, 0});
	struct unpack u = UNPACK(buf_slice(&b));
	assert_int_equal(unpack_u32(&u), 7);
	assert_string_equal(unpack_text(&u), "text");
	assert_null(unpack_text(&u));
	assert_string_equal(unpack_text(&u), "");
	assert_false(unpack_end(&u));
	assert_true(unpack_u64(&u) == UINT64_MAX);
	struct slice s = unpack_slice(&u);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.ptr, "a\0b", 3);
	assert_int_equal(unpack_slice(&u).len, 0);
	assert_true(unpack_end(&u));
	buf_release(&b);
}

static void unpack__every_cut_is_bad_and_stays_bad(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	pack_u32(&b, 1);
	pack_text(&b, "abc");
	pack_slice(&b, SLICE_LIT("xyz"));
	pack_u64(&b, 2);
	for (size_t n = 0; n < b.len; n++) {
		/* Exactly n bytes of heap: the address sanitizer sees one byte too many. */
		char *cut = xmalloc(n ? n : 1);
		memcpy(cut, b.data, n);
		struct unpack u = UNPACK(((struct slice){cut, n}));
		unpack_u32(&u);
		unpack_text(&u);
		unpack_slice(&u);
		assert_int_equal(unpack_u64(&u), 0);
		assert_true(u.bad);
		assert_false(unpack_end(&u));
		assert_int_equal(unpack_u32(&u), 0);
		assert_null(unpack_text(&u));
		assert_int_equal(unpack_slice(&u).len, 0);
		free(cut);
	}
	buf_release(&b);
}

static void unpack_text__refuses_what_is_no_text(void **state)
{
	(void)state;
	/* A NUL inside; no NUL at the end. */
	static const struct slice bodies[] = {{"a\0c", 4}, {"abcd", 4}};
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct buf b = BUF_INIT;
		pack_u32(&b, 3);
		buf_add_slice(&b, bodies[i]);
		struct unpack u = UNPACK(buf_slice(&b));
		assert_null(unpack_text(&u));
		assert_true(u.bad);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pack__comes_out_as_it_went_in),
		cmocka_unit_test(unpack__every_cut_is_bad_and_stays_bad),
		cmocka_unit_test(unpack_text__refuses_what_is_no_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
