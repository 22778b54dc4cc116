/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that change something are checked against their success criteria before they count as completed. */
#include "base/base.h"
#include "run_taken.h"

#define WRITES                                                                                  \
	"{\"id\":\"s1\",\"title\":\"t\",\"objective\":\"count it\",\"side_effects\":\"write\"," \
	"\"success_criteria\":\"the file has a line\"}"
#define MET     "{\"met\":true,\"why\":\"it has\"}"
#define NOT_MET "{\"met\":false,\"why\":\"the file is empty\"}"

static void open_checking(struct world *w)
{
	world_open(w, "echo", false);
	w->options.check_writes = true;
	agent_free(w->agent);
	agent_make(w);
}

static bool completed_says_checked(struct world *w)
{
	struct json *j = event_nth(w, EVENT_STEP_COMPLETED, 0);
	assert_non_null(json_get(j, "checked"));
	bool checked = json_get_bool(j, "checked", false);
	json_free(j);
	return checked;
}

static void check__is_shown_the_calls_and_what_came_back(void **state)
{
	struct world w;
	struct counted c;
	(void)state;
	counted_open(&c);
	open_checking(&w);
	model_plan(&w, WRITES);
	model_calls(&w, "fake__count", c.arguments);
	model_finish(&w, "success", "counted");
	model_text(&w, MET);
	model_text(&w, "The end [s1].");
	task_give(&w, "count");
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(json_at(json_pointer(doc, "/plan/steps"), 0), "result", ""),
			    "counted");
	const char *shown = model_shown(&w, 3);
	assert_says(shown, "Success criteria: the file has a line");
	assert_says(shown, "Called fake__count with ");
	assert_says(shown, c.file);
	assert_says(shown, "What the step says of itself");
	assert_says(shown, "\"json_schema\"");
	assert_silent(shown, "\"tools\"");
	assert_silent(shown, "You carry out one step");
	assert_true(completed_says_checked(&w));
	json_free(doc);
	world_close(&w);
	counted_close(&c);
}

/* The step's model is told and goes on; the second time it has failed. */
static void check__what_is_not_met_is_told_once(void **state)
{
	(void)state;
	for (int good = 0; good < 2; good++) {
		struct world w;
		open_checking(&w);
		model_plan(&w, WRITES);
		model_finish(&w, "success", "counted");
		model_text(&w, NOT_MET);
		model_finish(&w, "success", "counted now");
		model_text(&w, good ? MET : NOT_MET);
		if (good)
			model_text(&w, "The end [s1].");
		task_give(&w, "count");
		assert_ended(&w, good ? "completed" : "failed", good ? NULL : "the file is empty");
		assert_says(model_shown(&w, 3), "criteria were checked and are not met: the file is empty");
		struct json *j = event_nth(&w, EVENT_STEP_FAILED, 0);
		if (!good)
			assert_string_equal(json_get_text(json_get(j, "error"), "code", ""),
					    "criteria-not-met");
		json_free(j);
		world_close(&w);
	}
}

/* No model, or no verdict: the step's word counts, and that is said. */
static void check__that_cannot_be_made_changes_nothing(void **state)
{
	(void)state;
	for (int lost = 0; lost < 2; lost++) {
		struct world w;
		open_checking(&w);
		model_plan(&w, WRITES);
		model_finish(&w, "success", "counted");
		if (lost)
			model_raw(&w, xstrdup("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"));
		else
			model_text(&w, "I think so.");
		model_text(&w, "The end [s1].");
		task_give(&w, "count");
		assert_ended(&w, "completed", NULL);
		assert_false(completed_says_checked(&w));
		world_close(&w);
	}
}

/* Reading steps, steps without criteria, and all when it is off, cost no call. */
static void check__is_for_writes_with_criteria(void **state)
{
	struct world w;
	(void)state;
	open_checking(&w);
	model_plan(&w, STEP("s1", "write"));
	model_finish(&w, "success", "done");
	model_text(&w, "The end [s1].");
	task_give(&w, "count");
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_STEP_COMPLETED, 0);
	assert_null(json_get(j, "checked"));
	json_free(j);
	world_close(&w);
}

/* The model that writes and finishes in one turn; then also the last turn there is. */
static void check__of_a_finish_beside_calls_and_of_a_demanded_one(void **state)
{
	struct world w;
	struct counted c;
	(void)state;
	counted_open(&c);
	open_checking(&w);
	w.options.turns_max = 1;
	agent_free(w.agent);
	agent_make(&w);
	model_plan(&w, WRITES);
	model_finish(&w, "success", "counted");
	model_text(&w, MET);
	model_text(&w, "The end [s1].");
	task_give(&w, "count");
	assert_ended(&w, "completed", NULL);
	world_close(&w);
	open_checking(&w);
	model_plan(&w, WRITES);
	model_calls(&w, "fake__count", c.arguments, "finish_step",
		    "{\"status\":\"success\",\"result\":\"\"}");
	model_text(&w, MET);
	model_text(&w, "The end [s1].");
	task_give(&w, "count");
	assert_ended(&w, "completed", NULL);
	assert_true(completed_says_checked(&w));
	world_close(&w);
	counted_close(&c);
}

/* The worker dies while the check is under way: whoever takes over makes it. One that was made counts. */
static void check__is_made_by_whoever_takes_over(void **state)
{
	(void)state;
	for (int made = 0; made < 2; made++) {
		struct world w;
		open_checking(&w);
		run_begun(&w, WRITES);
		event(&w, EVENT_STEP_STARTED, "{\"step\":\"s1\",\"attempt\":1}", TASK_SAME);
		event(&w, EVENT_MODEL_COMPLETED,
		      "{\"call\":\"c1\",\"role\":\"executor\",\"step\":\"s1\",\"text\":\"\",\"stop\":"
		      "\"tool\","
		      "\"calls\":[{\"id\":\"m1\",\"name\":\"finish_step\",\"arguments\":"
		      "\"{\\\"status\\\":\\\"success\\\",\\\"result\\\":\\\"counted\\\"}\"}]}",
		      TASK_SAME);
		event(&w, EVENT_MODEL_STARTED, "{\"call\":\"c2\",\"role\":\"executor\",\"step\":\"s1\"}",
		      TASK_SAME);
		if (made)
			event(&w, EVENT_MODEL_COMPLETED,
			      "{\"call\":\"c2\",\"role\":\"executor\",\"step\":\"s1\",\"check\":true,"
			      "\"text\":\"{}\",\"stop\":\"end\",\"calls\":[]}",
			      TASK_SAME);
		model_text(&w, made ? NOT_MET : MET);
		if (!made)
			model_text(&w, "The end [s1].");
		run_taken_over(&w);
		/* The second that is not met is the last. */
		assert_ended(&w, made ? "failed" : "completed", made ? "the file is empty" : NULL);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check__is_shown_the_calls_and_what_came_back),
		cmocka_unit_test(check__what_is_not_met_is_told_once),
		cmocka_unit_test(check__that_cannot_be_made_changes_nothing),
		cmocka_unit_test(check__is_for_writes_with_criteria),
		cmocka_unit_test(check__of_a_finish_beside_calls_and_of_a_demanded_one),
		cmocka_unit_test(check__is_made_by_whoever_takes_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
