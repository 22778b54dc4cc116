/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that are approved one by one, and questions that wait for what is under way. */
#include "run_rig.h"

#define MARKED(id, more)                            \
	"{\"id\":\"" id "\",\"objective\":\"do " id \
	"\",\"side_effects\":\"read\",\"approval\":\"required\"" more "}"

static void asked(struct world *w, const char *step, const char *action)
{
	world_wait(w, task_head(w).state == TASK_INPUT_REQUIRED);
	struct json *doc = task_doc(w);
	const struct json *p = json_get(doc, "pending");
	assert_string_equal(json_get_text(p, "kind", ""), "step_approval");
	assert_string_equal(json_get_text(p, "step", ""), step);
	char *id = xstrdup(json_get_text(p, "id", ""));
	json_free(doc);
	task_input(w, id, action, NULL);
	free(id);
}

static void step__begins_when_it_is_approved(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, MARKED("s1", "") "," MARKED("s2", ",\"depends_on\":[\"s1\"]"));
	model_finish(&w, "success", "one");
	model_finish(&w, "success", "two");
	model_text(&w, "The end [s1][s2].");
	task_give(&w, "two steps");
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 0);
	asked(&w, "s1", "approve");
	asked(&w, "s2", "approve");
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_STEP_COMPLETED), 2);
	world_close(&w);
}

static void step__is_skipped_or_fails_by_a_persons_word(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, MARKED("s1", "") "," STEP("s2", "read"));
	model_finish(&w, "success", "two");
	model_text(&w, "The end [s2].");
	task_give(&w, "two steps");
	asked(&w, "s1", "skip");
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_STEP_SKIPPED), 1);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 1);
	world_close(&w);

	world_open(&w, NULL, false);
	model_plan(&w, MARKED("s1", ""));
	task_give(&w, "one step");
	asked(&w, "s1", "fail");
	assert_ended(&w, "failed", "decided against it");
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 0);
	world_close(&w);
}

/* A step that runs ends first; nothing new begins meanwhile. */
static void step__is_asked_about_when_nothing_is_under_way(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "read") "," MARKED("s2", ""));
	model_finish(&w, "success", "one");
	model_finish(&w, "success", "two");
	model_text(&w, "The end [s1][s2].");
	task_give(&w, "two steps");
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	assert_int_equal(events_count(&w, EVENT_STEP_COMPLETED), 1);
	assert_int_equal(agent_runs(w.agent), 0);
	asked(&w, "s2", "approve");
	assert_ended(&w, "completed", NULL);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step__begins_when_it_is_approved),
		cmocka_unit_test(step__is_skipped_or_fails_by_a_persons_word),
		cmocka_unit_test(step__is_asked_about_when_nothing_is_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
