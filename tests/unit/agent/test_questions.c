/* SPDX-License-Identifier: Apache-2.0 */
/* What the planner asks a person, and what becomes of the answer. */
#include "base/base.h"
#include "run_taken.h"

static void answer(struct world *w, const char *id, const char *action, const char *content)
{
	task_input_to(w, id, action, content, TASK_PLANNING);
}

static void questions__are_asked_and_the_answers_planned_with(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_text(&w, "{\"steps\":[],\"questions\":[\"Which file?\",\"Which language?\"]}");
	model_text(&w, "{\"steps\":[],\"questions\":[\"How long?\"]}");
	model_plan(&w, STEP("s1", "none"));
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "translate it");
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	assert_int_equal(agent_runs(w.agent), 0);
	struct json *doc = task_doc(&w);
	const struct json *pending = json_get(doc, "pending");
	assert_string_equal(json_get_text(pending, "id", ""), "q1");
	assert_string_equal(json_get_text(pending, "kind", ""), "questions");
	assert_int_equal(json_count(json_get(pending, "questions")), 2);
	assert_string_equal(json_text(json_at(json_get(pending, "actions"), 0)), "answer");
	assert_says(json_get_text(pending, "question", ""), "Which file?; Which language?");
	json_free(doc);
	answer(&w, "q1", "answer", "notes.md, French");
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	assert_says(model_shown(&w, 1), "Which language?");
	assert_says(model_shown(&w, 1), "notes.md, French");
	answer(&w, "q2", "answer", "short");
	assert_ended(&w, "completed", NULL);
	/* all that was answered so far */
	assert_says(model_shown(&w, 2), "notes.md, French");
	assert_says(model_shown(&w, 2), "Answered: short");
	world_close(&w);
}

static void questions__without_an_answer_the_task_fails(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_text(&w, "{\"steps\":[],\"questions\":[\"Which file?\"]}");
	task_give(&w, "translate it");
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	answer(&w, "q1", "fail", NULL);
	assert_ended(&w, "failed", "were not answered");
	world_close(&w);
}

/* A step has failed and the new plan needs an answer first: what is finished stays finished. */
static void questions__of_a_new_plan(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	run_begun_replanning(&w);
	event(&w, 0, NULL, TASK_RUNNING); /* that attempt came to nothing */
	event(&w, 0, NULL, TASK_PLANNING);
	model_text(&w, "{\"steps\":[],\"questions\":[\"Which way?\"]}");
	model_plan(&w, STEP("s3", "none"));
	model_finish(&w, "success", "gamma");
	model_text(&w, "The end [s1][s3].");
	run_taken_over(&w);
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	store_proc_started(w.created, 0, 1);
	answer(&w, "q2", "answer", "that way");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 1), "alpha");
	assert_says(model_shown(&w, 1), "that way");
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 3);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions__are_asked_and_the_answers_planned_with),
		cmocka_unit_test(questions__without_an_answer_the_task_fails),
		cmocka_unit_test(questions__of_a_new_plan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
