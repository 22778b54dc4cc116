/* SPDX-License-Identifier: Apache-2.0 */
/* From a goal to a plan, or to what is left when a model cannot plan. */
#include "base/base.h"
#include "run_rig.h"

static void planner__asks_for_approval(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	task_create_as(&w, "read it", "required");
	agent_on_work(w.agent);
	world_wait(&w, task_head(&w).state == TASK_AWAITING_APPROVAL);
	assert_false(task_head(&w).leased);
	assert_int_equal(agent_runs(w.agent), 0);
	struct json *doc = task_doc(&w);
	assert_int_equal(json_get_integer(json_get(doc, "plan"), "version", 0), 1);
	assert_int_equal(strlen(json_get_text(json_get(doc, "plan"), "digest", "")), 64);
	json_free(doc);
	assert_says(model_shown(&w, 0), "fake__echo(text)");
	assert_says(model_shown(&w, 0), "fake__count(file, ms) [may change things]");
	world_close(&w);
}

static void planner__a_rejected_plan_is_made_anew_with_the_feedback(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "write"));
	model_plan(&w, STEP("s1", "read"));
	task_create_as(&w, "do it", "required");
	agent_on_work(w.agent);
	world_wait(&w, task_head(&w).state == TASK_AWAITING_APPROVAL);
	task_change(&w, EVENT_PLAN_REJECTED, "{\"digest\":\"d\",\"version\":1,\"feedback\":\"only look\"}",
		    TASK_PLANNING, NULL);
	agent_on_work(w.agent);
	world_wait(&w, task_head(&w).state == TASK_AWAITING_APPROVAL);
	assert_says(model_shown(&w, 1), "only look");
	struct json *doc = task_doc(&w);
	assert_int_equal(json_get_integer(json_get(doc, "plan"), "version", 0), 2);
	json_free(doc);
	world_close(&w);
}

static void planner__a_bad_plan_is_put_right_once(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP_AFTER("s1", "read", "\"s9\"", "abort"));
	model_plan(&w, STEP("s1", "none"));
	model_finish(&w, "success", "r");
	model_text(&w, "The end.");
	task_give(&w, "do it");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 1), "That is not a valid plan");
	assert_says(model_shown(&w, 1), "which is no step");
	assert_int_equal(events_count(&w, EVENT_PLAN_CREATED), 1);
	world_close(&w);
}

/* What remains may write, and says so, because nobody has said that it does not. */
static void planner__is_told_that_its_plan_was_cut_off(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_message(&w, "{\"role\":\"assistant\",\"content\":\"{\\\"goal\\\":\\\"a long\"}", "length");
	model_plan(&w, STEP("s1", "none"));
	model_finish(&w, "success", "done");
	model_text(&w, "The end [s1].");
	task_give(&w, "plan");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 1), "your answer was cut off for its length, be shorter");
	world_close(&w);
}

static void planner__a_model_that_cannot_plan_leaves_one_step(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_text(&w, "I am not sure.");
	model_text(&w, "Still not.");
	task_create_as(&w, "reach the goal", "required");
	agent_on_work(w.agent);
	world_wait(&w, task_head(&w).state == TASK_AWAITING_APPROVAL);
	struct json *doc = task_doc(&w);
	const struct json *steps = json_get(json_get(doc, "plan"), "steps");
	assert_int_equal(json_count(steps), 1);
	assert_string_equal(json_get_text(json_at(steps, 0), "objective", ""), "reach the goal");
	assert_string_equal(json_get_text(json_at(steps, 0), "side_effects", ""), "write");
	json_free(doc);
	world_close(&w);
}

static void planner__a_plan_without_steps_is_the_answer(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_text(&w, "{\"steps\":[],\"final_output\":\"Four.\"}");
	task_give(&w, "two and two");
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_string_equal(json_get_text(doc, "result", ""), "Four.");
	json_free(doc);
	world_close(&w);
}

static void planner__a_model_that_fails_ends_the_task(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_raw(&w, xstrdup("HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nConnection: "
			      "close\r\n\r\n"
			      "{\"error\":{\"message\":\"bad key\"}}"));
	task_give(&w, "plan");
	assert_ended(&w, "failed", "401");
	assert_int_equal(events_count(&w, EVENT_MODEL_FAILED), 1);
	world_close(&w);
}

static void planner__a_refusal_ends_the_task(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_message(&w, "{\"role\":\"assistant\",\"content\":null,\"refusal\":\"No.\"}", "stop");
	task_give(&w, "plan");
	assert_ended(&w, "failed", "No.");
	world_close(&w);
}

static void planner__cancelled_while_the_model_thinks(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	task_give(&w, "plan");
	world_wait(&w, w.model->conns_count == 1);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	assert_true(world_wake(&w) & WAKE_TASKS);
	assert_int_equal(agent_runs(w.agent), 0);
	uint64_t seq = task_head(&w).last_seq;
	world_wait(&w, w.model->requests_count == 1 || w.model->conns_closed == 1);
	for (int i = 0; i < 5; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(task_head(&w).last_seq, seq);
	w.replies_count = w.model->requests_count;
	free((void *)(uintptr_t)(w.replies_count == 0 ? w.replies[0].bytes : NULL));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planner__asks_for_approval),
		cmocka_unit_test(planner__a_rejected_plan_is_made_anew_with_the_feedback),
		cmocka_unit_test(planner__a_bad_plan_is_put_right_once),
		cmocka_unit_test(planner__is_told_that_its_plan_was_cut_off),
		cmocka_unit_test(planner__a_model_that_cannot_plan_leaves_one_step),
		cmocka_unit_test(planner__a_plan_without_steps_is_the_answer),
		cmocka_unit_test(planner__a_model_that_fails_ends_the_task),
		cmocka_unit_test(planner__a_refusal_ends_the_task),
		cmocka_unit_test(planner__cancelled_while_the_model_thinks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
