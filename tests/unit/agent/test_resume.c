/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs taken over: the events of a worker that died are written by hand, then an agent of another worker
 * takes the task. The model is the offline one or a scripted one; mostly there is no tool server: what must
 * not be called again cannot be.
 */
#include "base/base.h"
#include "run_rig.h"

static void task_begin(struct world *w, const char *prompt)
{
	task_create_as(w, prompt, "auto");
	assert_true(lease_next(w->other, &w->lease));
}

/* The other worker dies; ours works until the task is there. */
static void take_over_until(struct world *w, enum task_state there)
{
	store_proc_died(w->created, 0);
	agent_on_work(w->agent);
	world_wait(w, task_head(w).state == there);
}

/* The same until the task is over. Returns the document. */
static struct json *take_over(struct world *w)
{
	store_proc_died(w->created, 0);
	agent_on_work(w->agent);
	return task_end(w);
}

static const char two_steps[] =
	"{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"do it\",\"assumptions\":[],\"questions\":[],"
	"\"steps\":[" STEP("s1", "read") "," STEP_AFTER("s2", "write", "\"s1\"",
							"retry") "],\"final_output\":\"\"}}";

/* A plan of one finished step and a second one that the worker was carrying out. */
static void run_begin(struct world *w)
{
	task_begin(w, "do it");
	event(w, 0, NULL, TASK_PLANNING);
	event(w, EVENT_PLAN_CREATED, two_steps, TASK_RUNNING);
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s1\",\"attempt\":1}", TASK_SAME);
	event(w, EVENT_STEP_COMPLETED, "{\"step\":\"s1\",\"result\":\"one\"}", TASK_SAME);
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s2\",\"attempt\":1}", TASK_SAME);
	event(w, EVENT_MODEL_STARTED, "{\"call\":\"c3\",\"role\":\"executor\",\"step\":\"s2\"}", TASK_SAME);
	event(w, EVENT_MODEL_COMPLETED,
	      "{\"call\":\"c3\",\"role\":\"executor\",\"step\":\"s2\",\"text\":\"\",\"calls\":[{\"id\":"
	      "\"m1\",\"name\":"
	      "\"x__write\",\"arguments\":\"{}\"}],\"stop\":\"tool\",\"usage\":{\"input_tokens\":1,\"output_"
	      "tokens\":1}}",
	      TASK_SAME);
}

static void resume__a_queued_task_is_run(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	task_begin(&w, "Book me a flight to Paris");
	struct json *doc = take_over(&w);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_non_null(strstr(json_get_text(doc, "result", ""), "language model"));
	json_free(doc);
	world_close(&w);
}

static void resume__a_writing_call_in_flight_is_in_doubt(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	run_begin(&w);
	event(&w, EVENT_TOOL_STARTED,
	      "{\"call\":\"c4\",\"step\":\"s2\",\"model_call\":\"m1\",\"server\":\"x\",\"tool\":\"write\","
	      "\"arguments\":{},"
	      "\"read_only\":false}",
	      TASK_SAME);
	take_over_until(&w, TASK_INPUT_REQUIRED);
	struct json *doc = task_doc(&w);
	const struct json *steps = json_get(json_get(doc, "plan"), "steps");
	assert_string_equal(json_get_text(json_at(steps, 0), "result", ""), "one");
	assert_string_equal(json_get_text(json_get(doc, "pending"), "id", ""), "c4");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_STEP_IN_DOUBT), 1);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 2);
	json_free(doc);
	world_close(&w);
}

static void resume__a_call_that_ended_is_not_made_again(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	run_begin(&w);
	event(&w, EVENT_TOOL_STARTED,
	      "{\"call\":\"c4\",\"step\":\"s2\",\"model_call\":\"m1\",\"server\":\"x\",\"tool\":\"write\","
	      "\"arguments\":{},"
	      "\"read_only\":false}",
	      TASK_SAME);
	event(&w, EVENT_TOOL_COMPLETED,
	      "{\"call\":\"c4\",\"step\":\"s2\",\"model_call\":\"m1\",\"server\":\"x\",\"tool\":\"write\","
	      "\"is_error\":false,"
	      "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"written\"}]}}",
	      TASK_SAME);
	struct json *doc = take_over(&w);
	/* the model is asked for its next turn, with the answer in the conversation */
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_STEP_IN_DOUBT), 0);
	assert_true(events_count(&w, EVENT_MODEL_STARTED) >= 2);
	json_free(doc);
	world_close(&w);
}

static void resume__a_call_that_was_not_started_is_decided_anew(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	run_begin(&w);
	struct json *doc = take_over(&w);
	/* there is no such tool here: the model is told, nothing is called */
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
	assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 1);
	json_free(doc);
	world_close(&w);
}

/* One turn asked twice with the same id; the first call had ended. */
static void resume__calls_with_one_id_are_told_apart(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	task_begin(&w, "do it");
	event(&w, 0, NULL, TASK_PLANNING);
	event(&w, EVENT_PLAN_CREATED, two_steps, TASK_RUNNING);
	event(&w, EVENT_STEP_STARTED, "{\"step\":\"s1\"}", TASK_SAME);
	event(&w, EVENT_STEP_COMPLETED, "{\"step\":\"s1\",\"result\":\"one\"}", TASK_SAME);
	event(&w, EVENT_STEP_STARTED, "{\"step\":\"s2\"}", TASK_SAME);
	event(&w, EVENT_MODEL_COMPLETED,
	      "{\"call\":\"c1\",\"role\":\"executor\",\"step\":\"s2\",\"text\":\"\",\"stop\":\"tool\","
	      "\"calls\":["
	      "{\"id\":\"same\",\"name\":\"x__a\",\"arguments\":\"{}\"},"
	      "{\"id\":\"same\",\"name\":\"x__b\",\"arguments\":\"{}\"}]}",
	      TASK_SAME);
	event(&w, EVENT_TOOL_STARTED,
	      "{\"call\":\"c2\",\"step\":\"s2\",\"model_call\":\"same\",\"tool\":\"a\",\"read_only\":false}",
	      TASK_SAME);
	event(&w, EVENT_TOOL_COMPLETED,
	      "{\"call\":\"c2\",\"step\":\"s2\",\"model_call\":\"same\",\"tool\":\"a\",\"result\":{"
	      "\"content\":[]}}",
	      TASK_SAME);
	event(&w, EVENT_TOOL_STARTED,
	      "{\"call\":\"c3\",\"step\":\"s2\",\"model_call\":\"same\",\"tool\":\"b\",\"read_only\":false}",
	      TASK_SAME);
	take_over_until(&w, TASK_INPUT_REQUIRED);
	/* the second was in flight and writes: in doubt, not made again, although the step may be retried */
	assert_int_equal(events_count(&w, EVENT_STEP_IN_DOUBT), 1);
	struct json *doubt = event_nth(&w, EVENT_STEP_IN_DOUBT, 0);
	assert_string_equal(json_get_text(doubt, "call", ""), "c3");
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 2);
	json_free(doubt);
	world_close(&w);
}

static void resume__a_turn_that_was_cut_is_not_acted_upon(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_finish(&w, "success", "shorter");
	model_text(&w, "The end.");
	task_begin(&w, "do it");
	event(&w, 0, NULL, TASK_PLANNING);
	event(&w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[" STEP("s1",
											  "write") "]}}",
	      TASK_RUNNING);
	event(&w, EVENT_STEP_STARTED, "{\"step\":\"s1\"}", TASK_SAME);
	event(&w, EVENT_MODEL_COMPLETED,
	      "{\"call\":\"c1\",\"role\":\"executor\",\"step\":\"s1\",\"text\":\"long\",\"stop\":\"length\","
	      "\"calls\":["
	      "{\"id\":\"m1\",\"name\":\"fake__count\",\"arguments\":\"{}\"}]}",
	      TASK_SAME);
	struct json *doc = take_over(&w);
	assert_string_equal(json_get_text(doc, "result", ""), "The end.");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
	assert_says(model_shown(&w, 0), "cut off for its length");
	json_free(doc);
	world_close(&w);
}

/* What a person approved as reading must not write because its tool has changed since. */
static void resume__a_reading_step_stays_one(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_calls(&w, "fake__count", "{\"file\":\"/nonexistent/x\"}");
	model_finish(&w, "failed", "not allowed");
	task_create_as(&w, "do it", "required");
	assert_true(lease_next(w.other, &w.lease));
	event(&w, 0, NULL, TASK_PLANNING);
	event(&w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"title\":"
	      "\"t\","
	      "\"objective\":\"o\",\"depends_on\":[],\"tool_hints\":[\"fake__count\"],\"side_effects\":"
	      "\"read\"}]}}",
	      TASK_AWAITING_APPROVAL);
	task_change(&w, EVENT_PLAN_APPROVED, "{\"digest\":\"d\",\"version\":1,\"by\":\"person\"}",
		    TASK_RUNNING, NULL);
	agent_on_work(w.agent);
	assert_ended(&w, "failed", "not allowed");
	assert_call_refused(&w, 0, "approved as reading only");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
	world_close(&w);
}

static void resume__tools_that_vanished_are_told(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_calls(&w, "gone__read", "{}");
	model_finish(&w, "failed", "there is no such tool any more");
	task_create_as(&w, "do it", "required");
	assert_true(lease_next(w.other, &w.lease));
	event(&w, 0, NULL, TASK_PLANNING);
	event(&w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"title\":"
	      "\"t\","
	      "\"objective\":\"o\",\"depends_on\":[],\"tool_hints\":[\"gone__read\"],\"side_effects\":"
	      "\"read\"}]}}",
	      TASK_AWAITING_APPROVAL);
	task_change(&w, EVENT_PLAN_APPROVED, "{\"digest\":\"d\",\"version\":1,\"by\":\"person\"}",
		    TASK_RUNNING, NULL);
	agent_on_work(w.agent);
	assert_ended(&w, "failed", "no such tool any more");
	assert_call_refused(&w, 0, "there is no tool \"gone__read\"");
	world_close(&w);
}

/* A worker that was just born knows no tools yet: it must not tell a model so. */
static void resume__waits_for_the_catalogue(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	struct mcp_client_options mo = {1 << 20, 1 << 20, 1000};
	struct mcp_client *young = mcp_client_new(w.loop, &mo);
	agent_free(w.agent);
	w.agent = agent_new(w.loop, w.s, w.llm, young, NULL, &w.options);
	model_calls(&w, "fake__echo", "{\"text\":\"hello\"}");
	model_finish(&w, "success", "done");
	model_text(&w, "The end.");
	run_begin(&w);
	event(&w, EVENT_TOOL_FAILED,
	      "{\"call\":\"c4\",\"step\":\"s2\",\"model_call\":\"m1\",\"tool\":\"x\",\"error\":{\"message\":"
	      "\"no\"}}",
	      TASK_SAME);
	store_proc_died(w.created, 0);
	agent_on_work(w.agent);
	for (int i = 0; i < 20; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(w.model->requests_count, 0);
	int pair[2];
	struct error e;
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	mcp_broker_add_worker(w.mcp.broker, pair[0]);
	mcp_client_connect(young, pair[1]);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 1);
	agent_free(w.agent);
	loop_turn(w.loop, 0);
	mcp_client_free(young);
	agent_make(&w);
	world_close(&w);
}

/* agent.task_seconds is of the task, not of each worker that has it; waiting for a person does not count. */
static void resume__the_time_already_spent_counts(void **state)
{
	struct world w;
	(void)state;
	clock_fake_set(1000000000, 1700000000000);
	world_open(&w, NULL, true);
	task_begin(&w, "do it");
	event(&w, 0, NULL, TASK_PLANNING);
	clock_fake_set(1005000000, 1700000005000);
	event(&w, EVENT_PLAN_CREATED, two_steps, TASK_AWAITING_APPROVAL);
	clock_fake_set(2000000000, 1700001000000);
	task_change(&w, EVENT_PLAN_APPROVED, "{\"digest\":\"d\",\"version\":1,\"by\":\"person\"}",
		    TASK_RUNNING, NULL);
	assert_true(lease_next(w.other, &w.lease));
	clock_fake_set(2020000000, 1700001020000);
	store_proc_died(w.created, 0);
	agent_on_work(w.agent);
	struct run *r = w.agent->runs;
	assert_int_equal(r->deadline_mono_ms - clock_mono_ms(), 60000);
	loop_turn(w.loop, 0);
	assert_int_equal(agent_runs(w.agent), 1);
	assert_int_equal(r->deadline_mono_ms - clock_mono_ms(), 60000 - 5000 - 20000);
	clock_fake_set(2056000000, 1700001056000);
	run_wake(r);
	for (int i = 0; i < 10 && agent_runs(w.agent) > 0; i++)
		loop_turn(w.loop, 0);
	assert_ended(&w, "failed", "agent.task_seconds");
	clock_fake_clear();
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resume__a_queued_task_is_run),
		cmocka_unit_test(resume__a_writing_call_in_flight_is_in_doubt),
		cmocka_unit_test(resume__a_call_that_ended_is_not_made_again),
		cmocka_unit_test(resume__a_call_that_was_not_started_is_decided_anew),
		cmocka_unit_test(resume__calls_with_one_id_are_told_apart),
		cmocka_unit_test(resume__a_turn_that_was_cut_is_not_acted_upon),
		cmocka_unit_test(resume__a_reading_step_stays_one),
		cmocka_unit_test(resume__tools_that_vanished_are_told),
		cmocka_unit_test(resume__waits_for_the_catalogue),
		cmocka_unit_test(resume__the_time_already_spent_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
