/* SPDX-License-Identifier: Apache-2.0 */
/* A task that takes over plan, results and effects of an earlier one. */
#include "run_rig.h"

#define PLAN                                                                                              \
	"{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"title\":\"t\","       \
	"\"objective\":\"a\",\"status\":\"completed\","                                                   \
	"\"result\":\"one\"},{\"id\":\"s2\",\"title\":\"t\",\"objective\":\"b\",\"depends_on\":[\"s1\"]," \
	"\"side_effects\":\"write\"}]}"
#define EFFECT(outcome)                                                                              \
	"{\"call\":\"c3\",\"task_id\":\"A\",\"step\":\"s2\",\"server\":\"fake\",\"tool\":\"count\"," \
	"\"arguments\":{\"file\":\"/nonexistent/x\"},"                                               \
	"\"outcome\":\"" outcome                                                                     \
	"\",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"counted before\"}]}}"

static void task_inherits(struct world *w, const char *approval, const char *effect)
{
	char text[ID_TEXT_SIZE];
	struct id id;
	struct error e = {0};
	id_new(&id);
	id_format(&id, text);
	char *created = xasprintf("{\"task_id\":\"%s\",\"prompt\":\"p\",\"approval\":\"%s\",\"metadata\":{},"
				  "\"parent\":{\"task_id\":\"A\","
				  "\"kind\":\"retry\"},\"inherited\":{\"plan\":" PLAN ",\"effects\":[%s]}}",
				  text, approval, effect);
	if (task_create(w->other, &id, slice_str(created), &w->ref, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	free(created);
	agent_on_work(w->agent);
}

static void inherit__goes_on_after_what_is_done(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_calls(&w, "fake__count", "{\"file\":\"/nonexistent/x\"}");
	model_finish(&w, "success", "two");
	model_text(&w, "The end [s1][s2].");
	task_inherits(&w, "auto", EFFECT("completed"));
	assert_ended(&w, "completed", NULL);
	/* Nobody was asked for a plan; the call was not made, the model knows its result. */
	assert_int_equal(events_count(&w, EVENT_PLAN_CREATED), 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
	assert_says(model_shown(&w, 0), "Your step: s2");
	assert_says(model_shown(&w, 1), "counted before");
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_string_equal(json_text(json_pointer(j, "/reused/call")), "c3");
	json_free(j);
	world_close(&w);
}

/* It stands for one call: the second time the same call is made. */
static void inherit__an_effect_stands_for_one_call(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_calls(&w, "fake__count", "{\"file\":\"/nonexistent/x\"}");
	model_calls(&w, "fake__count", "{\"file\":\"/nonexistent/x\"}");
	model_finish(&w, "success", "two");
	model_text(&w, "The end [s1][s2].");
	task_inherits(&w, "auto", EFFECT("completed"));
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	world_close(&w);
}

static void inherit__what_nobody_knows_is_asked_about(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_calls(&w, "fake__count", "{\"file\":\"/nonexistent/x\"}");
	model_finish(&w, "success", "two");
	model_text(&w, "The end [s1][s2].");
	task_inherits(&w, "auto", EFFECT("unknown"));
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	struct json *doc = task_doc(&w);
	assert_says(json_text(json_pointer(doc, "/pending/reason")), "not known whether it took effect");
	char *id = xstrdup(json_text(json_pointer(doc, "/pending/id")));
	json_free(doc);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
	task_input(&w, id, "approve", NULL);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	free(id);
	world_close(&w);
}

static void inherit__the_plan_is_approved_like_any_other(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	task_inherits(&w, "required", EFFECT("completed"));
	world_wait(&w, task_head(&w).state == TASK_AWAITING_APPROVAL);
	struct json *doc = task_doc(&w);
	assert_string_equal(json_text(json_pointer(doc, "/plan/steps/0/status")), "completed");
	assert_string_equal(json_text(json_pointer(doc, "/plan/steps/0/result")), "one");
	assert_string_equal(json_text(json_pointer(doc, "/plan/steps/1/status")), "pending");
	json_free(doc);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inherit__goes_on_after_what_is_done),
		cmocka_unit_test(inherit__an_effect_stands_for_one_call),
		cmocka_unit_test(inherit__what_nobody_knows_is_asked_about),
		cmocka_unit_test(inherit__the_plan_is_approved_like_any_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
