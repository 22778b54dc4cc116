/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: places in the event chain, large documents, lists. */
#include "tests/unit/store/table.h"

/* Reads everything behind the cursor in pieces of bytes_max; returns the last number. */
static uint64_t read_on(struct store *s, struct task_ref ref, struct event_cursor *c, size_t bytes_max)
{
	struct buf b = BUF_INIT;
	struct event_view v;
	uint64_t seq = c->next_seq - 1;
	do {
		buf_reset(&b);
		assert_int_equal(task_events_copy(s, ref, c, bytes_max, &b, NULL), ERR_NONE);
		for (struct slice rest = buf_slice(&b); event_next(&rest, &v);)
			assert_int_equal(v.seq, ++seq);
	} while (b.len > 0);
	assert_int_equal(c->next_seq, seq + 1);
	buf_release(&b);
	return seq;
}

static void task_events_copy__goes_on_from_every_place_in_a_block(void **state)
{
	struct table t = table_open(8, 4);
	struct task_ref ref = create(t.a);
	struct event_cursor follower, slow;
	struct error e;
	bool border = false;
	(void)state;
	event_cursor_init(&follower, 0);
	event_cursor_init(&slow, 0);
	/* each event is a little longer than the one before: the chain ends everywhere, at a border, too */
	for (uint64_t i = 0; i < 1200; i++) {
		assert_int_equal(move_sized(i % 2 ? t.a : t.b, ref, i, TASK_SAME, &e), ERR_NONE);
		border = border || slot_version(slot_at(t.a, ref.slot))->events_bytes % BLOCK_BYTES == 0;
		assert_int_equal(read_on(t.a, ref, &follower, 100), i + 2);
		if (i % 7 == 0)
			assert_int_equal(read_on(t.b, ref, &slow, 1 << 16), i + 2);
	}
	/* whatever the sizes above came to: one event that ends exactly at a border, and the next one */
	for (size_t pad = 0; !border && pad < 2 * BLOCK_BYTES; pad++) {
		struct task_ref other = create(t.a);
		assert_int_equal(move_sized(t.a, other, pad, TASK_SAME, &e), ERR_NONE);
		border = slot_version(slot_at(t.a, other.slot))->events_bytes % BLOCK_BYTES == 0;
		struct event_cursor c;
		event_cursor_init(&c, 0);
		assert_int_equal(read_on(t.b, other, &c, 1 << 16), 2);
		move(t.a, other, EVENT_TOOL_STARTED, "{}", TASK_CANCELLED);
		assert_int_equal(read_on(t.b, other, &c, 1 << 16), 4);
	}
	assert_true(border);
	table_close(&t);
}

static void task_events_copy__passes_over_more_events_than_one_lock_may_take(void **state)
{
	struct table t = table_open(8, 4);
	struct task_ref ref = create(t.a);
	struct task_event ev[1000];
	struct error e;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(ev); i++)
		ev[i] = (struct task_event){EVENT_TOOL_STARTED, SLICE_LIT("{}")};
	struct task_change c = {.events = ev, .events_count = COUNT_OF(ev), .to = TASK_SAME};
	for (int i = 0; i < 10; i++)
		assert_int_equal(task_move(t.a, ref, &c, NULL, &e), ERR_NONE);
	for (uint64_t after = 0; after <= 10001; after += after < 9990 ? 1500 : 1) {
		struct event_cursor cursor;
		event_cursor_init(&cursor, after);
		assert_int_equal(read_on(t.b, ref, &cursor, 4000), 10001);
	}
	struct event_cursor beyond;
	struct buf b = BUF_INIT;
	event_cursor_init(&beyond, 20000);
	assert_int_equal(task_events_copy(t.b, ref, &beyond, 4000, &b, NULL), ERR_NONE);
	assert_int_equal(b.len, 0);
	buf_release(&b);
	table_close(&t);
}

static void task_events_copy__does_not_trust_a_place_in_another_task(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref one = create(t.a), two = create(t.a);
	struct event_cursor c;
	struct event_view v;
	struct buf b = BUF_INIT;
	(void)state;
	move(t.a, one, EVENT_TOOL_STARTED, "{\"call\":\"one\"}", TASK_SAME);
	move(t.a, two, EVENT_TOOL_STARTED, "{\"call\":\"two\"}", TASK_SAME);
	event_cursor_init(&c, 0);
	assert_int_equal(task_events_copy(t.a, one, &c, 10, &b, NULL), ERR_NONE);
	assert_int_equal(c.next_seq, 2);
	buf_reset(&b);
	assert_int_equal(one.gen, two.gen);
	assert_int_equal(task_events_copy(t.a, two, &c, 10, &b, NULL), ERR_NONE);
	struct slice rest = buf_slice(&b);
	assert_true(event_next(&rest, &v));
	assert_int_equal(v.seq, 2);
	assert_non_null(strstr(buf_cstr(&b), "two"));
	buf_release(&b);
	table_close(&t);
}

/* The same slot and the same blocks, but another task by now. */
static void task_events_copy__does_not_trust_a_place_in_the_task_before(void **state)
{
	struct table t = table_open(4, 1);
	struct task_ref ref = create(t.a);
	struct event_cursor c;
	struct id id;
	struct error e;
	struct buf b = BUF_INIT;
	(void)state;
	event_cursor_init(&c, 0);
	assert_int_equal(task_events_copy(t.b, ref, &c, 4000, &b, NULL), ERR_NONE);
	move(t.a, ref, 0, NULL, TASK_CANCELLED);
	assert_int_equal(create_sized(t.a, 77, &ref, &id, &e), ERR_NONE);
	move(t.a, ref, EVENT_TOOL_STARTED, "{\"call\":\"second\"}", TASK_SAME);
	c.block = slot_version(slot_at(t.a, ref.slot))->events_head; /* it may well be the same block */
	buf_reset(&b);
	assert_int_equal(task_events_copy(t.b, ref, &c, 4000, &b, NULL), ERR_NONE);
	assert_memory_equal(b.data, "id: 2\nevent: tool.started\n", 26);
	assert_non_null(strstr(buf_cstr(&b), "second"));
	buf_release(&b);
	table_close(&t);
}

static void task_events_copy__gives_one_event_that_is_larger_than_asked_for(void **state)
{
	struct table t = table_open(16, 4);
	struct task_ref ref = create(t.a);
	struct error e;
	struct event_cursor c;
	struct buf b = BUF_INIT, small = BUF_LIMIT(5000);
	(void)state;
	assert_int_equal(move_sized(t.a, ref, 3 << 20, TASK_SAME, &e), ERR_NONE);
	event_cursor_init(&c, 1);
	assert_int_equal(task_events_copy(t.b, ref, &c, 100, &b, NULL), ERR_NONE);
	assert_true(b.len > 3 << 20);
	assert_int_equal(c.next_seq, 3);
	event_cursor_init(&c, 1);
	assert_int_equal(task_events_copy(t.b, ref, &c, 100, &small, NULL), ERR_MEMORY);
	assert_int_equal(c.next_seq, 2);
	buf_release(&b);
	buf_release(&small);
	table_close(&t);
}

static void task_doc_copy__appends_documents_of_any_size(void **state)
{
	static const size_t sizes[] = {0, 100, 4096, 16000, 200000, 3 << 20};
	struct table t = table_open(16, 4);
	struct task_ref ref = create(t.a);
	struct error e;
	struct task_head head;
	struct buf b = BUF_INIT, small = BUF_LIMIT(1 << 20);
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		/* changed and read by both in turn: documents are parsed back, too */
		assert_int_equal(move_sized(i % 2 ? t.a : t.b, ref, sizes[i], TASK_SAME, &e), ERR_NONE);
		buf_reset(&b);
		buf_add_str(&b, "before");
		assert_int_equal(task_doc_copy(t.a, ref, &b, &head), ERR_NONE);
		assert_int_equal(head.last_seq, i + 2);
		assert_memory_equal(b.data, "before{\"id\":", 12);
		assert_true(b.len > sizes[i] && b.len < sizes[i] + 1000);
		assert_int_equal(b.data[b.len - 1], '}');
	}
	assert_int_equal(task_doc_copy(t.a, ref, &small, NULL), ERR_MEMORY);
	buf_release(&b);
	buf_release(&small);
	table_close(&t);
}

static void task_list__pages_newest_first_through_any_filter(void **state)
{
	enum { N = 700 };
	struct table t = table_open(8, N);
	struct task_ref all[N], list[N];
	struct id ids[N];
	struct error e;
	(void)state;
	for (size_t i = 0; i < N; i++)
		assert_int_equal(create_sized(t.a, 1, &all[i], &ids[i], &e), ERR_NONE);
	for (size_t i = 0; i < N; i += 100)
		move(t.a, all[i], 0, NULL, TASK_CANCELLED);
	assert_int_equal(task_list(t.a, &(struct task_query){.limit = 0}, list), 0);
	assert_int_equal(task_list(t.a, &(struct task_query){.limit = N}, list), N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(list[i].slot, all[N - 1 - i].slot);
	struct task_query q = {.states = 1u << TASK_CANCELLED, .limit = 3};
	assert_int_equal(task_list(t.b, &q, list), 3);
	assert_int_equal(list[2].slot, all[400].slot);
	q.before = &ids[400];
	assert_int_equal(task_list(t.b, &q, list), 3);
	assert_int_equal(list[0].slot, all[300].slot);
	q.before = &ids[0];
	assert_int_equal(task_list(t.b, &q, list), 0);
	/* a place that is no longer there */
	struct id gone = ids[0];
	create(t.a); /* evicts the oldest finished one */
	assert_false(task_find(t.a, &gone, &list[0]));
	q = (struct task_query){.before = &gone, .limit = 5};
	assert_int_equal(task_list(t.a, &q, list), 0);
	struct id between = ids[500];
	between.b[15] ^= 1;
	q.before = &between;
	assert_int_equal(task_list(t.a, &q, list), 5);
	assert_int_equal(list[0].slot, all[id_compare(&between, &ids[500]) > 0 ? 500 : 499].slot);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(task_events_copy__goes_on_from_every_place_in_a_block),
	  cmocka_unit_test(task_events_copy__passes_over_more_events_than_one_lock_may_take),
	  cmocka_unit_test(task_events_copy__does_not_trust_a_place_in_another_task),
	  cmocka_unit_test(task_events_copy__does_not_trust_a_place_in_the_task_before),
	  cmocka_unit_test(task_events_copy__gives_one_event_that_is_larger_than_asked_for),
	  cmocka_unit_test(task_doc_copy__appends_documents_of_any_size),
	  cmocka_unit_test(task_list__pages_newest_first_through_any_filter))
