/* SPDX-License-Identifier: Apache-2.0 */
/* What tool servers ask of a person while a call runs: shown one at a time, the lease kept, the answer given,
 * the entry gone when nobody waits for it. */
#include "base/base.h"
#include "run_rig.h"

static const char *asking_path(void)
{
	static char path[PATH_MAX + 16];
	snprintf(path, sizeof path, "%s", rig_fake());
	strcpy(strrchr(path, '/'), "/asking_mcp");
	return path;
}

/* The path of the scripted server is rig_fake's: the asking one stands beside it. */
static void asking_world(struct world *w)
{
	setenv("MCP_FAKE", asking_path(), 1);
	world_open(w, "reads", false);
	unsetenv("MCP_FAKE");
}

#define FORM                                                                                  \
	"{\\\"message\\\":\\\"who?\\\",\\\"requestedSchema\\\":{\\\"type\\\":\\\"object\\\"," \
	"\\\"properties\\\":{}}}"

static void ask_begin(struct world *w, const char *arguments)
{
	asking_world(w);
	model_plan(w, STEP("s1", "read"));
	model_calls(w, "fake__ask", arguments);
	task_give(w, "call");
	world_wait(w, task_head(w).state == TASK_INPUT_REQUIRED);
}

static void ask_end(struct world *w)
{
	model_finish(w, "success", "done");
	model_text(w, "The end.");
}

/* Of the pending entry; valid until the next call. */
static const char *pending_text(struct world *w, const char *member)
{
	static char text[128];
	struct json *doc = task_doc(w);
	snprintf(text, sizeof text, "%s", json_get_text(json_get(doc, "pending"), member, "(none)"));
	json_free(doc);
	return text;
}

static void ask__keeps_the_lease_and_goes_on_with_the_answer(void **state)
{
	struct world w;
	(void)state;
	ask_begin(&w, "{\"params\":\"" FORM "\"}");
	assert_true(task_head(&w).leased);
	assert_int_equal(agent_runs(w.agent), 1);
	assert_string_equal(pending_text(&w, "kind"), "elicitation");
	assert_string_equal(pending_text(&w, "message"), "who?");
	assert_string_equal(pending_text(&w, "server"), "fake");
	char *id = xstrdup(pending_text(&w, "id"));
	ask_end(&w);
	task_input(&w, id, "decline", NULL);
	world_wake(&w);
	free(id);
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 2), "decline");
	assert_int_equal(events_count(&w, EVENT_TASK_PENDING), 2);
	world_close(&w);
}

static void ask__next_in_line_follows(void **state)
{
	struct world w;
	(void)state;
	ask_begin(&w, "{\"times\":2,\"params\":\"" FORM "\"}");
	char *first = xstrdup(pending_text(&w, "id"));
	ask_end(&w);
	task_input(&w, first, "decline", NULL);
	world_wake(&w);
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	assert_string_not_equal(pending_text(&w, "id"), first);
	char *second = xstrdup(pending_text(&w, "id"));
	task_input(&w, second, "cancel", NULL);
	world_wake(&w);
	assert_ended(&w, "completed", NULL);
	free(first);
	free(second);
	world_close(&w);
}

static void ask__goes_with_a_server_that_dies(void **state)
{
	struct world w;
	(void)state;
	asking_world(&w);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__ask", "{\"then\":\"die\",\"params\":\"" FORM "\"}");
	ask_end(&w);
	task_give(&w, "call");
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_REPEATED), 3);
	assert_string_equal(pending_text(&w, "id"), "(none)");
	world_close(&w);
}

static void ask__does_not_hold_up_a_drain(void **state)
{
	struct world w;
	(void)state;
	ask_begin(&w, "{\"params\":\"" FORM "\"}");
	agent_drain(w.agent, NULL, NULL);
	world_wait(&w, agent_runs(w.agent) == 0);
	assert_false(task_head(&w).leased);
	assert_int_equal(task_head(&w).state, TASK_INPUT_REQUIRED);
	/* Another takes it, the entry goes, and the call, which reads, is made again. */
	struct lease l;
	assert_true(lease_next(w.other, &l));
	lease_release(w.other, &l);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	world_close(&w);
}

static void ask__is_over_when_the_task_is_cancelled(void **state)
{
	struct world w;
	(void)state;
	ask_begin(&w, "{\"params\":\"" FORM "\"}");
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	world_wake(&w);
	world_wait(&w, agent_runs(w.agent) == 0);
	assert_string_equal(pending_text(&w, "id"), "(none)");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ask__keeps_the_lease_and_goes_on_with_the_answer),
		cmocka_unit_test(ask__next_in_line_follows),
		cmocka_unit_test(ask__goes_with_a_server_that_dies),
		cmocka_unit_test(ask__does_not_hold_up_a_drain),
		cmocka_unit_test(ask__is_over_when_the_task_is_cancelled),
	};
	return cmocka_run_group_tests_name("asks", tests, NULL, NULL);
}
