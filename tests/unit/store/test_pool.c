/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks: taken all or none, given back, found again after a death. */
#include "tests/unit/store/table.h"

#include <sys/resource.h>

static void pool_take__takes_all_or_none(void **state)
{
	struct table t = table_open(4, 4);
	uint32_t all = pool_unused(t.a);
	(void)state;
	assert_int_equal(pool_take(t.a, 0, 0, 0), NONE);
	assert_int_equal(pool_take(t.a, 0, all + 1, 0), NONE);
	assert_int_equal(pool_take(t.a, 0, all - 9, 10), NONE);
	assert_int_equal(pool_unused(t.a), all);
	uint32_t head = pool_take(t.a, 0, all, 0), n = 0;
	for (uint32_t at = head; at != NONE; at = block_at(t.a, at)->next, n++)
		assert_int_equal(atomic_load(&block_at(t.a, at)->used), BLOCK_USED);
	assert_int_equal(n, all);
	assert_int_equal(pool_take(t.a, 1, 1, 0), NONE);
	pool_give(t.a, head, all);
	assert_int_equal(pool_unused(t.a), all);
	head = pool_take(t.a, 1, all, 0);
	assert_int_not_equal(head, NONE);
	pool_give(t.a, head, all);
	table_close(&t);
}

static void pool_reclaim__frees_what_the_chains_do_not_reach(void **state)
{
	struct table t = table_open(4, 4);
	uint32_t all = pool_unused(t.a);
	(void)state;
	struct chain doc = {pool_take(t.a, 2, 5, 0), 5}, events = {pool_take(t.a, 2, 3, 0), 3};
	uint32_t lost = pool_take(t.a, 2, 40, 0), other = pool_take(t.a, 3, 7, 0);
	/* whoever repaired before us died after it had marked some, one of them not to be kept */
	atomic_store(&block_at(t.a, doc.head)->used, BLOCK_KEPT);
	atomic_store(&block_at(t.a, lost)->used, BLOCK_KEPT);
	pool_reclaim(t.a, 2, (struct chain[SLOT_CHAINS]){doc, events, {NONE, 0}});
	assert_int_equal(pool_unused(t.a), all - 15);
	assert_int_equal(atomic_load(&block_at(t.a, doc.head)->used), BLOCK_USED);
	assert_int_equal(atomic_load(&block_at(t.a, lost)->used), BLOCK_FREE);
	pool_reclaim(t.a, 2, (struct chain[SLOT_CHAINS]){{NONE, 0}, {NONE, 0}, {NONE, 0}});
	assert_int_equal(pool_unused(t.a), all - 7);
	pool_give(t.a, other, 7);
	table_close(&t);
}

static void pool_take__never_takes_what_is_not_backed(void **state)
{
	struct store_options o = table_options(16, 16);
	struct error e;
	bool whole = false;
	o.bytes_at_start = 2 << 20;
	(void)state;
	struct table t = table_open_with(&o);
	uint32_t first = pool_unused(t.a);
	assert_true(first > 1000 && first < 2048);
	uint32_t head = pool_take(t.a, 0, first, 0);
	assert_int_not_equal(head, NONE);
	assert_int_equal(pool_take(t.a, 0, 1, 0), NONE);
	for (uint32_t at = head; at != NONE; at = block_at(t.a, at)->next)
		memset(block_bytes(t.a, at), 1, BLOCK_BYTES);
	int steps = 0;
	for (; !whole; steps++)
		assert_int_equal(store_grow(t.created, 4 << 20, &whole, &e), ERR_NONE);
	assert_int_equal(steps, 4);
	assert_int_equal(t.a->map->blocks_backed, t.a->map->blocks_max);
	assert_int_equal(store_grow(t.created, 4 << 20, &whole, &e), ERR_NONE);
	assert_true(whole);
	uint32_t more = pool_unused(t.a), rest = pool_take(t.b, 1, more, 0);
	assert_int_equal(first + more, t.a->map->blocks_max);
	for (uint32_t at = rest; at != NONE; at = block_at(t.a, at)->next)
		memset(block_bytes(t.a, at), 1, BLOCK_BYTES);
	pool_give(t.a, head, first);
	pool_give(t.a, rest, more);
	table_close(&t);
}

static long faults(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt;
}

static void pool_take__maps_pages_before_they_are_written(void **state)
{
	enum { TAKEN = 200 };
	struct table t = table_open(4, 4);
	(void)state;
	uint32_t head = pool_take(t.a, 0, TAKEN, 0);
	if (t.a->blocks_mapped == UINT32_MAX) {
		print_message("not shown, this system cannot map pages ahead (Linux before 5.14)\n");
	} else {
		long before = faults();
		for (uint32_t at = head; at != NONE; at = block_at(t.a, at)->next)
			memset(block_bytes(t.a, at), 1, BLOCK_BYTES);
		assert_in_range(faults() - before, 0, TAKEN * BLOCK_BYTES / 4096 / 4);
		assert_in_range(t.a->blocks_mapped, TAKEN, t.a->map->blocks_max);
	}
	pool_give(t.a, head, TAKEN);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(pool_take__takes_all_or_none),
	  cmocka_unit_test(pool_reclaim__frees_what_the_chains_do_not_reach),
	  cmocka_unit_test(pool_take__never_takes_what_is_not_backed),
	  cmocka_unit_test(pool_take__maps_pages_before_they_are_written))
