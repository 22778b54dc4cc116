/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that a server of 2026-07-28 answers with a task: polled, cancelled, ended once. */
#include "tests/unit/mcp/task_world.h"

static void task__is_polled_until_its_status_holds_the_result(void **state)
{
	struct world w;
	(void)state;
	task_begun(&w);
	int before = w.progress;
	world_pass(&w, 499);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_like(&w, ABOUT("5", "tasks/get"));
	world_pass(&w, 60000); /* one at a time */
	sent_is(&w, "");
	say(&w, GOT("5", "working", ",\"pollIntervalMs\":2000,\"statusMessage\":\"half\""));
	assert_int_equal(w.progress, before + 1);
	world_pass(&w, 1999);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_like(&w, ABOUT("6", "tasks/get"));
	assert_int_equal(w.ends, 0);
	say(&w, DONE("6", "1"));
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.answer.error.code, ERR_NONE);
	assert_false(w.answer.is_error);
	assert_string_equal(buf_cstr(&w.result), "{\"content\":[1]}");
	assert_null(w.session->requests);
	world_pass(&w, 60000);
	sent_is(&w, "");
	world_close(&w);
}

static void task__that_begins_with_more_than_work_is_asked_at_once(void **state)
{
	static const char *const words[] = {"completed", "failed", "cancelled", "input_required", "odd"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct world w = {0};
		tasks_ready(&w);
		call(&w, "{}");
		buf_reset(&w.sent);
		char *line = xasprintf(CREATED("3", "%s", ",\"pollIntervalMs\":500"), words[i]);
		say(&w, line);
		free(line);
		assert_int_equal(w.ends, 0);
		world_pass(&w, 0);
		sent_like(&w, LISTENS("4") ABOUT("5", "tasks/get"));
		world_close(&w);
	}
}

static void task__ends_as_the_server_says(void **state)
{
	static const struct {
		const char *line, *words;
		int64_t code;
	} cases[] = {
		{GOT("5", "failed", ",\"error\":{\"code\":-32603,\"message\":\"rate limit\"}"), "rate limit",
		 -32603},
		{GOT("5", "failed", ",\"statusMessage\":\"why not\""), "without an error: why not", 0},
		{GOT("5", "cancelled", ",\"statusMessage\":\"too dear\""),
		 "cancelled its task of this call: too dear", 0},
		{GOT("5", "completed", ""), "has no result", 0},
		{GOT("5", "completed", ",\"result\":[]"), "has no result", 0},
		{GOT("5", "completed", ",\"result\":{\"resultType\":\"task\"}"), "\"task\"", 0},
		{"{\"id\":5,\"error\":{\"code\":-32602,\"message\":\"Task has expired\"}}",
		 "tasks/get: the server does not know its task of this call any more, which it was to keep "
		 "for "
		 "60000 ms: the server answered with error -32602: Task has expired",
		 0},
		{"{\"id\":5,\"error\":{\"code\":-32603,\"message\":\"oh\"}}",
		 "tasks/get: the server answered with", 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		task_begun(&w);
		world_pass(&w, 500);
		buf_reset(&w.sent);
		say(&w, cases[i].line);
		assert_int_equal(w.ends, 1);
		assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
		assert_int_equal(w.answer.rpc_code, cases[i].code);
		assert_false(w.answer.unsent);
		if (!strstr(w.answer.error.msg, cases[i].words))
			fail_msg("%s", w.answer.error.msg);
		assert_null(w.session->requests);
		sent_is(&w, ""); /* there is nothing left to cancel */
		world_close(&w);
	}
}

static void task__whose_result_is_an_error_of_the_tool_is_completed(void **state)
{
	struct world w;
	(void)state;
	task_begun(&w);
	world_pass(&w, 500);
	say(&w, GOT("5", "completed",
		    ",\"result\":{\"resultType\":\"complete\",\"isError\":true,\"content\":[]}"));
	assert_int_equal(w.answer.error.code, ERR_NONE);
	assert_true(w.answer.is_error);
	world_close(&w);
}

static void task__of_which_the_server_tells_nonsense_is_cancelled_there(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{GOT("5", "sleeping", ""), "\"sleeping\""},
		{GOT("5", "input_required", ""), "does not say which"},
		{GOT("5", "input_required", ",\"inputRequests\":[]"), "no object"},
		{"{\"id\":5,\"result\":{\"taskId\":\"t-2\",\"status\":\"completed\",\"result\":{}}}",
		 "another task"},
		{"{\"id\":5,\"result\":{}}", "another task"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		task_begun(&w);
		world_pass(&w, 500);
		buf_reset(&w.sent);
		say(&w, cases[i].line);
		assert_int_equal(w.ends, 1);
		assert_non_null(strstr(w.answer.error.msg, cases[i].words));
		sent_like(&w, ABOUT("6", "tasks/cancel"));
		say(&w, "{\"id\":6,\"result\":{\"resultType\":\"complete\"}}");
		assert_null(w.session->requests);
		world_close(&w);
	}
}

static void task__is_cancelled_by_its_name(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = task_begun(&w);
	session_cancel(w.session, id, "enough");
	sent_like(&w, ABOUT("5", "tasks/cancel"));
	say(&w, "{\"id\":5,\"result\":{\"resultType\":\"complete\"}}");
	world_pass(&w, 60000);
	sent_is(&w, "");
	assert_int_equal(w.ends, 0);
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__that_crosses_the_cancellation_of_its_call_is_cancelled_too(void **state)
{
	struct world w = {0};
	(void)state;
	tasks_ready(&w);
	session_cancel(w.session, call(&w, "{}"), "enough");
	buf_reset(&w.sent);
	say(&w, CREATED("3", "working", ""));
	sent_like(&w, ABOUT("4", "tasks/cancel"));
	say(&w, "{\"id\":4,\"error\":{\"code\":-32602,\"message\":\"Task not found\"}}");
	say(&w, "{\"id\":3,\"result\":{\"resultType\":\"complete\",\"taskId\":\"t-1\"}}");
	say(&w, "{\"id\":3,\"result\":{\"resultType\":\"task\",\"taskId\":7}}");
	sent_is(&w, "");
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__is_no_answer_to_anything_else(void **state)
{
	struct error e;
	struct world w = {0};
	struct request_handler h = {.on_end = told_end, .arg = &w};
	(void)state;
	tasks_ready(&w);
	session_request(w.session, session_method("prompts/get"), SLICE_LIT("{\"name\":\"p\"}"), h, &e);
	say(&w, CREATED("3", "working", ""));
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "prompts/get with a task"));
	call(&w, "{}");
	say(&w, "{\"id\":4,\"result\":{\"resultType\":\"task\",\"taskId\":\"\",\"status\":\"working\"}}");
	assert_int_equal(w.ends, 2);
	assert_non_null(strstr(w.answer.error.msg, "no name"));
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__may_come_from_who_has_the_extension_only(void **state)
{
	struct world w;
	(void)state;
	modern_ready(&w, false);
	call(&w, "{}");
	assert_null(strstr(buf_cstr(&w.sent), TASK_EXTENSION));
	buf_reset(&w.sent);
	say(&w, CREATED("3", "working", ""));
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "has not declared the extension"));
	sent_is(&w, "");
	world_close(&w);
	/* Over HTTP a server may not say what it has. */
	modern_open(&w, true);
	say(&w, "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}");
	say(&w, "{\"id\":2,\"result\":{\"tools\":[" TOOL("a") "]}}");
	call(&w, "{}");
	assert_non_null(strstr(buf_cstr(&w.sent), "\"extensions\":{\"" TASK_EXTENSION "\":{}}"));
	say(&w, CREATED("3", "working", ""));
	assert_int_equal(w.ends, 0);
	world_close(&w);
}

static void task__is_told_to_who_demands_the_extension_once(void **state)
{
	static const char demands[] =
		"{\"id\":%d,\"error\":{\"code\":-32021,\"message\":\"no\",\"data\":{"
		"\"requiredCapabilities\":{\"extensions\":{\"" TASK_EXTENSION "\":{}}}}}}";
	struct world w;
	(void)state;
	modern_ready(&w, false);
	call(&w, "{}");
	buf_reset(&w.sent);
	for (int id = 3; id < 5; id++) {
		char *line = xasprintf(demands, id);
		assert_int_equal(w.ends, 0);
		say(&w, line);
		free(line);
	}
	assert_non_null(strstr(buf_cstr(&w.sent), "\"id\":4,\"method\":\"tools/call\""));
	assert_non_null(strstr(buf_cstr(&w.sent), "\"extensions\":{\"" TASK_EXTENSION "\":{}}"));
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "what this client does not offer"));
	call(&w, "{}");
	say(&w, CREATED("5", "working", ""));
	assert_int_equal(w.ends, 1);
	world_close(&w);
}

static void task__is_told_in_headers(void **state)
{
	struct world w = {.has_headers = true};
	(void)state;
	tasks_ready(&w);
	uint64_t id = call(&w, "{}");
	buf_reset(&w.headers);
	say(&w, CREATED("3", "working", ",\"pollIntervalMs\":500"));
	assert_string_equal(buf_cstr(&w.headers), "Mcp-Method: subscriptions/listen\n");
	buf_reset(&w.headers);
	world_pass(&w, 500);
	assert_string_equal(buf_cstr(&w.headers), "Mcp-Method: tasks/get\nMcp-Name: t-1\n");
	buf_reset(&w.headers);
	session_cancel(w.session, id, "enough");
	assert_string_equal(buf_cstr(&w.headers), "Mcp-Method: tasks/cancel\nMcp-Name: t-1\n");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task__is_polled_until_its_status_holds_the_result),
		cmocka_unit_test(task__that_begins_with_more_than_work_is_asked_at_once),
		cmocka_unit_test(task__ends_as_the_server_says),
		cmocka_unit_test(task__whose_result_is_an_error_of_the_tool_is_completed),
		cmocka_unit_test(task__of_which_the_server_tells_nonsense_is_cancelled_there),
		cmocka_unit_test(task__is_cancelled_by_its_name),
		cmocka_unit_test(task__that_crosses_the_cancellation_of_its_call_is_cancelled_too),
		cmocka_unit_test(task__is_no_answer_to_anything_else),
		cmocka_unit_test(task__may_come_from_who_has_the_extension_only),
		cmocka_unit_test(task__is_told_to_who_demands_the_extension_once),
		cmocka_unit_test(task__is_told_in_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
