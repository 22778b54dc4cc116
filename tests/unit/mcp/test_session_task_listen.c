/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a task as the server tells it: faster than asking, and never in its way. */
#include "tests/unit/mcp/task_world.h"

#define ACK(grants)                                                                                       \
	"{\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":{" grants \
	"},\"_meta\":{\"" SUBSCRIPTION_ID "\":4}}}"
#define GRANTED ACK("\"taskIds\":[\"t-0\",\"t-1\"]")

static uint64_t listening(struct world *w)
{
	*w = (struct world){0};
	tasks_ready(w);
	uint64_t id = call(w, "{}");
	buf_reset(&w->sent);
	say(w, CREATED("3", "working", ",\"pollIntervalMs\":500"));
	sent_like(w, LISTENS("4"));
	return id;
}

/* The server tells; what changed before it did so was asked for. */
static void told(struct world *w)
{
	listening(w);
	say(w, GRANTED);
	world_pass(w, 0);
	sent_like(w, ABOUT("5", "tasks/get"));
	say(w, WORKING("5"));
}

static void listen__is_asked_less_often_while_the_server_tells(void **state)
{
	struct world w;
	(void)state;
	told(&w);
	world_pass(&w, 29999);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_like(&w, ABOUT("6", "tasks/get"));
	say(&w, WORKING("6"));
	int before = w.progress;
	say(&w, TELLS(STATUS("working", ",\"statusMessage\":\"half\"")));
	assert_int_equal(w.progress, before + 1);
	say(&w, TELLS(STATUS("completed", ",\"result\":{\"content\":[]}")));
	assert_int_equal(w.ends, 1);
	assert_string_equal(buf_cstr(&w.result), "{\"content\":[]}");
	sent_is(&w, UNLISTENS);
	assert_null(w.session->requests);
	assert_int_equal(w.session->tasks_listened, 0);
	world_close(&w);
}

static void listen__brings_questions_too_and_outdates_what_is_being_asked(void **state)
{
	struct world w;
	(void)state;
	told(&w);
	world_pass(&w, 30000);
	say(&w, TELLS(STATUS("input_required", ",\"inputRequests\":{" ELICITS("a") "}")));
	assert_int_equal(w.asks, 1);
	say(&w, WORKING("6")); /* from before */
	assert_int_equal(w.asks_over, 0);
	world_close(&w);
}

static void listen__says_nothing_before_it_is_acknowledged_or_of_others(void **state)
{
	struct world w;
	(void)state;
	listening(&w);
	say(&w, TELLS(STATUS("completed", ",\"result\":{}")));
	say(&w, GRANTED);
	say(&w,
	    "{\"method\":\"notifications/tasks\",\"params\":{" STATUS("completed", ",\"result\":{}") "}}");
	say(&w, "{\"method\":\"notifications/tasks\",\"params\":{" STATUS(
			"completed", ",\"result\":{}") ",\"_meta\":{"
						       "\"" SUBSCRIPTION_ID "\":9}}}");
	assert_int_equal(w.ends, 0);
	say(&w, TELLS("\"taskId\":\"t-2\",\"status\":\"completed\",\"result\":{}"));
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "another task"));
	world_close(&w);
}

static void listen__that_is_refused_is_not_asked_for_again(void **state)
{
	static const char *const refusals[] = {
		"{\"id\":4,\"error\":{\"code\":-32601,\"message\":\"no\"}}",
		"{\"id\":4,\"error\":{\"code\":-32602,\"message\":\"no\"}}",
		ACK(""),
		ACK("\"taskIds\":[\"t-2\"]"),
		ACK("\"taskIds\":7"),
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		struct world w;
		listening(&w);
		say(&w, refusals[i]);
		sent_is(&w, i < 2 ? "" : UNLISTENS);
		world_pass(&w, 500);
		sent_like(&w, ABOUT("5", "tasks/get"));
		say(&w, DONE("5", ""));
		assert_int_equal(w.ends, 1);
		call(&w, "{}");
		buf_reset(&w.sent);
		say(&w, CREATED("6", "working", ""));
		sent_is(&w, "");
		world_close(&w);
	}
}

static void listen__that_ends_leaves_asking_as_it_was(void **state)
{
	struct link_failure f = {.id = 4, .sent = true};
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct world w;
		told(&w);
		err_set(&f.why, ERR_LOST, "cut");
		if (how == 0)
			session_failed(w.session, &f);
		else
			say(&w, how == 1 ? "{\"id\":4,\"result\":{\"resultType\":\"complete\"}}"
					 : "{\"method\":\"notifications/"
					   "cancelled\",\"params\":{\"requestId\":4}}");
		world_pass(&w, 500);
		sent_like(&w, ABOUT("6", "tasks/get"));
		say(&w, WORKING("6"));
		world_pass(&w, 500);
		sent_like(&w, ABOUT("7", "tasks/get"));
		assert_int_equal(w.session->tasks_listened, 0);
		assert_false(w.session->tasks_untold);
		world_close(&w);
	}
}

static void listen__ends_with_its_call_and_its_session(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = listening(&w);
	session_cancel(w.session, id, "enough");
	sent_like(&w, UNLISTENS ABOUT("5", "tasks/cancel"));
	world_close(&w);
	w = (struct world){.has_headers = true};
	tasks_ready(&w);
	id = call(&w, "{}");
	say(&w, CREATED("3", "working", ""));
	session_cancel(w.session, id, "enough");
	assert_int_equal(w.cancelled, 4); /* its stream is closed */
	world_close(&w);
	listening(&w);
	world_close(&w);
}

static void listen__has_a_limit(void **state)
{
	struct world w = {0};
	(void)state;
	tasks_ready(&w);
	for (int i = 0; i < 65; i++) {
		uint64_t id = call(&w, "{}");
		char *line = xasprintf("{\"id\":%d,\"result\":{\"resultType\":\"task\",\"taskId\":\"n-%d\","
				       "\"status\":\"working\"}}",
				       (int)id, i);
		buf_reset(&w.sent);
		say(&w, line);
		free(line);
		assert_int_equal(w.sent.len > 0, i < 64);
	}
	assert_int_equal(w.session->tasks_listened, 64);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listen__is_asked_less_often_while_the_server_tells),
		cmocka_unit_test(listen__brings_questions_too_and_outdates_what_is_being_asked),
		cmocka_unit_test(listen__says_nothing_before_it_is_acknowledged_or_of_others),
		cmocka_unit_test(listen__that_is_refused_is_not_asked_for_again),
		cmocka_unit_test(listen__that_ends_leaves_asking_as_it_was),
		cmocka_unit_test(listen__ends_with_its_call_and_its_session),
		cmocka_unit_test(listen__has_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
