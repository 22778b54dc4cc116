/* SPDX-License-Identifier: Apache-2.0 */
/* Live rings: wrap-around, sizes, overtaken readers, writers that died. */
#include "tests/unit/store/table.h"

enum { RING = 4096 };

struct seen {
	uint64_t count;
	char last[RING];
	struct store *publish_from; /* the callback publishes, too */
	struct lease lease;
};

static void came(const struct live_view *v, void *arg)
{
	struct seen *seen = arg;
	seen->count++;
	snprintf(seen->last, sizeof seen->last, "%.*s", (int)v->sse.len, v->sse.ptr);
	if (seen->publish_from != NULL) {
		live_publish(seen->publish_from, &seen->lease, EVENT_TOOL_LOG, SLICE_LIT("{\"other\":1}"));
		assert_memory_equal(v->sse.ptr, seen->last, v->sse.len);
	}
}

/* A task that a runs and b watches. */
static struct lease scene(struct table *t)
{
	struct lease l;
	*t = table_open(4, 4);
	create(t->a);
	assert_true(lease_next(t->a, &l));
	assert_int_equal(task_watch(t->b, l.ref), ERR_NONE);
	return l;
}

static void publish_sized(struct store *s, const struct lease *l, size_t pad)
{
	char data[RING * 2];
	int n = snprintf(data, sizeof data, "{\"text\":\"%0*d\"}", (int)pad, 7);
	live_publish(s, l, EVENT_MODEL_DELTA, (struct slice){data, (size_t)n});
}

static void live_drain__gives_every_size_across_the_end_of_the_ring(void **state)
{
	struct table t;
	struct lease l = scene(&t);
	struct seen seen = {0};
	(void)state;
	for (size_t pad = 1; pad < 900; pad++) {
		char wanted[RING];
		publish_sized(t.a, &l, pad);
		snprintf(wanted, sizeof wanted, "event: model.delta\ndata: {\"text\":\"%0*d\"}\n\n", (int)pad,
			 7);
		assert_int_equal(live_drain(t.b, came, &seen), 0);
		assert_int_equal(seen.count, pad);
		assert_string_equal(seen.last, wanted);
	}
	task_unwatch(t.b, l.ref);
	table_close(&t);
}

static void live_publish__drops_what_takes_more_than_a_quarter(void **state)
{
	struct table t;
	struct lease l = scene(&t);
	struct seen seen = {0};
	size_t least_dropped = 0;
	(void)state;
	for (size_t pad = 850; pad < 1100; pad++) {
		seen.count = 0;
		publish_sized(t.a, &l, pad);
		assert_int_equal(live_drain(t.b, came, &seen), 0);
		if (seen.count == 0 && least_dropped == 0)
			least_dropped = pad;
		assert_int_equal(seen.count, least_dropped == 0);
	}
	assert_true(least_dropped > 900 && least_dropped < 1024);
	publish_sized(t.a, &l, RING);
	assert_int_equal(live_drain(t.b, came, &seen), 0);
	task_unwatch(t.b, l.ref);
	table_close(&t);
}

static void live_drain__counts_exactly_what_was_overwritten(void **state)
{
	struct table t;
	struct lease l = scene(&t);
	uint64_t published = 0, lost = 0;
	struct seen seen = {0};
	(void)state;
	for (int round = 1; round < 200; round++) {
		for (int i = 0; i < round; i++, published++)
			publish_sized(t.a, &l, (size_t)(round * 7 + i) % 300 + 1);
		lost += live_drain(t.b, came, &seen);
		assert_int_equal(seen.count + lost, published);
	}
	assert_true(lost > 0 && seen.count > 0);
	assert_int_equal(store_counter(t.a, COUNTER_LIVE_LOST), lost);
	task_unwatch(t.b, l.ref);
	table_close(&t);
}

/* A writer that died over a long entry has spoilt old ones that its successor's shorter one does not reach.
 */
static void live_drain__does_not_give_what_a_dead_writer_spoilt(void **state)
{
	struct table t;
	struct lease l = scene(&t);
	struct seen seen = {0};
	struct proc *p = proc_at(t.a, 0);
	(void)state;
	uint64_t published = 1, from = atomic_load(&p->live_published);
	/* nearly one ring that b has not read */
	while (atomic_load(&p->live_published) - from < RING / 8 - 40) {
		publish_sized(t.a, &l, 100);
		published++;
	}
	uint64_t at = atomic_load(&p->live_published);
	_Atomic uint64_t *ring = (_Atomic uint64_t *)map_at(t.a, t.a->map->live_at);
	atomic_store(&p->live_reserved, at + 120);
	for (uint64_t i = 0; i < 120; i++)
		atomic_store(&ring[(at + i) % (RING / 8)], 0x5858585858585858u);
	publish_sized(t.a, &l, 1);
	uint64_t lost = live_drain(t.b, came, &seen);
	assert_int_equal(lost + seen.count, published);
	assert_true(lost > 0);
	assert_null(strchr(seen.last, 'X'));
	task_unwatch(t.b, l.ref);
	table_close(&t);
}

/* ... or died between an entry and its count. */
static void live_drain__bears_a_count_that_lags_behind(void **state)
{
	struct table t;
	struct lease l = scene(&t);
	struct seen seen = {0};
	(void)state;
	publish_sized(t.a, &l, 5);
	atomic_fetch_sub(&proc_at(t.a, 0)->live_count, 1);
	assert_int_equal(live_drain(t.b, came, &seen), 0);
	publish_sized(t.a, &l, 5);
	assert_int_equal(live_drain(t.b, came, &seen), 0);
	assert_int_equal(seen.count, 2);
	for (int i = 0; i < 200; i++)
		publish_sized(t.a, &l, 50);
	uint64_t lost = live_drain(t.b, came, &seen);
	assert_true(lost + seen.count >= 200 && lost + seen.count <= 202);
	task_unwatch(t.b, l.ref);
	table_close(&t);
}

static void live_drain__lets_its_callback_publish(void **state)
{
	struct table t;
	struct lease l = scene(&t);
	struct seen seen = {.publish_from = t.a, .lease = l};
	(void)state;
	assert_int_equal(task_watch(t.a, l.ref), ERR_NONE);
	publish_sized(t.a, &l, 64);
	assert_int_equal(live_drain(t.a, came, &seen), 0);
	assert_int_equal(seen.count, 1);
	task_unwatch(t.a, l.ref);
	task_unwatch(t.b, l.ref);
	table_close(&t);
}

static void live_publish__needs_the_lease_and_a_watcher(void **state)
{
	struct table t;
	struct lease l = scene(&t), stale = {l.ref, l.epoch + 1};
	struct seen seen = {0};
	(void)state;
	publish_sized(t.a, &stale, 5);
	assert_int_equal(live_drain(t.b, came, &seen), 0);
	task_unwatch(t.b, l.ref);
	publish_sized(t.a, &l, 5);
	assert_int_equal(task_watch(t.b, l.ref), ERR_NONE);
	assert_int_equal(live_drain(t.b, came, &seen), 0);
	assert_int_equal(seen.count, 0);
	publish_sized(t.a, &l, 5);
	assert_int_equal(wake_take(t.b, told_add, &(struct told){0}) & WAKE_LIVE, WAKE_LIVE);
	assert_int_equal(live_drain(t.b, came, &seen), 0);
	assert_int_equal(seen.count, 1);
	task_unwatch(t.b, l.ref);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(live_drain__gives_every_size_across_the_end_of_the_ring),
	  cmocka_unit_test(live_publish__drops_what_takes_more_than_a_quarter),
	  cmocka_unit_test(live_drain__counts_exactly_what_was_overwritten),
	  cmocka_unit_test(live_drain__does_not_give_what_a_dead_writer_spoilt),
	  cmocka_unit_test(live_drain__bears_a_count_that_lags_behind),
	  cmocka_unit_test(live_drain__lets_its_callback_publish),
	  cmocka_unit_test(live_publish__needs_the_lease_and_a_watcher))
