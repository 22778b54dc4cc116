/* SPDX-License-Identifier: Apache-2.0 */
/* Results that require input first: what is asked, what is sent again, and what never is. */
#include "tests/unit/mcp/modern_world.h"
#include "mcp/session_int.h"

#include <stdlib.h>

#define REQUIRES(id, more) "{\"id\":" id ",\"result\":{\"resultType\":\"input_required\"" more "}}"
#define ELICITS(key)       "\"" key "\":{\"method\":\"elicitation/create\",\"params\":{\"message\":\"" key "?\"}}"
#define STATE_RAW          "\"{\\\"n\\\":1}\\u00e9\\/\""
#define CALL(id, token, more)                                                                      \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"tools/call\",\"params\":{\"name\":\"a\"," \
	"\"arguments\":{\"x\":1}," more "\"_meta\":{\"progressToken\":" token ","                  \
	"\"agent-runtime/idempotencyKey\":\"t:c1\"," ASKING_META "}}}\n"

static uint64_t asking_call(struct world *w)
{
	*w = (struct world){.era = MCP_ERA_MODERN, .takes_asks = true};
	world_open(w);
	say(w, DISCOVERED);
	say(w, "{\"id\":2,\"result\":{\"tools\":[" TOOL("a") "]}}");
	buf_reset(&w->sent);
	uint64_t id = call(w, "{\"x\":1}");
	assert_int_equal(id, 3);
	buf_reset(&w->sent);
	return id;
}

/* The ask of that message. */
static struct session_ask *asked(struct world *w, const char *message)
{
	for (struct session_ask *a = w->session->asks; a; a = a->next) {
		char *text = xasprintf("{\"message\":\"%s?\"}", message);
		bool is = slice_eq_str(a->params, text);
		free(text);
		if (is)
			return a;
	}
	fail_msg("nothing asked for %s", message);
	return NULL;
}

static void inputs__are_answered_together_with_the_state_as_it_came(void **state)
{
	struct world w;
	(void)state;
	asking_call(&w);
	say(&w, REQUIRES("3", ",\"inputRequests\":{" ELICITS("b") "," ELICITS(
				      "\\u0061") "},\"requestState\":" STATE_RAW));
	assert_int_equal(w.asks, 2);
	assert_int_equal(w.ask->request_id, 3);
	session_ask_answer(asked(&w, "\\u0061"), SLICE_LIT("{\"action\":\"accept\",\"content\":{}}"));
	loop_turn(w.loop, 0);
	sent_is(&w, "");
	session_ask_answer(asked(&w, "b"), SLICE_LIT("{\"action\":\"decline\"}"));
	loop_turn(w.loop, 0);
	sent_like(&w, CALL("4", "3",
			   "\"inputResponses\":{\"b\":{\"action\":\"decline\"},\"\\u0061\":{\"action\":"
			   "\"accept\",\"content\":{}}},\"requestState\":" STATE_RAW ","));
	/* Nothing of it is in what else is sent meanwhile. */
	call(&w, "{\"x\":1}");
	sent_like(&w, CALL("5", "5", ""));
	say(&w, "{\"id\":4,\"result\":{\"resultType\":\"complete\",\"done\":1}}");
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(buf_cstr(&w.result), "done"));
	world_close(&w);
}

static void inputs__of_the_last_round_only_are_sent(void **state)
{
	struct world w;
	(void)state;
	asking_call(&w);
	say(&w, REQUIRES("3", ",\"inputRequests\":{" ELICITS("a") "},\"requestState\":\"one\""));
	session_ask_answer(w.ask, SLICE_LIT("{\"action\":\"cancel\"}"));
	loop_turn(w.loop, 0);
	buf_reset(&w.sent);
	say(&w, REQUIRES("4", ",\"inputRequests\":{" ELICITS("b") "}"));
	session_ask_answer(w.ask, SLICE_LIT("{\"action\":\"decline\"}"));
	loop_turn(w.loop, 0);
	sent_like(&w, CALL("5", "3", "\"inputResponses\":{\"b\":{\"action\":\"decline\"}},"));
	world_close(&w);
}

static void inputs__a_state_alone_is_sent_back_at_once(void **state)
{
	struct world w;
	(void)state;
	asking_call(&w);
	say(&w, REQUIRES("3", ",\"requestState\":\"s\""));
	loop_turn(w.loop, 0);
	sent_like(&w, CALL("4", "3", "\"requestState\":\"s\","));
	assert_int_equal(w.asks, 0);
	world_close(&w);
}

static void inputs__rounds_have_a_limit(void **state)
{
	struct world w;
	(void)state;
	asking_call(&w);
	for (int id = 3; id < 7; id++) {
		char *line = xasprintf(REQUIRES("%d", ",\"requestState\":\"s\""), id);
		assert_int_equal(w.ends, 0);
		say(&w, line);
		free(line);
		loop_turn(w.loop, 0);
	}
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "tools.input_rounds"));
	world_close(&w);
}

static void inputs__one_refusal_ends_the_request_and_the_other_asks(void **state)
{
	struct world w;
	(void)state;
	asking_call(&w);
	say(&w,
	    REQUIRES("3", ",\"inputRequests\":{" ELICITS("a") ",\"s\":{\"method\":"
							      "\"sampling/createMessage\",\"params\":{}}}"));
	assert_string_equal(w.ask->method, "sampling/createMessage");
	session_ask_refuse(w.ask, ASK_REJECTED, "not today");
	assert_int_equal(w.ends, 0);
	loop_turn(w.loop, 0);
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "not today"));
	assert_int_equal(w.asks_over, 1);
	sent_is(&w, "");
	world_close(&w);
}

static void inputs__that_cannot_be_are_errors_of_the_call_alone(void **state)
{
	static const struct {
		const char *more, *why;
	} cases[] = {
		{"", "does not say which"},
		{",\"requestState\":7", "no string"},
		{",\"inputRequests\":[]", "no object"},
		{",\"inputRequests\":{\"k\":{\"method\":\"tools/call\"}}", "\"tools/call\""},
		{",\"inputRequests\":{\"k\":7}", "does not offer"},
		{",\"inputRequests\":{" ELICITS("a") ",\"k\":{\"method\":\"no/such\"}}", "\"no/such\""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		asking_call(&w);
		char *line = xasprintf(REQUIRES("3", "%s"), cases[i].more);
		say(&w, line);
		free(line);
		loop_turn(w.loop, 0);
		assert_int_equal(w.ends, 1);
		assert_non_null(strstr(w.answer.error.msg, cases[i].why));
		assert_int_equal(w.asks, w.asks_over);
		assert_int_equal(w.broken, 0);
		world_close(&w);
	}
}

static void inputs__too_many_at_once_are_refused(void **state)
{
	struct world w;
	struct buf line = BUF_INIT;
	(void)state;
	asking_call(&w);
	buf_add_str(&line, "{\"id\":3,\"result\":{\"resultType\":\"input_required\",\"inputRequests\":{");
	for (int i = 0; i < 65; i++)
		buf_printf(&line, "%s\"k%d\":{\"method\":\"roots/list\"}", i ? "," : "", i);
	buf_add_str(&line, "}}}");
	say(&w, buf_cstr(&line));
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "more than 64"));
	buf_release(&line);
	world_close(&w);
}

static void inputs__of_other_requests_are_not_allowed(void **state)
{
	struct world w;
	(void)state;
	w = (struct world){.era = MCP_ERA_MODERN, .takes_asks = true};
	world_open(&w);
	say(&w, REQUIRES("1", ",\"requestState\":\"s\""));
	assert_int_equal(w.broken, 1);
	assert_non_null(strstr(w.why.msg, "may not need any"));
	world_close(&w);
}

static void inputs__of_a_cancelled_call_are_over(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = asking_call(&w);
	say(&w, REQUIRES("3", ",\"inputRequests\":{" ELICITS("a") "}"));
	session_cancel(w.session, id, "why");
	assert_int_equal(w.asks_over, 1);
	sent_is(&w, ""); /* the server holds nothing of it */
	loop_turn(w.loop, 0);
	sent_is(&w, "");
	world_close(&w);
}

static void inputs__are_forgotten_with_the_session(void **state)
{
	struct world w;
	(void)state;
	asking_call(&w);
	say(&w, REQUIRES("3", ",\"requestState\":\"s\""));
	world_close(&w);
}

/* --- addresses of the handshake wire --- */

#define ADDRESS(n) \
	"{\"mode\":\"url\",\"elicitationId\":\"e" n "\",\"url\":\"https://a.test/" n "\",\"message\":\"m\"}"
#define URLS_ERROR(id, list) \
	"{\"id\":" id ",\"error\":{\"code\":-32042,\"message\":\"locked\",\"data\":" list "}}"
#define URLS(id, list) URLS_ERROR(id, "{\"elicitations\":[" list "]}")
#define PLAIN_CALL(id)                                                                             \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"tools/call\",\"params\":{\"name\":\"a\"," \
	"\"arguments\":{\"x\":1},\"_meta\":{\"progressToken\":3,"                                  \
	"\"agent-runtime/idempotencyKey\":\"t:c1\"}}}\n"
#define COMPLETE(n) \
	"{\"method\":\"notifications/elicitation/complete\",\"params\":{\"elicitationId\":\"" n "\"}}"

static uint64_t locked_call(struct world *w)
{
	*w = (struct world){.takes_asks = true};
	world_opened_ready(w);
	uint64_t id = call(w, "{\"x\":1}");
	sent_is(w, PLAIN_CALL("3"));
	return id;
}

static void urls__are_asked_for_and_the_call_is_sent_again_once_all_are_accepted(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = locked_call(&w);
	say(&w, URLS("3", ADDRESS("0") "," ADDRESS("1")));
	assert_int_equal(w.asks, 2);
	assert_string_equal(w.ask->method, "elicitation/create");
	assert_int_equal(w.ask->request_id, id);
	assert_true(slice_eq_str(w.ask->params, ADDRESS("1")));
	session_ask_answer(w.ask, SLICE_LIT("{\"action\":\"accept\"}"));
	loop_turn(w.loop, 0);
	sent_is(&w, "");
	session_ask_answer(w.session->asks, SLICE_LIT("{\"action\":\"accept\"}"));
	loop_turn(w.loop, 0);
	sent_is(&w, PLAIN_CALL("4"));
	assert_int_equal(w.ends, 0);
	/* Progress goes on under the token of the first. */
	say(&w, "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":3,\"progress\":1}}");
	assert_int_equal(w.progress, 1);
	say(&w, "{\"id\":4,\"result\":{\"done\":1}}");
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.answer.error.code, ERR_NONE);
	assert_non_null(strstr(buf_cstr(&w.result), "done"));
	world_close(&w);
}

static void urls__not_accepted_end_the_call(void **state)
{
	static const char *const actions[] = {"decline", "cancel"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		struct world w;
		locked_call(&w);
		say(&w, URLS("3", ADDRESS("0") "," ADDRESS("1")));
		char *text = xasprintf("{\"action\":\"%s\"}", actions[i]);
		session_ask_answer(w.ask, slice_str(text));
		free(text);
		loop_turn(w.loop, 0);
		assert_int_equal(w.ends, 1);
		assert_int_equal(w.asks_over, 1);
		assert_non_null(strstr(w.answer.error.msg, actions[i]));
		sent_is(&w, "");
		world_close(&w);
	}
}

static void urls__completed_are_accepted(void **state)
{
	struct world w;
	(void)state;
	locked_call(&w);
	say(&w, URLS("3", ADDRESS("0") "," ADDRESS("1")));
	say(&w, COMPLETE("e7"));
	say(&w, "{\"method\":\"notifications/elicitation/complete\"}");
	assert_int_equal(w.asks_over, 0);
	say(&w, COMPLETE("e0"));
	say(&w, COMPLETE("e0"));
	assert_int_equal(w.asks_over, 1);
	loop_turn(w.loop, 0);
	sent_is(&w, "");
	say(&w, COMPLETE("e1"));
	loop_turn(w.loop, 0);
	sent_is(&w, PLAIN_CALL("4"));
	world_close(&w);
}

static void urls__have_as_many_rounds_as_other_input(void **state)
{
	struct world w;
	(void)state;
	locked_call(&w);
	for (int id = 3; id < 7; id++) {
		char *line = xasprintf(URLS("%d", ADDRESS("0")), id);
		assert_int_equal(w.ends, 0);
		say(&w, line);
		free(line);
		say(&w, COMPLETE("e0"));
		loop_turn(w.loop, 0);
	}
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "tools.input_rounds"));
	world_close(&w);
}

static void urls__that_cannot_be_are_errors_of_the_call(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{URLS_ERROR("3", "{}"), "no list"},
		{URLS_ERROR("3", "{\"elicitations\":{}}"), "no list"},
		{URLS("3", ""), "lists no elicitation"},
		{URLS("3", ADDRESS("0") ",7"), "mode url"},
		{URLS("3", "{\"mode\":\"form\"}"), "mode url"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		locked_call(&w);
		say(&w, cases[i].line);
		loop_turn(w.loop, 0);
		assert_int_equal(w.ends, 1);
		assert_non_null(strstr(w.answer.error.msg, cases[i].why));
		assert_int_equal(w.asks, w.asks_over);
		world_close(&w);
	}
}

static void urls__of_a_cancelled_call_are_over(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = locked_call(&w);
	say(&w, URLS("3", ADDRESS("0")));
	session_cancel(w.session, id, "why");
	assert_int_equal(w.asks_over, 1);
	loop_turn(w.loop, 0);
	sent_is(&w, "");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inputs__are_answered_together_with_the_state_as_it_came),
		cmocka_unit_test(inputs__of_the_last_round_only_are_sent),
		cmocka_unit_test(inputs__a_state_alone_is_sent_back_at_once),
		cmocka_unit_test(inputs__rounds_have_a_limit),
		cmocka_unit_test(inputs__one_refusal_ends_the_request_and_the_other_asks),
		cmocka_unit_test(inputs__that_cannot_be_are_errors_of_the_call_alone),
		cmocka_unit_test(inputs__too_many_at_once_are_refused),
		cmocka_unit_test(inputs__of_other_requests_are_not_allowed),
		cmocka_unit_test(inputs__of_a_cancelled_call_are_over),
		cmocka_unit_test(inputs__are_forgotten_with_the_session),
		cmocka_unit_test(urls__are_asked_for_and_the_call_is_sent_again_once_all_are_accepted),
		cmocka_unit_test(urls__not_accepted_end_the_call),
		cmocka_unit_test(urls__completed_are_accepted),
		cmocka_unit_test(urls__have_as_many_rounds_as_other_input),
		cmocka_unit_test(urls__that_cannot_be_are_errors_of_the_call),
		cmocka_unit_test(urls__of_a_cancelled_call_are_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
