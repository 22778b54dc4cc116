/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks of 2025-11-25: asked for, asked back, and their results. */
#include "tests/unit/mcp/handshake_task_world.h"

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

#define URLS(id)                                                                                        \
	"{\"id\":" id ",\"error\":{\"code\":-32042,\"message\":\"locked\",\"data\":{\"elicitations\":[" \
	"{\"mode\":\"url\",\"elicitationId\":\"e\",\"url\":\"https://a.test/\",\"message\":\"m\"}]}}}"

static void task__that_needs_addresses_opened_is_made_again_once_they_are(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = task_world(&w);
	world_pass(&w, 500);
	say(&w, GOT("4", "failed", ""));
	buf_reset(&w.sent);
	say(&w, URLS("5"));
	assert_int_equal(w.asks, 1);
	assert_int_equal(w.ask->request_id, id);
	world_pass(&w, 60000); /* the task that failed is of no interest any more */
	sent_is(&w, "");
	session_ask_answer(w.ask, SLICE_LIT("{\"action\":\"accept\"}"));
	loop_turn(w.loop, 0);
	assert_non_null(strstr(buf_cstr(&w.sent), "\"id\":6,\"method\":\"tools/call\""));
	assert_non_null(strstr(buf_cstr(&w.sent), "\"task\":{\"ttl\":600000}"));
	buf_reset(&w.sent);
	say(&w, "{\"id\":6,\"result\":{\"task\":{\"taskId\":\"t-2\",\"status\":\"completed\"}}}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tasks/"
		    "result\",\"params\":{\"taskId\":\"t-2\"}}\n");
	assert_int_equal(w.ends, 0);
	say(&w, "{\"id\":7,\"result\":{\"content\":[2]}}");
	assert_int_equal(w.ends, 1);
	assert_string_equal(buf_cstr(&w.result), "{\"content\":[2]}");
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__whose_addresses_are_not_opened_ends_with_its_call(void **state)
{
	struct world w;
	(void)state;
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		uint64_t id = task_world(&w);
		world_pass(&w, 500);
		say(&w, GOT("4", "failed", ""));
		say(&w, URLS("5"));
		buf_reset(&w.sent);
		if (cancelled)
			session_cancel(w.session, id, "enough");
		else
			session_ask_answer(w.ask, SLICE_LIT("{\"action\":\"decline\"}"));
		loop_turn(w.loop, 0);
		assert_int_equal(w.ends, !cancelled);
		assert_int_equal(w.asks_over, cancelled);
		if (!cancelled)
			assert_non_null(strstr(w.answer.error.msg, "decline"));
		sent_is(&w, "");
		assert_null(w.session->requests);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task__is_what_a_tool_that_demands_it_is_called_as),
		cmocka_unit_test(task__may_be_told_of_before_it_has_a_name),
		cmocka_unit_test(task__that_wants_input_asks_in_the_course_of_its_call),
		cmocka_unit_test(task__needs_a_name_and_may_be_no_task_after_all),
		cmocka_unit_test(task__that_needs_addresses_opened_is_made_again_once_they_are),
		cmocka_unit_test(task__whose_addresses_are_not_opened_ends_with_its_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
