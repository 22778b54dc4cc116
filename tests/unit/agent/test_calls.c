/* SPDX-License-Identifier: Apache-2.0 */
/* The tool calls of a turn: what is refused and how it is worded for the model, what goes out together, what
 * of an answer is kept. Over a real broker with a real child. */
#include "base/base.h"
#include "run_rig.h"

/* One reading or writing step, in which the model makes these calls and then finishes. */
#define step_with(w, effect, ...)                     \
	do {                                          \
		model_plan((w), STEP("s1", effect));  \
		model_calls((w), __VA_ARGS__);        \
		model_finish((w), "success", "done"); \
		model_text((w), "The end.");          \
		task_give((w), "call");               \
		assert_ended((w), "completed", NULL); \
	} while (0)

static char *temp_file(char dir[32])
{
	strcpy(dir, "/tmp/agent-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return xasprintf("{\"file\":\"%s/count\"}", dir);
}

static void temp_remove(const char *dir)
{
	char *file = xasprintf("%s/count", dir);
	unlink(file);
	free(file);
	assert_int_equal(rmdir(dir), 0);
}

static void call__gets_exactly_one_end(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	step_with(&w, "read", "fake__echo", "{\"text\":\"hello\"}", "fake__echo", "{\"text\":\"again\"}");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 0);
	struct json *j = event_nth(&w, EVENT_TOOL_STARTED, 0);
	assert_string_equal(json_get_text(j, "server", ""), "fake");
	assert_string_equal(json_get_text(j, "tool", ""), "echo");
	assert_string_equal(json_get_text(j, "model_call", ""), "t0");
	assert_true(json_get_bool(j, "read_only", false));
	assert_string_equal(json_get_text(json_get(j, "arguments"), "text", ""), "hello");
	json_free(j);
	assert_says(model_shown(&w, 2), "\"hello\"");
	world_close(&w);
}

static void call__refused_ones_are_told_and_not_made(void **state)
{
	static const struct {
		const char *name, *arguments, *why;
	} cases[] = {
		{"fake__nothing", "{}", "there is no tool \"fake__nothing\""},
		{"fake__echo", "[1]", "must be a JSON object"},
		{"fake__echo", "{\"text\":5}", "do not fit the tool's schema"},
		{"fake__count", "{\"file\":\"/nonexistent/x\"}", "approved as reading only"},
		{"finish_step", "{\"status\":\"maybe\"}", "call finish_step alone"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		world_open(&w, "echo", false);
		step_with(&w, "read", cases[i].name, cases[i].arguments);
		assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
		assert_call_refused(&w, 0, cases[i].why);
		assert_says(model_shown(&w, 2), "Error: ");
		world_close(&w);
	}
}

static void call__there_are_so_many_in_a_step(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	agent_free(w.agent);
	w.options.calls_max = 1;
	w.agent = agent_new(w.loop, w.s, w.llm, w.mcp.client, &w.options);
	step_with(&w, "read", "fake__echo", "{\"text\":\"a\"}", "fake__echo", "{\"text\":\"b\"}");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_call_refused(&w, 0, "agent.calls_max");
	/* and then finish_step is demanded */
	assert_says(model_shown(&w, 2), "\"tool_choice\":{");
	world_close(&w);
}

static void call__reading_ones_go_out_together(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__sleep", "{\"ms\":60000}", "fake__sleep", "{\"ms\":60000}");
	task_give(&w, "call");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 0);
	world_close(&w);
}

static void call__a_writing_one_waits_for_the_one_before(void **state)
{
	struct world w;
	char dir[32];
	char *arguments = temp_file(dir);
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "write"));
	model_calls(&w, "fake__sleep", "{\"ms\":30}", "fake__count", arguments);
	model_finish(&w, "success", "done");
	model_text(&w, "The end.");
	task_give(&w, "call");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 1);
	assert_ended(&w, "completed", NULL);
	world_close(&w);
	free(arguments);
	temp_remove(dir);
}

static void call__a_tool_that_reports_failure(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	step_with(&w, "write", "fake__fail", "{}");
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_true(json_get_bool(j, "is_error", false));
	json_free(j);
	assert_says(model_shown(&w, 2), "Error: ");
	world_close(&w);
}

/* The server dies with the call: a reading one may be repeated, of a writing one nobody knows. */
static void call__a_lost_one_is_in_doubt_only_if_it_writes(void **state)
{
	(void)state;
	for (int writes = 0; writes < 2; writes++) {
		struct world w;
		world_open(&w, "exit-after", false);
		const struct mcp_catalog *c = mcp_client_catalog(w.mcp.client);
		const struct mcp_tool *t = NULL;
		for (size_t i = 0; i < c->count; i++)
			if (c->tools[i].read_only != writes)
				t = &c->tools[i];
		if (t != NULL) {
			step_with(&w, "write", t->exposed, "{}");
			assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 1);
			if (writes)
				assert_says(model_shown(&w, 2), "not known whether the call took effect");
			else
				assert_silent(model_shown(&w, 2), "not known whether");
		}
		mcp_catalog_drop(c);
		world_close(&w);
	}
}

static void call__a_large_result_is_kept_in_part(void **state)
{
	struct world w;
	struct buf text = BUF_INIT, arguments = BUF_INIT;
	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_add_char(&text, (char)('a' + i % 26));
	buf_printf(&arguments, "{\"text\":\"%s\"}", buf_cstr(&text));
	world_open(&w, "echo", false);
	step_with(&w, "read", "fake__echo", buf_cstr(&arguments));
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_true(json_get_bool(j, "truncated", false));
	assert_true(json_get_integer(j, "result_bytes", 0) > 100000);
	const char *kept = json_get_text(json_at(json_get(json_get(j, "result"), "content"), 0), "text", "");
	assert_true(strlen(kept) < w.options.tool_result_bytes_max + 100);
	assert_says(kept, "bytes left out");
	json_free(j);
	buf_release(&text);
	buf_release(&arguments);
	world_close(&w);
}

static void calls_failure_text__says_what_is_not_known(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	calls_failure_text("lost", false, &b);
	assert_string_equal(buf_cstr(&b), "Error: lost");
	buf_reset(&b);
	calls_failure_text("lost", true, &b);
	assert_says(buf_cstr(&b), "Error: lost. It is not known");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call__gets_exactly_one_end),
		cmocka_unit_test(call__refused_ones_are_told_and_not_made),
		cmocka_unit_test(call__there_are_so_many_in_a_step),
		cmocka_unit_test(call__reading_ones_go_out_together),
		cmocka_unit_test(call__a_writing_one_waits_for_the_one_before),
		cmocka_unit_test(call__a_tool_that_reports_failure),
		cmocka_unit_test(call__a_lost_one_is_in_doubt_only_if_it_writes),
		cmocka_unit_test(call__a_large_result_is_kept_in_part),
		cmocka_unit_test(calls_failure_text__says_what_is_not_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
