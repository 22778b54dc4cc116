/* SPDX-License-Identifier: Apache-2.0 */
/* The mover and creation: what changes, what is refused, what others see. */
#include "base/base.h"
#include "store/store.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table {
	struct store *created, *a, *b;
};

static struct table table_open(size_t mib, uint32_t tasks_max)
{
	struct store_options o = {.bytes = mib << 20,
				  .tasks_max = tasks_max,
				  .procs_max = 4,
				  .task_events_max = 50,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 16384};
	struct table t;
	struct error e = {0};
	if (store_create(&o, &t.created, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_proc_started(t.created, 0, 1);
	store_proc_started(t.created, 1, 2);
	t.a = store_attach(t.created, 0);
	t.b = store_attach(t.created, 1);
	return t;
}

static void table_close(struct table *t)
{
	struct error e = {0};
	if (store_check(t->a, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_detach(t->a);
	store_detach(t->b);
	store_destroy(t->created);
}

static struct task_ref create(struct store *s, const char *prompt, struct id *id)
{
	char text[ID_TEXT_SIZE], json[512];
	struct task_ref ref = {0};
	struct error e = {0};
	id_new(id);
	id_format(id, text);
	snprintf(json, sizeof json,
		 "{\"task_id\":\"%s\",\"prompt\":\"%s\",\"approval\":\"required\",\"metadata\":{}}", text,
		 prompt);
	if (task_create(s, id, slice_str(json), &ref, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	return ref;
}

static enum err move(struct store *s, struct task_ref ref, const struct lease *l, enum event_type type,
		     const char *data, enum task_state to, struct error *e)
{
	struct task_event ev = {type, slice_str(data)};
	struct task_change c = {.events = &ev, .events_count = data != NULL, .to = to, .lease = l};
	return task_move(s, ref, &c, NULL, e);
}

static char *doc_text(struct store *s, struct task_ref ref)
{
	struct buf b = BUF_INIT;
	assert_int_equal(task_doc_copy(s, ref, &b, NULL), ERR_NONE);
	return buf_take(&b);
}

static void task_create__is_found_and_read_by_others(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct task_ref ref = create(t.a, "hello", &id), found;
	assert_true(task_find(t.b, &id, &found));
	assert_int_equal(found.slot, ref.slot);
	char *text = doc_text(t.b, found);
	assert_non_null(strstr(text, "\"status\":\"queued\",\"prompt\":\"hello\""));
	assert_non_null(strstr(text, "\"last_seq\":1"));
	free(text);
	table_close(&t);
}

static void task_move__refuses_leaving_terminal(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct error e = {0};
	struct task_ref ref = create(t.a, "x", &id);
	assert_int_equal(move(t.b, ref, NULL, 0, NULL, TASK_CANCELLED, &e), ERR_NONE);
	assert_int_equal(move(t.a, ref, NULL, 0, NULL, TASK_PLANNING, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "cancelled"));
	assert_int_equal(move(t.a, ref, NULL, EVENT_TASK_RESULT, "{\"result\":1}", TASK_SAME, &e),
			 ERR_CONFLICT);
	table_close(&t);
}

static void task_move__refuses_a_transition_that_is_no_row(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct error e = {0};
	struct task_ref ref = create(t.a, "x", &id);
	assert_int_equal(move(t.a, ref, NULL, 0, NULL, TASK_RUNNING, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "queued"));
	assert_non_null(strstr(e.msg, "running"));
	table_close(&t);
}

static void task_move__refuses_a_stale_lease(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct error e = {0};
	struct lease first, second;
	create(t.a, "x", &id);
	assert_true(lease_next(t.a, &first));
	assert_false(lease_next(t.b, &second));
	assert_int_equal(move(t.a, first.ref, &first, 0, NULL, TASK_PLANNING, &e), ERR_NONE);
	store_proc_died(t.created, 0);
	assert_true(lease_next(t.b, &second));
	assert_int_equal(store_counter(t.b, COUNTER_LEASES_TAKEN_OVER), 1);
	store_proc_started(t.created, 0, 3);
	assert_int_equal(move(t.a, first.ref, &first, 0, NULL, TASK_AWAITING_APPROVAL, &e), ERR_CONFLICT);
	assert_int_equal(move(t.b, second.ref, &second, 0, NULL, TASK_AWAITING_APPROVAL, &e), ERR_NONE);
	/* the state needs no worker: the lease is gone with it */
	assert_false(lease_next(t.a, &first));
	table_close(&t);
}

static void task_move__refuses_when_the_task_moved_on(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct error e = {0};
	struct task_ref ref = create(t.a, "x", &id);
	struct task_change c = {.to = TASK_PLANNING, .if_last_seq = 2};
	assert_int_equal(task_move(t.a, ref, &c, NULL, &e), ERR_CONFLICT);
	c.if_last_seq = 1;
	uint64_t last = 0;
	assert_int_equal(task_move(t.a, ref, &c, &last, &e), ERR_NONE);
	assert_int_equal(last, 2);
	table_close(&t);
}

static void task_move__names_the_limit_and_lets_the_task_end(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct error e = {0};
	struct task_ref ref = create(t.a, "x", &id);
	for (int i = 2; i <= 50; i++)
		assert_int_equal(move(t.a, ref, NULL, EVENT_TOOL_STARTED, "{\"call\":\"c\"}", TASK_SAME, &e),
				 ERR_NONE);
	assert_int_equal(move(t.a, ref, NULL, EVENT_TOOL_STARTED, "{}", TASK_SAME, &e), ERR_FULL);
	assert_non_null(strstr(e.msg, "store.task_events_max"));
	assert_int_equal(move(t.a, ref, NULL, EVENT_TASK_RESULT, "{\"result\":null}", TASK_CANCELLED, &e),
			 ERR_NONE);
	table_close(&t);
}

static void task_move__refuses_data_that_is_no_object(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct error e = {0};
	struct task_ref ref = create(t.a, "x", &id);
	assert_int_equal(move(t.a, ref, NULL, EVENT_STEP_STARTED, "[1]", TASK_SAME, &e), ERR_JSON);
	assert_int_equal(move(t.a, ref, NULL, EVENT_TOOL_FAILED, "{\"a\":\n1}", TASK_SAME, &e), ERR_JSON);
	struct task_head h;
	assert_int_equal(task_head_get(t.a, ref, &h), ERR_NONE);
	assert_int_equal(h.last_seq, 1);
	table_close(&t);
}

static void task_events_copy__resumes_anywhere(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct error e = {0};
	struct task_ref ref = create(t.a, "x", &id);
	char data[600];
	for (int i = 2; i <= 40; i++) {
		snprintf(data, sizeof data, "{\"call\":\"c%d\",\"pad\":\"%0*d\"}", i, i * 12, 0);
		assert_int_equal(move(i % 2 ? t.a : t.b, ref, NULL, EVENT_TOOL_STARTED, data, TASK_SAME, &e),
				 ERR_NONE);
	}
	for (uint64_t after = 0; after <= 40; after++) {
		struct event_cursor c;
		struct buf b = BUF_INIT;
		struct event_view v;
		uint64_t seq = after;
		event_cursor_init(&c, after);
		do {
			buf_reset(&b);
			assert_int_equal(task_events_copy(t.b, ref, &c, 300, &b, NULL), ERR_NONE);
			for (struct slice rest = buf_slice(&b); event_next(&rest, &v);)
				assert_int_equal(v.seq, ++seq);
		} while (b.len > 0);
		assert_int_equal(seq, 40);
		buf_release(&b);
	}
	table_close(&t);
}

static void task_create__evicts_the_oldest_finished(void **state)
{
	(void)state;
	struct table t = table_open(4, 3);
	struct id ids[4];
	struct error e = {0};
	struct task_ref ref[4], found;
	for (int i = 0; i < 3; i++)
		ref[i] = create(t.a, "x", &ids[i]);
	struct id extra;
	id_new(&extra);
	assert_int_equal(task_create(t.a, &extra, SLICE_LIT("{}"), &ref[3], &e), ERR_FULL);
	assert_non_null(strstr(e.msg, "store.tasks_max"));
	assert_int_equal(move(t.a, ref[1], NULL, 0, NULL, TASK_CANCELLED, &e), ERR_NONE);
	create(t.b, "y", &ids[3]);
	assert_false(task_find(t.a, &ids[1], &found));
	assert_true(task_find(t.a, &ids[0], &found));
	assert_true(task_find(t.a, &ids[3], &found));
	struct task_head h;
	assert_int_equal(task_head_get(t.a, ref[1], &h), ERR_GONE);
	table_close(&t);
}

static void woken(struct task_ref ref, void *arg)
{
	struct task_ref *list = arg;
	size_t n = list[0].slot++;
	list[n + 1] = ref;
}

static bool readable(struct store *s)
{
	struct pollfd p = {store_wake_fd(s), POLLIN, 0};
	return poll(&p, 1, 0) == 1;
}

static void wake_take__tells_watchers_and_the_holder(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct error e = {0};
	struct lease l;
	struct task_ref ref = create(t.a, "x", &id), list[8] = {0};
	wake_take(t.a, woken, list);
	wake_take(t.b, woken, list);
	assert_true(lease_next(t.a, &l));
	assert_int_equal(task_watch(t.b, ref), ERR_NONE);
	list[0].slot = 0;
	assert_int_equal(move(t.a, ref, &l, 0, NULL, TASK_PLANNING, &e), ERR_NONE);
	assert_true(readable(t.b));
	assert_false(readable(t.a)); /* its own change */
	assert_int_equal(wake_take(t.b, woken, list) & WAKE_TASKS, WAKE_TASKS);
	assert_int_equal(list[0].slot, 1);
	assert_int_equal(list[1].slot, ref.slot);
	assert_false(readable(t.b));
	assert_int_equal(move(t.b, ref, NULL, 0, NULL, TASK_CANCELLED, &e), ERR_NONE);
	assert_true(readable(t.a));
	task_unwatch(t.b, ref);
	table_close(&t);
}

struct live_seen {
	int count;
	char last[256];
};

static void live_came(const struct live_view *v, void *arg)
{
	struct live_seen *seen = arg;
	seen->count++;
	snprintf(seen->last, sizeof seen->last, "%.*s", (int)v->sse.len, v->sse.ptr);
}

static void live_drain__gives_watched_tasks_and_counts_what_was_overwritten(void **state)
{
	(void)state;
	struct table t = table_open(4, 16);
	struct id id;
	struct lease l;
	struct live_seen seen = {0};
	struct task_ref ref = create(t.a, "x", &id);
	assert_true(lease_next(t.a, &l));
	live_publish(t.a, &l, EVENT_MODEL_DELTA, SLICE_LIT("{\"text\":\"nobody\"}"));
	assert_int_equal(task_watch(t.b, ref), ERR_NONE);
	live_publish(t.a, &l, EVENT_MODEL_DELTA, SLICE_LIT("{\"text\":\"hi\"}"));
	assert_int_equal(live_drain(t.b, live_came, &seen), 0);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.last, "event: model.delta\ndata: {\"text\":\"hi\"}\n\n");
	for (int i = 0; i < 1000; i++)
		live_publish(t.a, &l, EVENT_MODEL_DELTA,
			     SLICE_LIT("{\"text\":\"0123456789012345678901234567890123456789\"}"));
	assert_int_equal(live_drain(t.b, live_came, &seen) + (uint64_t)seen.count, 1001);
	task_unwatch(t.b, ref);
	table_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_create__is_found_and_read_by_others),
		cmocka_unit_test(task_move__refuses_leaving_terminal),
		cmocka_unit_test(task_move__refuses_a_transition_that_is_no_row),
		cmocka_unit_test(task_move__refuses_a_stale_lease),
		cmocka_unit_test(task_move__refuses_when_the_task_moved_on),
		cmocka_unit_test(task_move__names_the_limit_and_lets_the_task_end),
		cmocka_unit_test(task_move__refuses_data_that_is_no_object),
		cmocka_unit_test(task_events_copy__resumes_anywhere),
		cmocka_unit_test(task_create__evicts_the_oldest_finished),
		cmocka_unit_test(wake_take__tells_watchers_and_the_holder),
		cmocka_unit_test(live_drain__gives_watched_tasks_and_counts_what_was_overwritten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
