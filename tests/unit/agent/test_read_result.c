/* SPDX-License-Identifier: Apache-2.0 */
/* What a model reads of what it was shown only a part of. */
#include "base/base.h"
#include "run_rig.h"

static void context_bytes_set(struct world *w, size_t bytes)
{
	agent_free(w->agent);
	w->options.tool_context_bytes_max = bytes;
	agent_make(w);
}

/* An echo of 100 numbered lines. */
static void call_lines(struct world *w)
{
	struct buf b = BUF_INIT, arguments = BUF_INIT;
	struct jw j = JW(&arguments);
	for (int i = 0; i < 100; i++)
		buf_printf(&b, "line %03d of %s\n", i, i == 77 ? "Needles" : "hay");
	jw_object(&j);
	jw_kv_text(&j, "text", buf_cstr(&b));
	jw_object_end(&j);
	model_calls(w, "fake__echo", buf_cstr(&arguments));
	buf_release(&arguments);
	buf_release(&b);
}

static void read_result__of_a_call(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	context_bytes_set(&w, 600);
	model_plan(&w, STEP("s1", "read"));
	call_lines(&w);
	model_calls(&w, "read_result", "{\"handle\":\"c3\",\"offset\":160,\"length\":32}");
	model_calls(&w, "read_result", "{\"handle\":\"result://c3\",\"query\":\"needle\"}");
	model_calls(&w, "read_result", "{\"handle\":\"c3\",\"query\":\"LINE\"}");
	model_calls(&w, "read_result", "{\"handle\":\"c3\",\"query\":\"nowhere\"}");
	model_calls(&w, "read_result", "{\"handle\":\"c3\",\"offset\":99999}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "lines");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 2), "read_result with handle c3 reads all of it");
	assert_says(model_shown(&w, 3), "[bytes 160 to 192 of 1604]\\nline 010 of hay\\nline 011 of hay\\n");
	assert_says(model_shown(&w, 4), "1232: line 077 of Needles\\n");
	assert_says(model_shown(&w, 5), " more lines hold it]");
	assert_says(model_shown(&w, 6), "[no line of the 1604 bytes holds this text]");
	assert_says(model_shown(&w, 7), "[nothing at offset 99999: there are 1604 bytes]");
	/* they reach no server */
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 6);
	world_close(&w);
}

static void read_result__of_a_finished_step_and_of_nothing(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none") "," STEP_AFTER("s2", "none", "\"s1\"", "abort"));
	model_finish(&w, "success", "the first result");
	model_calls(&w, "read_result", "{\"handle\":\"s1\",\"offset\":4}");
	model_calls(&w, "read_result", "{\"handle\":\"s2\"}", "read_result", "{\"handle\":\"a1\"}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s2].");
	task_give(&w, "steps");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 3), "[bytes 4 to 16 of 16]\\nfirst result");
	assert_call_refused(&w, 0, "there is no result \"s2\"");
	assert_call_refused(&w, 1, "there is no result \"a1\"");
	world_close(&w);
}

/* A result too large for its event is an artifact; it is read from the archive. */
static void read_result__of_an_artifact(void **state)
{
	struct world w;
	struct buf text = BUF_INIT, arguments = BUF_INIT;
	struct jw j = JW(&arguments);
	(void)state;
	world_open_as(&w, "echo", false, true);
	for (int i = 0; i < 20000; i++)
		buf_printf(&text, "%05d ", i);
	jw_object(&j);
	jw_kv_text(&j, "text", buf_cstr(&text));
	jw_object_end(&j);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__echo", buf_cstr(&arguments));
	model_calls(&w, "read_result", "{\"handle\":\"a1\",\"offset\":60000,\"length\":60}");
	model_calls(&w, "read_result", "{\"handle\":\"a1\",\"query\":\"00007\"}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "much");
	world_wait_keeping(&w, task_state_terminal(task_head(&w).state));
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 2), "read_result with handle a1 reads it");
	assert_says(model_shown(&w, 3), "[from byte 60000 of 120");
	assert_says(model_shown(&w, 3), " 09995 ");
	assert_call_refused(&w, 0, "not searched");
	buf_release(&text);
	buf_release(&arguments);
	world_close(&w);
}

/* The task is cancelled while the archive is asked. */
static void read_result__is_given_up_with_its_task(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, NULL, false, true);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "read_result", "{\"handle\":\"a1\"}");
	task_give(&w, "read");
	world_wait_keeping(&w, events_count(&w, EVENT_STEP_STARTED) == 1);
	w.agent->runs->artifacts_named = 1;
	w.archive.holds = true;
	world_wait(&w, w.archive.calls != NULL);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	world_wake(&w);
	assert_int_equal(agent_runs(w.agent), 0);
	assert_int_equal(w.archive.cancelled, 1);
	w.archive.holds = false;
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_result__of_a_call),
		cmocka_unit_test(read_result__of_a_finished_step_and_of_nothing),
		cmocka_unit_test(read_result__of_an_artifact),
		cmocka_unit_test(read_result__is_given_up_with_its_task),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
