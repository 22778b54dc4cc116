/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/table.h"
#include "store/store_db.h"

/* A table with a keeper's handle, which these tests use by hand. */
struct kept {
	struct table t;
	struct store *k;
};

static struct kept kept_open(size_t mib, uint32_t tasks_max)
{
	struct kept x;
	struct store_options o = table_options(mib, tasks_max);
	o.keeper = true;
	x.t = table_open_with(&o);
	store_proc_started(x.t.created, o.procs_max - 1, 3);
	x.k = store_attach(x.t.created, o.procs_max - 1);
	store_health_set(x.k, STORE_WORKS, "");
	return x;
}

static void kept_close(struct kept *x)
{
	store_detach(x->k);
	table_close(&x->t);
}

/* What was taken, copied. */
struct taken {
	size_t count;
	struct {
		struct task_unsaved t;
		struct buf events, doc;
	} tasks[16];
};

static void take_one(const struct task_unsaved *t, void *arg)
{
	struct taken *k = arg;
	assert_true(k->count < COUNT_OF(k->tasks));
	k->tasks[k->count].t = *t;
	k->tasks[k->count].events = k->tasks[k->count].doc = BUF_INIT;
	buf_add_slice(&k->tasks[k->count].events, t->events);
	buf_add_slice(&k->tasks[k->count].doc, t->doc);
	k->count++;
}

static struct taken take(struct store *k, size_t tasks_max)
{
	struct taken got = {0};
	size_t n = unsaved_take(k, tasks_max, SIZE_MAX, take_one, &got);
	assert_int_equal(n, got.count);
	return got;
}

static void taken_done(struct store *k, struct taken *got)
{
	for (size_t i = 0; i < got->count; i++) {
		const struct task_unsaved *t = &got->tasks[i].t;
		if (k != NULL)
			unsaved_done(k, t->ref, t->last_seq, t->state, buf_slice(&got->tasks[i].doc));
		buf_release(&got->tasks[i].events);
		buf_release(&got->tasks[i].doc);
	}
	got->count = 0;
}

static void save_all(struct store *k)
{
	struct taken got = take(k, 16);
	taken_done(k, &got);
}

static void assert_shows(struct store *s, struct task_ref ref, uint64_t seq, enum task_state state)
{
	struct buf doc = BUF_INIT;
	struct task_head h;
	char text[32];
	assert_int_equal(task_doc_copy(s, ref, &doc, &h), ERR_NONE);
	assert_int_equal(h.last_seq, seq);
	assert_int_equal(h.state, state);
	snprintf(text, sizeof text, "\"last_seq\":%llu,", (unsigned long long)seq);
	assert_non_null(strstr(buf_cstr(&doc), text));
	buf_release(&doc);
}

static uint64_t events_seen(struct store *s, struct task_ref ref)
{
	struct event_cursor c;
	struct buf b = BUF_INIT;
	uint64_t seq = 0;
	event_cursor_init(&c, 0);
	assert_int_equal(task_events_copy(s, ref, &c, 1 << 20, &b, NULL), ERR_NONE);
	struct event_view v;
	for (struct slice rest = buf_slice(&b); rest.len > 0; seq++) {
		assert_true(event_next(&rest, &v));
		assert_int_equal(v.seq, seq + 1);
	}
	buf_release(&b);
	return seq;
}

static void a_new_task__is_invisible_until_it_is_durable(void **state)
{
	struct kept x = kept_open(4, 8);
	struct task_ref ref = create(x.t.a), list[2];
	struct buf doc = BUF_INIT;
	struct task_head h;
	(void)state;
	assert_int_equal(task_doc_copy(x.t.b, ref, &doc, NULL), ERR_GONE);
	assert_int_equal(task_list(x.t.b, &(struct task_query){.limit = 2}, list), 0);
	assert_int_equal(events_seen(x.t.b, ref), 0);
	assert_int_equal(head_of(x.t.b, ref).durable_seq, 0);
	/* who changes it sees it */
	assert_int_equal(task_doc_copy_newest(x.t.a, ref, &doc, &h), ERR_NONE);
	assert_int_equal(h.last_seq, 1);
	save_all(x.k);
	assert_shows(x.t.b, ref, 1, TASK_QUEUED);
	assert_int_equal(task_list(x.t.b, &(struct task_query){.limit = 2}, list), 1);
	assert_int_equal(events_seen(x.t.b, ref), 1);
	buf_release(&doc);
	kept_close(&x);
}

static void the_durable_document__stays_while_newer_ones_pile_up(void **state)
{
	struct kept x = kept_open(4, 8);
	struct task_ref ref = create(x.t.a), list[2];
	(void)state;
	save_all(x.k);
	move(x.t.a, ref, EVENT_TOOL_STARTED, "{\"call\":\"c\"}", TASK_PLANNING);
	for (int i = 0; i < 5; i++) {
		move(x.t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", TASK_SAME);
		assert_shows(x.t.b, ref, 1, TASK_QUEUED);
		table_check(&x.t);
	}
	assert_int_equal(events_seen(x.t.b, ref), 1);
	/* listed by the state that readers see */
	assert_int_equal(
		task_list(x.t.b, &(struct task_query){.states = 1u << TASK_QUEUED, .limit = 2}, list), 1);
	assert_int_equal(
		task_list(x.t.b, &(struct task_query){.states = 1u << TASK_PLANNING, .limit = 2}, list), 0);
	save_all(x.k);
	assert_shows(x.t.b, ref, 8, TASK_PLANNING);
	assert_int_equal(events_seen(x.t.b, ref), 8);
	kept_close(&x);
}

static void a_commit_of_a_part__shows_what_was_committed(void **state)
{
	struct kept x = kept_open(4, 8);
	struct task_ref ref = create(x.t.a);
	(void)state;
	for (int again = 0; again < 3; again++) {
		struct taken got = take(x.k, 16);
		uint64_t seq = head_of(x.t.a, ref).last_seq;
		assert_int_equal(got.count, 1);
		move(x.t.a, ref, EVENT_TASK_RESULT, "{\"result\":2}", TASK_SAME);
		move(x.t.a, ref, EVENT_TASK_RESULT, "{\"result\":3}", TASK_SAME);
		taken_done(x.k, &got);
		assert_shows(x.t.b, ref, seq, TASK_QUEUED);
		assert_int_equal(events_seen(x.t.b, ref), seq);
		table_check(&x.t);
	}
	/* ... and what came meanwhile is still marked */
	save_all(x.k);
	assert_shows(x.t.b, ref, 7, TASK_QUEUED);
	kept_close(&x);
}

static void what_is_taken__follows_what_is_durable(void **state)
{
	struct kept x = kept_open(4, 8);
	struct task_ref ref = create(x.t.a);
	struct event_view v;
	(void)state;
	save_all(x.k);
	struct taken got = take(x.k, 16);
	assert_int_equal(got.count, 0);
	move(x.t.a, ref, EVENT_TOOL_STARTED, "{\"call\":\"c\"}", TASK_PLANNING);
	got = take(x.k, 16);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.tasks[0].t.after_seq, 1);
	assert_int_equal(got.tasks[0].t.last_seq, 3);
	assert_int_equal(got.tasks[0].t.state, TASK_PLANNING);
	struct slice rest = buf_slice(&got.tasks[0].events);
	for (uint64_t seq = 2; seq <= 3; seq++) {
		assert_true(event_next(&rest, &v));
		assert_int_equal(v.seq, seq);
	}
	assert_int_equal(rest.len, 0);
	/* not committed: it comes again, as it is then */
	unsaved_again(x.k, ref);
	taken_done(NULL, &got);
	move(x.t.a, ref, EVENT_TASK_RESULT, "{\"result\":3}", TASK_SAME);
	got = take(x.k, 16);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.tasks[0].t.after_seq, 1);
	assert_int_equal(got.tasks[0].t.last_seq, 4);
	taken_done(x.k, &got);
	kept_close(&x);
}

static void busy_tasks__keep_no_others_waiting(void **state)
{
	struct kept x = kept_open(4, 8);
	struct task_ref busy = create(x.t.a), other = create(x.t.a);
	(void)state;
	assert_int_equal(busy.slot / 64, other.slot / 64);
	for (int i = 0; i < 3 && head_of(x.t.a, other).durable_seq == 0; i++) {
		struct taken got = take(x.k, 1);
		move(x.t.a, busy, EVENT_TASK_RESULT, "{\"result\":2}", TASK_SAME);
		taken_done(x.k, &got);
	}
	assert_int_equal(head_of(x.t.a, other).durable_seq, 1);
	kept_close(&x);
}

static void a_task__comes_once_in_a_taking(void **state)
{
	struct kept x = kept_open(4, 200);
	(void)state;
	for (int i = 0; i < 130; i++)
		create(x.t.a);
	struct taken got = {0};
	size_t sum = 0;
	for (int i = 0; i < 13; i++) {
		got = take(x.k, 10);
		assert_int_equal(got.count, 10);
		for (size_t k = 0; k < got.count; k++)
			sum += got.tasks[k].t.ref.slot;
		taken_done(x.k, &got);
	}
	assert_int_equal(sum, 129 * 130 / 2);
	assert_int_equal(take(x.k, 10).count, 0);
	kept_close(&x);
}

static void the_bytes_of_a_taking__are_bounded(void **state)
{
	struct kept x = kept_open(4, 8);
	struct taken got = {0};
	(void)state;
	for (int i = 0; i < 4; i++)
		create(x.t.a);
	assert_int_equal(unsaved_take(x.k, 16, 1, take_one, &got), 1);
	assert_int_equal(
		unsaved_take(x.k, 16, got.tasks[0].events.len + got.tasks[0].doc.len + 1, take_one, &got), 2);
	assert_int_equal(got.count, 3);
	taken_done(x.k, &got);
	save_all(x.k);
	kept_close(&x);
}

static void a_task_that_ended_without_a_document__is_told_so(void **state)
{
	struct kept x = kept_open(1, 64);
	struct task_ref ref = create(x.t.a), other = create(x.t.a), filler;
	struct id id;
	struct error e;
	struct buf doc = BUF_INIT;
	(void)state;
	save_all(x.k);
	/* until only the reserve is left, of which a document may have one half */
	while (move_sized(x.t.a, other, 20000, TASK_SAME, &e) == ERR_NONE)
		;
	while (create_sized(x.t.a, 10, &filler, &id, &e) == ERR_NONE)
		;
	assert_int_equal(move_sized(x.t.a, ref, 20000, TASK_CANCELLED, &e), ERR_NONE);
	assert_int_equal(slot_version(slot_at(x.t.a, ref.slot))->doc_bytes, 0);
	assert_shows(x.t.b, ref, 1, TASK_QUEUED);
	table_check(&x.t);
	struct taken got = take(x.k, 16);
	assert_int_equal(got.tasks[0].t.ref.slot, ref.slot);
	assert_int_equal(got.tasks[0].doc.len, 0);
	assert_int_equal(got.tasks[0].t.state, TASK_CANCELLED);
	assert_true(got.tasks[0].events.len > 20000);
	taken_done(x.k, &got);
	assert_int_equal(task_doc_copy(x.t.b, ref, &doc, NULL), ERR_NONE);
	assert_non_null(strstr(buf_cstr(&doc), "\"status\":\"cancelled\""));
	buf_release(&doc);
	kept_close(&x);
}

static void large_and_growing_tasks__are_taken_whole(void **state)
{
	struct kept x = kept_open(64, 4);
	struct task_ref ref = create(x.t.a);
	struct error e = {0};
	(void)state;
	save_all(x.k);
	for (int i = 1; i <= 4; i++) {
		if (move_sized(x.t.a, ref, (size_t)i << 20, TASK_SAME, &e) != ERR_NONE)
			fail_msg("%s", e.msg);
		struct taken got = take(x.k, 16);
		assert_int_equal(got.count, 1);
		assert_true(got.tasks[0].events.len > (size_t)i << 20);
		assert_true(got.tasks[0].events.len < ((size_t)i << 20) + 1000);
		assert_true(got.tasks[0].doc.len > (size_t)i << 20);
		/* two versions behind each other, then the commit of the first */
		assert_int_equal(move_sized(x.t.a, ref, 100, TASK_SAME, &e), ERR_NONE);
		taken_done(x.k, &got);
		save_all(x.k);
		assert_shows(x.t.b, ref, (uint64_t)(2 * i + 1), TASK_QUEUED);
		table_check(&x.t);
	}
	kept_close(&x);
}

static void the_keepers_place__is_not_another_tasks(void **state)
{
	struct kept x = kept_open(4, 1);
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct task_ref ref = create(x.t.a);
		for (int k = 0; k < 3 * i; k++)
			move(x.t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", TASK_SAME);
		if (i % 2)
			save_all(x.k);
		move(x.t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", TASK_CANCELLED);
		struct taken got = take(x.k, 16);
		assert_int_equal(got.count, 1);
		assert_int_equal(got.tasks[0].t.after_seq, i % 2 ? 3 * i + 1 : 0);
		assert_int_equal(got.tasks[0].t.last_seq, 3 * i + 3);
		taken_done(x.k, &got);
		assert_int_equal(events_seen(x.t.b, ref), 3 * i + 3);
	}
	kept_close(&x);
}

static void who_watches__is_woken_by_the_commit_and_not_before(void **state)
{
	struct kept x = kept_open(4, 8);
	struct task_ref ref = create(x.t.a);
	unsigned flags;
	(void)state;
	assert_int_equal(task_watch(x.t.b, ref), ERR_NONE);
	wake(x.t.b, NULL);
	move(x.t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", TASK_SAME);
	struct told t = wake(x.t.b, &flags);
	assert_true(!(flags & WAKE_TASKS) && t.count == 0);
	assert_true(wake_take(x.k, NULL, NULL) & WAKE_UNSAVED);
	save_all(x.k);
	t = wake(x.t.b, &flags);
	assert_true(told_has(&t, ref));
	kept_close(&x);
}

static void a_shown_document__leaves_the_reserve_alone(void **state)
{
	struct kept x = kept_open(1, 8);
	struct task_ref ref = create(x.t.a), other = create(x.t.a);
	struct error e;
	struct buf doc = BUF_INIT;
	(void)state;
	assert_int_equal(move_sized(x.t.a, ref, 20000, TASK_SAME, &e), ERR_NONE);
	struct taken got = take(x.k, 16);
	assert_int_equal(move_sized(x.t.a, ref, 100, TASK_SAME, &e), ERR_NONE);
	while (move_sized(x.t.a, other, 20000, TASK_SAME, &e) == ERR_NONE)
		;
	while (move_sized(x.t.a, other, 10, TASK_SAME, &e) == ERR_NONE)
		;
	assert_int_equal(pool_unused(x.t.a) / 4, x.t.a->map->reserve_blocks / 4);
	taken_done(x.k, &got);
	assert_true(pool_unused(x.t.a) >= x.t.a->map->reserve_blocks);
	/* durable, but only the archive shows it */
	assert_int_equal(head_of(x.t.a, ref).durable_seq, 2);
	assert_int_equal(task_doc_copy(x.t.b, ref, &doc, NULL), ERR_GONE);
	save_all(x.k);
	assert_shows(x.t.b, ref, 3, TASK_QUEUED);
	buf_release(&doc);
	kept_close(&x);
}

static void without_a_keeper__what_is_published_is_shown(void **state)
{
	struct table t = table_open(4, 8);
	struct task_ref ref = create(t.a);
	(void)state;
	assert_false(store_has_keeper(t.a));
	move(t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", TASK_PLANNING);
	assert_shows(t.b, ref, 3, TASK_PLANNING);
	assert_int_equal(head_of(t.a, ref).durable_seq, 3);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(a_new_task__is_invisible_until_it_is_durable),
	  cmocka_unit_test(the_durable_document__stays_while_newer_ones_pile_up),
	  cmocka_unit_test(a_commit_of_a_part__shows_what_was_committed),
	  cmocka_unit_test(what_is_taken__follows_what_is_durable),
	  cmocka_unit_test(busy_tasks__keep_no_others_waiting),
	  cmocka_unit_test(a_task__comes_once_in_a_taking),
	  cmocka_unit_test(the_bytes_of_a_taking__are_bounded),
	  cmocka_unit_test(a_task_that_ended_without_a_document__is_told_so),
	  cmocka_unit_test(large_and_growing_tasks__are_taken_whole),
	  cmocka_unit_test(the_keepers_place__is_not_another_tasks),
	  cmocka_unit_test(who_watches__is_woken_by_the_commit_and_not_before),
	  cmocka_unit_test(a_shown_document__leaves_the_reserve_alone),
	  cmocka_unit_test(without_a_keeper__what_is_published_is_shown))
