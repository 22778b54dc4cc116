/* SPDX-License-Identifier: Apache-2.0 */
/* Kept fold states: right or not there, and bounded. */
#include "tests/unit/store/table.h"

static void cache_take__gives_only_what_fits_the_last_event(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref ref = {1, 7};
	(void)state;
	cache_put(t.a, ref, 5, doc_new(), 100);
	assert_true(cache_has(t.a, ref, 5));
	assert_null(cache_take(t.a, ref, 4));
	assert_null(cache_take(t.a, (struct task_ref){1, 8}, 5));
	struct task_doc *d = cache_take(t.a, ref, 5);
	assert_non_null(d);
	assert_null(cache_take(t.a, ref, 5));
	assert_int_equal(t.a->cache_bytes, 0);
	/* a newer state, and the next task of the slot, replace it */
	cache_put(t.a, ref, 6, d, 100);
	cache_put(t.a, ref, 7, doc_new(), 200);
	assert_false(cache_has(t.a, ref, 6));
	cache_put(t.a, (struct task_ref){1, 8}, 1, doc_new(), 300);
	assert_false(cache_has(t.a, ref, 7));
	assert_int_equal(t.a->cache_bytes, 300);
	table_close(&t);
}

static void cache_put__is_bounded_in_number_and_bytes(void **state)
{
	struct table t = table_open(4, 4);
	size_t kept = 0;
	(void)state;
	for (uint32_t i = 0; i < DOC_CACHE + 1; i++)
		cache_put(t.a, (struct task_ref){i, 0}, 1, doc_new(), 10);
	assert_false(cache_has(t.a, (struct task_ref){0, 0}, 1));
	for (uint32_t i = 1; i < DOC_CACHE + 1; i++)
		assert_true(cache_has(t.a, (struct task_ref){i, 0}, 1));
	for (uint32_t i = 0; i < 20; i++)
		cache_put(t.a, (struct task_ref){i, 1}, 1, doc_new(), 1 << 20);
	for (uint32_t i = 0; i < 20; i++)
		kept += cache_has(t.a, (struct task_ref){i, 1}, 1);
	assert_int_equal(kept, 8);
	assert_true(t.a->cache_bytes <= 8 << 20);
	cache_put(t.a, (struct task_ref){99, 1}, 1, doc_new(), 16 << 20); /* too large to keep */
	assert_false(cache_has(t.a, (struct task_ref){99, 1}, 1));
	cache_release(t.a);
	assert_int_equal(t.a->cache_bytes, 0);
	table_close(&t);
}

static void cache__serves_more_tasks_than_it_holds(void **state)
{
	struct table t = table_open(8, 3 * DOC_CACHE);
	struct task_ref refs[3 * DOC_CACHE];
	struct error e;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refs); i++)
		refs[i] = create(t.a);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < COUNT_OF(refs); i++) {
			struct task_change wrong = {.to = TASK_RUNNING, .if_last_seq = 999};
			assert_int_equal(task_move(t.a, refs[i], &wrong, NULL, &e), ERR_CONFLICT);
			move(i % 3 ? t.a : t.b, refs[i], EVENT_MODEL_STARTED, "{}", TASK_SAME);
		}
	table_close(&t); /* checks that each document is the fold of its events */
}

RUN_TESTS(cmocka_unit_test(cache_take__gives_only_what_fits_the_last_event),
	  cmocka_unit_test(cache_put__is_bounded_in_number_and_bytes),
	  cmocka_unit_test(cache__serves_more_tasks_than_it_holds))
