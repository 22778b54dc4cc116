/* SPDX-License-Identifier: Apache-2.0 */
/* What a task of the modern wire wants to know: asked once, answered once, over when it is no longer wanted.
 */
#include "tests/unit/mcp/task_world.h"

#define ACCEPT SLICE_LIT("{\"action\":\"accept\"}")
#define UPDATE(id, responses) \
	ASKED(id, "tasks/update", "\"taskId\":\"t-1\",\"inputResponses\":{" responses "},")
#define ACCEPTED(key) "\"" key "\":{\"action\":\"accept\"}"

/* The next status, which tasks/get brings. */
static void next(struct world *w, const char *line)
{
	world_pass(w, 500);
	buf_reset(&w->sent);
	say(w, line);
	loop_turn(w->loop, 0);
}

static void inputs__are_asked_once_and_answered_once(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = task_begun(&w);
	next(&w, WANTS("5", "{" ELICITS("a") "}"));
	assert_int_equal(w.asks, 1);
	assert_int_equal(w.ask->request_id, id);
	assert_string_equal(w.ask->method, "elicitation/create");
	assert_true(slice_eq_str(w.ask->params, "{\"message\":\"a?\"}"));
	next(&w, WANTS("6", "{" ELICITS("a") "}"));
	assert_int_equal(w.asks, 1);
	session_ask_answer(w.ask, SLICE_LIT("{\"action\":\"decline\"}"));
	sent_is(&w, "");
	loop_turn(w.loop, 0);
	sent_like(&w, UPDATE("7", "\"a\":{\"action\":\"decline\"}"));
	/* The server has not looked at it yet, and then it has. */
	next(&w, WANTS("8", "{" ELICITS("a") "}"));
	say(&w, "{\"id\":7,\"result\":{\"resultType\":\"complete\"}}");
	next(&w, WANTS("9", "{" ELICITS("a") "}"));
	sent_is(&w, "");
	next(&w, WORKING("10"));
	sent_is(&w, "");
	assert_int_equal(w.asks, 1);
	next(&w, DONE("11", ""));
	assert_int_equal(w.ends, 1);
	assert_null(w.session->requests);
	world_close(&w);
}

static void inputs__of_one_status_are_told_together(void **state)
{
	struct world w;
	(void)state;
	task_begun(&w);
	next(&w, WANTS("5", "{" ELICITS("a") "," ELICITS("b") "}"));
	assert_int_equal(w.asks, 2);
	session_ask_answer(w.ask, ACCEPT);
	loop_turn(w.loop, 0);
	sent_is(&w, "");
	session_ask_answer(w.session->asks, ACCEPT);
	loop_turn(w.loop, 0);
	sent_like(&w, UPDATE("6", ACCEPTED("b") "," ACCEPTED("a")));
	say(&w, "{\"id\":6,\"result\":{}}");
	next(&w, WANTS("7", "{" ELICITS("c") "}")); /* the next round */
	session_ask_answer(w.ask, ACCEPT);
	loop_turn(w.loop, 0);
	sent_like(&w, UPDATE("8", ACCEPTED("c")));
	world_close(&w);
}

static void inputs__no_longer_listed_are_over(void **state)
{
	struct world w;
	(void)state;
	task_begun(&w);
	next(&w, WANTS("5", "{" ELICITS("a") "," ELICITS("b") "}"));
	next(&w, WANTS("6", "{" ELICITS("a") "}"));
	assert_int_equal(w.asks_over, 1);
	session_ask_answer(w.session->asks, ACCEPT);
	loop_turn(w.loop, 0);
	sent_like(&w, UPDATE("7", ACCEPTED("a")));
	say(&w, "{\"id\":7,\"result\":{}}");
	next(&w, WANTS("8", "{" ELICITS("b") "}")); /* it was an older status that had it not */
	assert_int_equal(w.asks, 3);
	next(&w, DONE("9", ""));
	assert_int_equal(w.asks_over, 2);
	assert_int_equal(w.ends, 1);
	world_close(&w);
}

static void inputs__refused_end_the_call_and_the_task(void **state)
{
	struct world w;
	(void)state;
	task_begun(&w);
	next(&w,
	     WANTS("5", "{" ELICITS("a") ",\"s\":{\"method\":\"sampling/createMessage\",\"params\":{}}}"));
	session_ask_refuse(w.ask, ASK_REJECTED, "not today");
	loop_turn(w.loop, 0);
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "not today"));
	assert_int_equal(w.asks_over, 1);
	sent_like(&w, ABOUT("6", "tasks/cancel"));
	world_close(&w);
}

static void inputs__that_cannot_be_end_the_call_and_the_task(void **state)
{
	static const struct {
		const char *requests, *why;
	} cases[] = {
		{"{\"k\":{\"method\":\"tools/call\"}}", "\"tools/call\""},
		{"{\"k\":7}", "does not offer"},
		{"{" ELICITS("a") ",\"k\":{\"method\":\"no/such\"}}", "\"no/such\""},
		{"7", "no object"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		task_begun(&w);
		char *line = xasprintf(WANTS("5", "%s"), cases[i].requests);
		next(&w, line);
		free(line);
		assert_int_equal(w.ends, 1);
		assert_non_null(strstr(w.answer.error.msg, cases[i].why));
		assert_int_equal(w.asks, w.asks_over);
		sent_like(&w, ABOUT("6", "tasks/cancel"));
		world_close(&w);
	}
}

static void inputs__have_limits(void **state)
{
	struct world w;
	(void)state;
	task_begun(&w);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(w.ends, 0);
		char *line = xasprintf(
			"{\"id\":%d,\"result\":{" STATUS(
				"input_required",
				",\"pollIntervalMs\":500,"
				"\"inputRequests\":{\"k%d\":{\"method\":\"elicitation/create\"}}") "}}",
			5 + i, i);
		next(&w, line);
		free(line);
	}
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "tools.input_rounds"));
	world_close(&w);
	for (int keys = 64; keys < 66; keys++) {
		struct buf line = BUF_INIT;
		task_begun(&w);
		buf_add_str(&line,
			    "{\"id\":5,\"result\":{" STATUS("input_required", "") ",\"inputRequests\":{");
		for (int i = 0; i < keys; i++)
			buf_printf(&line, "%s\"k%d\":{\"method\":\"roots/list\"}", i ? "," : "", i);
		buf_add_str(&line, "}}}");
		next(&w, buf_cstr(&line));
		assert_int_equal(w.ends, keys > 64);
		assert_int_equal(w.asks, keys > 64 ? 0 : 64);
		buf_release(&line);
		world_close(&w);
	}
	for (int bytes = 1024; bytes < 1026; bytes++) {
		task_begun(&w);
		char *line = xasprintf(WANTS("5", "{\"%0*d\":{\"method\":\"roots/list\"}}"), bytes, 0);
		next(&w, line);
		free(line);
		assert_int_equal(w.ends, bytes > 1024);
		world_close(&w);
	}
}

static void inputs__are_sent_again_when_the_answer_is_lost(void **state)
{
	struct link_failure f = {.id = 6};
	struct world w;
	(void)state;
	err_set(&f.why, ERR_LOST, "cut");
	task_begun(&w);
	next(&w, WANTS("5", "{" ELICITS("a") "}"));
	session_ask_answer(w.ask, ACCEPT);
	loop_turn(w.loop, 0);
	sent_like(&w, UPDATE("6", ACCEPTED("a")));
	for (; f.id < 6 + 2 * TASK_FAILURES_MAX; f.id += 2) {
		char *line = xasprintf(WANTS("%d", "{" ELICITS("a") "}"), (int)f.id + 1);
		session_failed(w.session, &f);
		world_pass(&w, TASK_POLL_MS_MAX);
		next(&w, line);
		free(line);
		assert_non_null(strstr(buf_cstr(&w.sent), "tasks/update"));
		assert_int_equal(w.asks, 1);
	}
	session_failed(w.session, &f);
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "tasks/update"));
	world_close(&w);
}

static void inputs__that_the_server_does_not_take_end_the_call(void **state)
{
	struct world w;
	(void)state;
	task_begun(&w);
	next(&w, WANTS("5", "{" ELICITS("a") "}"));
	session_ask_answer(w.ask, ACCEPT);
	loop_turn(w.loop, 0);
	say(&w, "{\"id\":6,\"error\":{\"code\":-32602,\"message\":\"Task not found\"}}");
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "tasks/update: the server answered with error -32602"));
	world_close(&w);
}

static void inputs__of_a_cancelled_call_are_over(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = task_begun(&w);
	next(&w, WANTS("5", "{" ELICITS("a") "}"));
	session_cancel(w.session, id, "why");
	assert_int_equal(w.asks_over, 1);
	sent_like(&w, ABOUT("6", "tasks/cancel"));
	world_close(&w);
	task_begun(&w); /* and those of a closed session */
	next(&w, WANTS("5", "{" ELICITS("a") "}"));
	session_ask_answer(w.ask, ACCEPT);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inputs__are_asked_once_and_answered_once),
		cmocka_unit_test(inputs__of_one_status_are_told_together),
		cmocka_unit_test(inputs__no_longer_listed_are_over),
		cmocka_unit_test(inputs__refused_end_the_call_and_the_task),
		cmocka_unit_test(inputs__that_cannot_be_end_the_call_and_the_task),
		cmocka_unit_test(inputs__have_limits),
		cmocka_unit_test(inputs__are_sent_again_when_the_answer_is_lost),
		cmocka_unit_test(inputs__that_the_server_does_not_take_end_the_call),
		cmocka_unit_test(inputs__of_a_cancelled_call_are_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
