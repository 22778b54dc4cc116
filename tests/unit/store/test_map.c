/* SPDX-License-Identifier: Apache-2.0 */
/* The mapping: sizes, what is refused and how it is told; printed (never asserted) times of what is hot. */
#include "tests/unit/store/table.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static enum err make(const struct store_options *o, struct error *e)
{
	struct store *s;
	enum err code = store_create(o, &s, e);
	if (code == ERR_NONE)
		store_destroy(s);
	return code;
}

static void store_create__tells_the_least_size_that_works(void **state)
{
	static const uint32_t tasks[] = {16, 4096, 50000};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(tasks); i++) {
		struct store_options o = table_options(1, tasks[i]);
		struct error e = {0};
		unsigned least = 0;
		o.bytes = 4096;
		assert_int_equal(make(&o, &e), ERR_CONFIG);
		assert_string_equal(e.field, "store.size_mb");
		const char *at = strstr(e.msg, "at least ");
		assert_non_null(at);
		assert_int_equal(sscanf(at, "at least %u MiB", &least), 1);
		o.bytes = (size_t)least << 20;
		assert_int_equal(make(&o, &e), ERR_NONE);
		if (least > 1) {
			o.bytes = ((size_t)least - 1) << 20;
			assert_int_equal(make(&o, &e), ERR_CONFIG);
		}
	}
}

static void store_create__lives_at_its_least_size(void **state)
{
	struct store_options o = table_options(1, 16);
	struct error e;
	struct task_ref ref;
	struct id id;
	(void)state;
	o.bytes = 16384;
	while (make(&o, &e) != ERR_NONE)
		o.bytes += 4096;
	assert_true(o.bytes < 1 << 20);
	struct table t = table_open_with(&o);
	int ended = 0;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(create_sized(t.a, 3000, &ref, &id, &e), ERR_NONE);
		move(t.b, ref, EVENT_TOOL_STARTED, "{}", TASK_PLANNING);
		assert_int_equal(move_sized(t.a, ref, 2000, TASK_COMPLETED, &e), ERR_NONE);
		ended++;
	}
	assert_true(store_counter(t.a, COUNTER_TASKS_EVICTED) > 100);
	table_close(&t);
}

static void store_create__refuses_a_ring_that_is_no_power_of_two(void **state)
{
	static const size_t bad[] = {0, 1000, 1023, 5000, 262145};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct store_options o = table_options(4, 16);
		struct error e = {0};
		o.live_ring_bytes = bad[i];
		assert_int_equal(make(&o, &e), ERR_CONFIG);
		assert_string_equal(e.field, "store.live_ring_bytes");
	}
	struct store_options o = table_options(4, 16);
	struct error e = {0};
	o.live_ring_bytes = 5000;
	assert_int_equal(make(&o, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "4096 or 8192, not 5000"));
	o.live_ring_bytes = 1024;
	assert_int_equal(make(&o, &e), ERR_NONE);
}

static void store_create__gives_everything_back_when_descriptors_run_out(void **state)
{
	struct store_options o = table_options(4, 16);
	struct rlimit before, tight;
	struct error e = {0};
	(void)state;
	int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = before;
	tight.rlim_cur = (rlim_t)first + 3; /* the memfd and some of the eventfds */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	enum err code = make(&o, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(code, ERR_FULL);
	int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(after, first + 1);
	close(first);
	close(after);
}

static void store_create__takes_64_participants(void **state)
{
	struct store_options o = table_options(8, 16);
	(void)state;
	o.procs_max = STORE_PROCS_MAX;
	struct table t = table_open_with(&o);
	struct error e;
	assert_int_equal(store_prove_locks(t.created, &e), ERR_NONE);
	assert_int_equal(store_counter(t.a, COUNTER_OWNER_DEATHS), 0);
	table_close(&t);
}

/* --- times --- */

static int64_t started_us;

static void took(const char *what, int times)
{
	print_message("%-34s %9.2f us\n", what, (double)(clock_mono_us() - started_us) / times);
	started_us = clock_mono_us();
}

static void times__of_what_is_hot(void **state)
{
	enum { TASKS = 4096, ROUNDS = 2000 };
	struct store_options o = table_options(64, TASKS);
	struct error e;
	struct lease l;
	struct buf b = BUF_INIT;
	bool whole = false;
	(void)state;
	o.live_ring_bytes = 262144;
	started_us = clock_mono_us();
	assert_int_equal(make(&o, &e), ERR_NONE);
	took("store_create, 64 MiB at once", 1);
	o.bytes_at_start = 4 << 20;
	started_us = clock_mono_us();
	struct table t = table_open_with(&o);
	took("store_create, 4 MiB of 64 at start", 1);
	assert_int_equal(store_grow(t.created, 4 << 20, &whole, &e), ERR_NONE);
	took("store_grow, 4 MiB", 1);
	while (!whole)
		assert_int_equal(store_grow(t.created, 4 << 20, &whole, &e), ERR_NONE);
	started_us = clock_mono_us();
	for (int i = 0; i < TASKS - 100; i++)
		move(t.a, create(t.a), 0, NULL, TASK_CANCELLED);
	took("task_create and its end", TASKS - 100);
	for (int i = 0; i < 100; i++)
		create(t.a);
	started_us = clock_mono_us();
	for (int i = 0; i < 100; i++)
		assert_true(lease_next(t.a, &l));
	took("lease_next, 4096 tasks, 100 wait", 100);
	assert_false(lease_next(t.a, &l));
	took("lease_next, 4096 tasks, none waits", 1);
	for (int i = 0; i < ROUNDS; i++)
		move(t.a, l.ref, EVENT_TOOL_STARTED, "{\"call\":\"c1\",\"tool\":\"read\"}", TASK_SAME);
	took("task_move, 0.5 KiB, kept state", ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		move(i % 2 ? t.a : t.b, l.ref, EVENT_TOOL_STARTED, "{\"call\":\"c1\"}", TASK_SAME);
	took("task_move, 0.5 KiB, parsed back", ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		buf_reset(&b);
		assert_int_equal(task_doc_copy(t.b, l.ref, &b, NULL), ERR_NONE);
	}
	took("task_doc_copy, 0.5 KiB", ROUNDS);
	struct task_doc *d = cache_take(t.a, l.ref, head_of(t.a, l.ref).last_seq);
	d = d != NULL ? d : doc_parse(buf_slice(&b), &e);
	started_us = clock_mono_us();
	for (int i = 0; i < ROUNDS; i++) {
		buf_reset(&b);
		doc_render(d, &b);
	}
	took("doc_render, 0.5 KiB", ROUNDS);
	doc_free(d);
	assert_int_equal(move_sized(t.a, l.ref, 1 << 20, TASK_SAME, &e), ERR_NONE);
	started_us = clock_mono_us();
	move(t.a, l.ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	took("task_move, 1 MiB, kept state", 1);
	move(t.b, l.ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	took("task_move, 1 MiB, parsed back", 1);
	struct task_ref none[1];
	assert_int_equal(
		task_list(t.a, &(struct task_query){.states = 1u << TASK_REJECTED, .limit = 1}, none), 0);
	took("task_list, 4096 tasks, none fits", 1);
	buf_release(&b);
	table_close(&t);
}

static void store_grow__says_when_the_table_is_whole(void **state)
{
	struct store_options o = table_options(2, 16);
	struct error e;
	bool whole = false;
	(void)state;
	o.bytes = 16 << 20;
	o.bytes_at_start = 1;
	struct table t = table_open_with(&o);
	for (int steps = 0; !whole; steps++) {
		assert_true(steps < 16);
		assert_false(store_whole(t.a));
		assert_int_equal(store_grow(t.created, 1 << 20, &whole, &e), ERR_NONE);
	}
	assert_true(store_whole(t.a));
	table_close(&t);
	o.bytes_at_start = 0;
	t = table_open_with(&o);
	assert_true(store_whole(t.b));
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(store_create__tells_the_least_size_that_works),
	  cmocka_unit_test(store_create__lives_at_its_least_size),
	  cmocka_unit_test(store_create__refuses_a_ring_that_is_no_power_of_two),
	  cmocka_unit_test(store_create__gives_everything_back_when_descriptors_run_out),
	  cmocka_unit_test(store_create__takes_64_participants),
	  cmocka_unit_test(store_grow__says_when_the_table_is_whole), cmocka_unit_test(times__of_what_is_hot))
