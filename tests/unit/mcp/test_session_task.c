/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that a server runs as tasks: asked for, polled, asked back, cancelled, and ended once. */
#include "tests/unit/mcp/session_world.h"
#include "mcp/session_int.h"

#define OFFERS "\"tools\":{},\"tasks\":{\"requests\":{\"tools\":{\"call\":{}}}}"
#define TASK_TOOL(name, support) \
	"{\"name\":\"" name      \
	"\",\"inputSchema\":{\"type\":\"object\"},\"execution\":{\"taskSupport\":\"" support "\"}}"
#define STATUS(status, more)  "\"taskId\":\"t-1\",\"status\":\"" status "\"" more
#define CREATED(status, more) "{\"id\":3,\"result\":{\"task\":{" STATUS(status, more) "}}}"
#define GOT(id, status, more) "{\"id\":" id ",\"result\":{" STATUS(status, more) "}}"
#define ASKS(id, method) \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{\"taskId\":\"t-1\"}}\n"

static void world_with(struct world *w, const char *capabilities, const char *tool)
{
	char line[512];
	*w = (struct world){.takes_asks = true};
	world_open(w);
	snprintf(line, sizeof(line),
		 "{\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{%s},"
		 "\"serverInfo\":{\"name\":\"n\",\"version\":\"v\"}}}",
		 capabilities);
	say(w, line);
	snprintf(line, sizeof(line), "{\"id\":2,\"result\":{\"tools\":[%s]}}", tool);
	say(w, line);
	assert_int_equal(w->ready, 1);
	buf_reset(&w->sent);
}

/* A call whose task has begun. */
static uint64_t task_world(struct world *w)
{
	world_with(w, OFFERS, TASK_TOOL("a", "required"));
	uint64_t id = call(w, "{}");
	say(w, CREATED("working", ",\"pollInterval\":500"));
	buf_reset(&w->sent);
	return id;
}

static void task__is_what_a_tool_that_demands_it_is_called_as(void **state)
{
	struct world w;
	(void)state;
	world_with(&w, OFFERS, TASK_TOOL("a", "required"));
	call(&w, "{}");
	assert_non_null(strstr(buf_cstr(&w.sent), "\"task\":{\"ttl\":600000}"));
	world_close(&w);
	static const char *const plain[][2] = {{OFFERS, TASK_TOOL("a", "optional")},
					       {OFFERS, TASK_TOOL("a", "forbidden")},
					       {OFFERS, TOOL("a")},
					       {"\"tools\":{},\"tasks\":{}", TASK_TOOL("a", "required")}};
	for (size_t i = 0; i < COUNT_OF(plain); i++) {
		world_with(&w, plain[i][0], plain[i][1]);
		call(&w, "{}");
		assert_null(strstr(buf_cstr(&w.sent), "ttl"));
		world_close(&w);
	}
}

static void task__is_polled_until_it_ends_and_then_asked_for_its_result(void **state)
{
	struct world w;
	(void)state;
	task_world(&w);
	assert_int_equal(w.ends, 0);
	world_pass(&w, 499);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_is(&w, ASKS("4", "tasks/get"));
	world_pass(&w, 60000); /* one at a time */
	sent_is(&w, "");
	say(&w, GOT("4", "working", ",\"pollInterval\":500"));
	world_pass(&w, 500);
	sent_is(&w, ASKS("5", "tasks/get"));
	say(&w, GOT("5", "completed", ""));
	sent_is(&w, ASKS("6", "tasks/result"));
	world_pass(&w, 60000);
	sent_is(&w, "");
	say(&w, "{\"id\":6,\"result\":{\"content\":[]}}");
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.answer.error.code, ERR_NONE);
	assert_string_equal(buf_cstr(&w.result), "{\"content\":[]}");
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__has_an_interval_within_bounds(void **state)
{
	struct world w;
	(void)state;
	task_world(&w);
	world_pass(&w, 500);
	say(&w, GOT("4", "working", ",\"pollInterval\":0"));
	buf_reset(&w.sent);
	world_pass(&w, 99);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_is(&w, ASKS("5", "tasks/get"));
	say(&w, GOT("5", "working", ",\"pollInterval\":99999999999999999999"));
	world_pass(&w, 29999);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_is(&w, ASKS("6", "tasks/get"));
	world_close(&w);
}

static void task__tells_progress_when_its_status_changes(void **state)
{
	struct world w;
	(void)state;
	task_world(&w);
	int before = w.progress;
	world_pass(&w, 500);
	say(&w, GOT("4", "working", ",\"statusMessage\":\"half\",\"pollInterval\":500"));
	assert_int_equal(w.progress, before + 1);
	world_pass(&w, 500);
	say(&w, GOT("5", "working", ",\"statusMessage\":\"half\",\"pollInterval\":500"));
	assert_int_equal(w.progress, before + 1);
	say(&w, "{\"method\":\"notifications/tasks/status\",\"params\":{" STATUS(
			"working", ",\"statusMessage\":\"all\"") "}}");
	assert_int_equal(w.progress, before + 2);
	world_close(&w);
}

static void task__may_be_told_of_before_it_has_a_name(void **state)
{
	struct world w;
	(void)state;
	world_with(&w, OFFERS, TASK_TOOL("a", "required"));
	call(&w, "{}");
	buf_reset(&w.sent);
	say(&w, "{\"method\":\"notifications/tasks/status\",\"params\":{" STATUS("completed", "") "}}");
	sent_is(&w, "");
	say(&w, CREATED("completed", ""));
	sent_is(&w, ASKS("4", "tasks/result"));
	say(&w, "{\"method\":\"notifications/tasks/status\",\"params\":{" STATUS("completed", "") "}}");
	say(&w, "{\"id\":4,\"result\":{}}");
	assert_int_equal(w.ends, 1);
	sent_is(&w, "");
	world_close(&w);
}

static void task__that_wants_input_asks_in_the_course_of_its_call(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = task_world(&w);
	call(&w, "{}"); /* another: by the task's name it is told apart */
	buf_reset(&w.sent);
	say(&w, "{\"method\":\"notifications/tasks/status\",\"params\":{" STATUS("input_required", "") "}}");
	sent_is(&w, ASKS("5", "tasks/result"));
	say(&w, "{\"id\":0,\"method\":\"elicitation/"
		"create\",\"params\":{\"message\":\"?\",\"_meta\":{\"" ASK_RELATED_TASK
		"\":{\"taskId\":\"t-1\"}}}}");
	assert_int_equal(w.asks, 1);
	assert_int_equal(w.ask->request_id, id);
	session_ask_answer(w.ask, SLICE_LIT("{\"action\":\"accept\"}"));
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"_meta\":{\"" ASK_RELATED_TASK
		    "\":{\"taskId\":\"t-1\"}},\"action\":\"accept\"}}\n");
	/* Over HTTP it comes on the stream of tasks/result. */
	session_receive(w.session, SLICE_LIT("{\"id\":1,\"method\":\"elicitation/create\",\"params\":{}}"),
			5);
	assert_int_equal(w.ask->request_id, id);
	/* Of a task that is none of ours it belongs to nobody. */
	say(&w, "{\"id\":2,\"method\":\"elicitation/create\",\"params\":{\"_meta\":{\"" ASK_RELATED_TASK
		"\":{\"taskId\":\"t-2\"}}}}");
	assert_int_equal(w.ask->request_id, 0);
	session_ask_refuse(w.ask, ASK_REJECTED, "no");
	say(&w, "{\"id\":5,\"result\":{\"isError\":true,\"content\":[]}}");
	assert_int_equal(w.ends, 1);
	assert_true(w.answer.is_error);
	assert_int_equal(w.asks_over, 1);
	world_close(&w);
}

static void task__is_cancelled_by_its_name(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = task_world(&w);
	world_pass(&w, 500);
	buf_reset(&w.sent);
	session_cancel(w.session, id, "enough");
	sent_is(&w, ASKS("5", "tasks/cancel"));
	say(&w, GOT("4", "working", "")); /* crossed */
	say(&w, GOT("5", "cancelled", ""));
	world_pass(&w, 60000);
	sent_is(&w, "");
	assert_int_equal(w.ends, 0);
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__that_a_server_does_not_cancel_is_left_alone(void **state)
{
	char line[128];
	struct world w;
	(void)state;
	world_with(&w, OFFERS, TASK_TOOL("a", "required"));
	for (size_t i = 0; i < 65; i++) {
		uint64_t id = call(&w, "{}");
		snprintf(line, sizeof(line),
			 "{\"id\":%llu,\"result\":{\"task\":{" STATUS("working", "") "}}}",
			 (unsigned long long)id);
		say(&w, line);
		buf_reset(&w.sent);
		session_cancel(w.session, id, "enough");
	}
	sent_is(&w, "");
	assert_int_equal(w.session->cancels, 64);
	say(&w, "{\"id\":4,\"result\":{}}");
	assert_int_equal(w.session->cancels, 63);
	world_close(&w);
}

static void task__cancelled_without_a_name_is_waited_for(void **state)
{
	struct world w;
	(void)state;
	world_with(&w, OFFERS, TASK_TOOL("a", "required"));
	uint64_t id = call(&w, "{}");
	buf_reset(&w.sent);
	session_cancel(w.session, id, "enough");
	sent_is(&w, "");
	say(&w, CREATED("working", ""));
	sent_is(&w, ASKS("4", "tasks/cancel"));
	say(&w, GOT("4", "cancelled", ""));
	assert_null(w.session->requests);
	session_cancel(w.session, call(&w, "{}"), "enough");
	world_pass(&w, 30000);
	assert_null(w.session->requests);
	assert_int_equal(w.session->nameless, 0);
	assert_int_equal(w.ends, 0);
	world_close(&w);
}

static void task__fails_with_what_is_wrong(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{GOT("4", "cancelled", ",\"statusMessage\":\"too dear\""), "too dear"},
		{GOT("4", "sleeping", ""), "\"sleeping\""},
		{"{\"id\":4,\"result\":{}}", "status \"\""},
		{"{\"id\":4,\"error\":{\"code\":-32602,\"message\":\"no such task\"}}", "tasks/get: "},
	};
	struct world w;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		task_world(&w);
		world_pass(&w, 500);
		say(&w, cases[i].line);
		assert_int_equal(w.ends, 1);
		assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
		assert_non_null(strstr(w.answer.error.msg, cases[i].words));
		assert_null(w.session->requests);
		world_close(&w);
	}
}

static void task__needs_a_name_and_may_be_no_task_after_all(void **state)
{
	struct world w;
	(void)state;
	world_with(&w, OFFERS, TASK_TOOL("a", "required"));
	call(&w, "{}");
	say(&w, "{\"id\":3,\"result\":{\"task\":{\"taskId\":7,\"status\":\"working\"}}}");
	assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
	call(&w, "{}");
	say(&w, "{\"id\":4,\"result\":{\"content\":[1]}}");
	assert_int_equal(w.ends, 2);
	assert_string_equal(buf_cstr(&w.result), "{\"content\":[1]}");
	call(&w, "{}");
	say(&w, "{\"id\":5,\"error\":{\"code\":-32601,\"message\":\"no\"}}");
	assert_int_equal(w.ends, 3);
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__outlives_a_lost_answer_but_not_all_of_them(void **state)
{
	struct link_failure f = {.sent = false};
	struct world w;
	(void)state;
	task_world(&w);
	for (f.id = 4; f.id < 8; f.id++) {
		assert_int_equal(w.ends, 0);
		world_pass(&w, 500);
		err_set(&f.why, ERR_LOST, "cut");
		session_failed(w.session, &f);
	}
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.answer.error.code, ERR_LOST);
	assert_false(w.answer.unsent); /* the call itself was */
	world_close(&w);
	task_world(&w);
	world_pass(&w, 500);
	w.deaf = true;
	say(&w, GOT("4", "completed", ""));
	assert_int_equal(w.ends, 1);
	assert_null(w.session->requests);
	world_close(&w);
	task_world(&w); /* with its session */
	world_pass(&w, 500);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task__is_what_a_tool_that_demands_it_is_called_as),
		cmocka_unit_test(task__is_polled_until_it_ends_and_then_asked_for_its_result),
		cmocka_unit_test(task__has_an_interval_within_bounds),
		cmocka_unit_test(task__tells_progress_when_its_status_changes),
		cmocka_unit_test(task__may_be_told_of_before_it_has_a_name),
		cmocka_unit_test(task__that_wants_input_asks_in_the_course_of_its_call),
		cmocka_unit_test(task__is_cancelled_by_its_name),
		cmocka_unit_test(task__that_a_server_does_not_cancel_is_left_alone),
		cmocka_unit_test(task__cancelled_without_a_name_is_waited_for),
		cmocka_unit_test(task__fails_with_what_is_wrong),
		cmocka_unit_test(task__needs_a_name_and_may_be_no_task_after_all),
		cmocka_unit_test(task__outlives_a_lost_answer_but_not_all_of_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
