/* SPDX-License-Identifier: Apache-2.0 */
/* Room: who makes it, who gets it, and that every task can end when there is none. */
#include "tests/unit/store/table.h"

static void task_create__frees_many_small_tasks_for_a_large_one(void **state)
{
	struct table t = table_open(8, 4000);
	struct task_ref ref, keep = create(t.a);
	struct id id;
	struct error e;
	struct store_usage u;
	(void)state;
	for (int i = 0; i < 3000; i++)
		move(t.a, create(t.a), 0, NULL, TASK_CANCELLED);
	store_usage_get(t.a, &u);
	size_t large = ((size_t)u.blocks - u.blocks_used / 2) * BLOCK_BYTES / 2;
	if (create_sized(t.a, large, &ref, &id, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	assert_int_equal(head_of(t.b, keep).state, TASK_QUEUED);
	store_usage_get(t.a, &u);
	assert_true(u.slots_used > 2 && u.slots_used < 2500); /* no more than needed */
	table_close(&t);
}

static void task_create__evicts_nothing_in_vain(void **state)
{
	struct table t = table_open(8, 16);
	struct task_ref done = create(t.a), ref;
	struct id id;
	struct error e;
	(void)state;
	move(t.a, done, 0, NULL, TASK_CANCELLED);
	assert_int_equal(create_sized(t.a, 7 << 20, &ref, &id, &e), ERR_FULL);
	assert_non_null(strstr(e.msg, "store.size_mb"));
	assert_non_null(strstr(e.msg, "8 MiB"));
	assert_int_equal(head_of(t.b, done).state, TASK_CANCELLED);
	assert_int_equal(store_counter(t.a, COUNTER_TASKS_EVICTED), 0);
	table_close(&t);
}

static void task_move__makes_room_for_a_change_larger_than_the_reserve(void **state)
{
	struct table t = table_open(8, 64);
	struct task_ref busy = create(t.a);
	struct error e;
	(void)state;
	for (int i = 0; i < 20; i++)
		(void)!move_sized(t.a, create(t.a), 100000, TASK_CANCELLED, &e);
	struct task_head h = head_of(t.a, busy);
	assert_int_equal(move_sized(t.b, busy, 2 << 20, TASK_SAME, &e), ERR_NONE);
	assert_int_equal(head_of(t.a, busy).last_seq, h.last_seq + 1);
	table_close(&t);
}

/* Unfinished tasks with large documents until nothing more goes in; returns how many. */
static size_t fill(struct table *t, struct task_ref *refs, size_t max)
{
	struct error e;
	struct id id;
	size_t n = 0;
	while (n < max && create_sized(t->a, 150000, &refs[n], &id, &e) == ERR_NONE)
		n++;
	assert_true(n > 5 && n < max);
	assert_int_equal(e.code, ERR_FULL);
	/* down to the last block that a change may take */
	for (size_t i = 0; i < n; i++)
		while (move_as(i % 2 ? t->a : t->b, refs[i], NULL, EVENT_TOOL_STARTED, "{\"call\":\"c\"}",
			       TASK_SAME, &e) == ERR_NONE)
			if (head_of(t->a, refs[i]).last_seq > 3000)
				fail_msg("there is no end");
	assert_int_equal(e.code, ERR_FULL);
	assert_non_null(strstr(e.msg, "store.size_mb"));
	assert_non_null(strstr(e.msg, "8 MiB"));
	return n;
}

static void task_move__ends_every_task_when_the_pool_is_used_up(void **state)
{
	struct table t = table_open(8, 64);
	struct task_ref refs[64];
	struct error e;
	(void)state;
	size_t n = fill(&t, refs, 64);
	table_check(&t);
	/* a refused change has taken nothing and changed nothing */
	struct store_usage before, after;
	store_usage_get(t.a, &before);
	assert_int_equal(move_sized(t.a, refs[0], 500000, TASK_PLANNING, &e), ERR_FULL);
	store_usage_get(t.a, &after);
	assert_int_equal(before.blocks_used, after.blocks_used);
	for (size_t i = 0; i < n; i++) {
		struct store *s = i % 2 ? t.a : t.b;
		if (move_as(s, refs[i], NULL, EVENT_TOOL_FAILED, "{\"call\":\"c\"}", TASK_FAILED, &e) !=
		    ERR_NONE)
			fail_msg("task %zu of %zu: %s", i, n, e.msg);
		assert_int_equal(head_of(t.b, refs[i]).state, TASK_FAILED);
	}
	table_close(&t);
}

/* The first to end, when nothing can be evicted and even the reserve is too small for a document. */
static void task_move__ends_a_task_without_its_document_when_there_is_no_room_for_one(void **state)
{
	struct table t = table_open(8, 64);
	struct task_ref refs[64];
	struct error e;
	struct lease l;
	(void)state;
	size_t n = fill(&t, refs, 64);
	/* the reserve is gone but for a few blocks */
	uint32_t unused = pool_unused(t.a), chain = pool_take(t.a, 63, unused - 3, 0);
	assert_int_not_equal(chain, NONE);
	assert_int_equal(move_as(t.b, refs[n - 1], NULL, 0, NULL, TASK_CANCELLED, &e), ERR_NONE);
	assert_int_equal(slot_version(slot_at(t.a, refs[n - 1].slot))->doc_bytes, 0);
	char *text = doc_text(t.a, refs[n - 1]);
	assert_non_null(strstr(text, "\"status\":\"cancelled\",\"prompt\":\"ppp"));
	assert_non_null(strstr(text, "\"last_seq\":"));
	free(text);
	assert_int_equal(move_as(t.a, refs[n - 1], NULL, 0, NULL, TASK_FAILED, &e), ERR_CONFLICT);
	assert_false(lease_take(t.a, refs[n - 1], &l, &e) == ERR_NONE);
	/* its old document is room for the others */
	assert_true(pool_unused(t.a) > 100);
	pool_give(t.a, chain, unused - 3);
	table_close(&t);
}

static void room_needed__counts_both_parts(void **state)
{
	(void)state;
	assert_int_equal(room_needed(1, 1), 2);
	assert_int_equal(room_needed(BLOCK_BYTES, BLOCK_BYTES + 1), 3);
}

RUN_TESTS(cmocka_unit_test(task_create__frees_many_small_tasks_for_a_large_one),
	  cmocka_unit_test(task_create__evicts_nothing_in_vain),
	  cmocka_unit_test(task_move__makes_room_for_a_change_larger_than_the_reserve),
	  cmocka_unit_test(task_move__ends_every_task_when_the_pool_is_used_up),
	  cmocka_unit_test(task_move__ends_a_task_without_its_document_when_there_is_no_room_for_one),
	  cmocka_unit_test(room_needed__counts_both_parts))
