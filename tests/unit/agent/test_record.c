/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a run: what a refusal means, that a limit ends the task by name, that no end is lost. */
#include "base/base.h"
#include "run_rig.h"

/* A run of the agent that plans, before its model was asked. */
static struct run *run_planning(struct world *w)
{
	task_give(w, "goal");
	struct run *r = w->agent->runs;
	assert_non_null(r);
	assert_int_equal(resume_pump(r), RESUME_DONE);
	r->loaded = true;
	assert_true(record_events(r, NULL, NULL, 0, TASK_PLANNING, NULL));
	return r;
}

static void record_events__writes_all_or_nothing(void **state)
{
	struct world w;
	struct record recs[2];
	enum event_type types[] = {EVENT_MODEL_STARTED, EVENT_TASK_RESULT};
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_planning(&w);
	record_begin(&recs[0]);
	jw_kv_text(&recs[0].w, "call", "c1");
	record_begin(&recs[1]);
	jw_kv_text(&recs[1].w, "result", "bad \xFF bytes");
	assert_true(record_events(r, recs, types, 2, TASK_COMPLETED, NULL));
	assert_int_equal(r->state, TASK_COMPLETED);
	struct json *doc = task_doc(&w);
	assert_string_equal(json_get_text(doc, "result", ""), "bad \xEF\xBF\xBD bytes");
	json_free(doc);
	run_drop(r, false);
	world_close(&w);
}

static void record_event__a_cancelled_task_drops_its_run(void **state)
{
	struct world w;
	struct record rec;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_planning(&w);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	uint64_t seq = task_head(&w).last_seq;
	record_begin(&rec);
	assert_false(record_event(r, &rec, EVENT_MODEL_STARTED));
	assert_true(r->dropped);
	assert_int_equal(agent_runs(w.agent), 0);
	assert_int_equal(task_head(&w).last_seq, seq);
	world_close(&w);
}

static void record_event__a_limit_ends_the_task_by_name(void **state)
{
	struct world w;
	struct record rec;
	bool go_on = true;
	(void)state;
	world_open(&w, NULL, true);
	agent_free(w.agent);
	loop_turn(w.loop, 0);
	store_detach(w.other);
	store_detach(w.s);
	store_destroy(w.created);
	world_store(&w, 10, false);
	agent_make(&w);
	struct run *r = run_planning(&w);
	for (int i = 0; go_on && i < 20; i++) {
		record_begin(&rec);
		go_on = record_event(r, &rec, EVENT_MODEL_STARTED);
	}
	assert_false(go_on);
	assert_ended(&w, "failed", "store.task_events_max");
	assert_int_equal(agent_runs(w.agent), 0);
	world_close(&w);
}

/* An end that cannot be written leaves the lease with us: nobody else would ever end the task. */
static void record_events__an_end_is_tried_again(void **state)
{
	struct world w;
	struct record rec;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_planning(&w);
	record_begin(&rec);
	buf_reset(&rec.text);
	buf_add_str(&rec.text, "[");
	enum event_type type = EVENT_TASK_RESULT;
	assert_false(record_events(r, &rec, &type, 1, TASK_COMPLETED, NULL));
	assert_false(r->dropped);
	assert_true(run_over(r));
	assert_false(task_state_terminal(task_head(&w).state));
	run_wake(r);
	assert_ended(&w, "failed", NULL);
	assert_int_equal(agent_runs(w.agent), 0);
	world_close(&w);
}

static void record_event__what_cannot_be_written_ends_the_task(void **state)
{
	struct world w;
	struct record rec;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_planning(&w);
	record_begin(&rec);
	buf_reset(&rec.text);
	buf_add_str(&rec.text, "[");
	assert_false(record_event(r, &rec, EVENT_MODEL_STARTED));
	assert_true(r->dropped);
	assert_ended(&w, "failed", NULL);
	world_close(&w);
}

/* A run that does nothing by itself. */
static struct run *run_still(struct world *w)
{
	struct run *r = run_planning(w);
	loop_defer_cancel(w->loop, r);
	r->woken = false;
	return r;
}

static bool soon(struct run *r, const char *call)
{
	struct record rec;
	enum event_type type = EVENT_TOOL_COMPLETED;
	record_begin(&rec);
	jw_kv_text(&rec.w, "call", call);
	return record_soon(r, &rec, &type, 1);
}

static void assert_call(struct world *w, size_t n, const char *call)
{
	struct json *j = event_nth(w, EVENT_TOOL_COMPLETED, n);
	assert_string_equal(json_get_text(j, "call", ""), call);
	json_free(j);
}

static void record_soon__waits_for_the_next_event(void **state)
{
	struct world w;
	struct record rec;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_still(&w);
	uint64_t seq = task_head(&w).last_seq;
	assert_true(soon(r, "c1") && soon(r, "c2"));
	assert_int_equal(task_head(&w).last_seq, seq);
	record_begin(&rec);
	assert_true(record_event(r, &rec, EVENT_MODEL_STARTED));
	assert_int_equal(task_head(&w).last_seq, seq + 3);
	assert_int_equal(r->last_seq, seq + 3);
	assert_int_equal(r->held_count, 0);
	assert_call(&w, 0, "c1");
	assert_call(&w, 1, "c2");
	run_drop(r, false);
	world_close(&w);
}

static void record_soon__waits_no_longer_than_the_run_has_something_to_do(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_still(&w);
	uint64_t seq = task_head(&w).last_seq;
	assert_true(soon(r, "c1"));
	loop_turn(w.loop, 0);
	assert_int_equal(task_head(&w).last_seq, seq + 1);
	/* and not for ever for one that always has */
	assert_true(soon(r, "c2"));
	r->woken = true;
	loop_turn(w.loop, 0);
	assert_int_equal(task_head(&w).last_seq, seq + 1);
	for (int i = 0; i < 3; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(task_head(&w).last_seq, seq + 2);
	r->woken = false;
	run_drop(r, false);
	world_close(&w);
}

static void record_soon__holds_so_many(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_still(&w);
	uint64_t seq = task_head(&w).last_seq;
	for (int i = 0; i < RECORDS_HELD_MAX; i++)
		assert_true(soon(r, "c"));
	assert_int_equal(task_head(&w).last_seq, seq);
	assert_true(soon(r, "more"));
	assert_int_equal(task_head(&w).last_seq, seq + RECORDS_HELD_MAX + 1);
	run_drop(r, false);
	world_close(&w);
}

static void record_soon__a_run_that_ends_leaves_nothing_unsaid(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_still(&w);
	uint64_t seq = task_head(&w).last_seq;
	assert_true(soon(r, "c1"));
	run_drop(r, true);
	assert_int_equal(task_head(&w).last_seq, seq + 1);
	assert_call(&w, 0, "c1");
	world_close(&w);
}

static void record_soon__what_is_held_does_not_fall_with_what_is_refused(void **state)
{
	struct world w;
	struct record rec;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_still(&w);
	assert_true(soon(r, "c1"));
	record_begin(&rec);
	buf_reset(&rec.text);
	buf_add_str(&rec.text, "[");
	assert_false(record_event(r, &rec, EVENT_MODEL_STARTED));
	assert_call(&w, 0, "c1");
	assert_ended(&w, "failed", NULL);
	world_close(&w);
}

static void record_soon__a_cancelled_task_drops_its_run(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_still(&w);
	assert_true(soon(r, "c1"));
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	uint64_t seq = task_head(&w).last_seq;
	loop_turn(w.loop, 0);
	assert_int_equal(agent_runs(w.agent), 0);
	assert_int_equal(task_head(&w).last_seq, seq);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_events__writes_all_or_nothing),
		cmocka_unit_test(record_event__a_cancelled_task_drops_its_run),
		cmocka_unit_test(record_event__a_limit_ends_the_task_by_name),
		cmocka_unit_test(record_events__an_end_is_tried_again),
		cmocka_unit_test(record_event__what_cannot_be_written_ends_the_task),
		cmocka_unit_test(record_soon__waits_for_the_next_event),
		cmocka_unit_test(record_soon__waits_no_longer_than_the_run_has_something_to_do),
		cmocka_unit_test(record_soon__holds_so_many),
		cmocka_unit_test(record_soon__a_run_that_ends_leaves_nothing_unsaid),
		cmocka_unit_test(record_soon__what_is_held_does_not_fall_with_what_is_refused),
		cmocka_unit_test(record_soon__a_cancelled_task_drops_its_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
