/* SPDX-License-Identifier: Apache-2.0 */
/* What servers ask: whose it is, one answer each, and what becomes of it when its time is over. */
#include "tests/unit/mcp/session_world.h"
#include "mcp/session_int.h"

#define ELICIT(id)                                                                                      \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"elicitation/create\",\"params\":{\"message\":" \
	"\"who?\"}}"
#define ENDED(id)                                                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":-32000,\"message\":\"the request that " \
	"this belongs to has ended\"}}\n"

static void asking_world(struct world *w)
{
	*w = (struct world){.takes_asks = true};
	world_opened_ready(w);
}

static void ask__belongs_to_the_only_call(void **state)
{
	struct world w;
	(void)state;
	asking_world(&w);
	uint64_t id = call(&w, "{}");
	buf_reset(&w.sent);
	say(&w, ELICIT("0"));
	assert_int_equal(w.asks, 1);
	assert_int_equal(w.ask->request_id, id);
	assert_string_equal(w.ask->method, "elicitation/create");
	assert_true(slice_eq_str(w.ask->params, "{\"message\":\"who?\"}"));
	sent_is(&w, "");
	session_ask_answer(w.ask, SLICE_LIT("{\"action\":\"accept\",\n\"content\":{}}"));
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"action\":\"accept\", \"content\":{}}}\n");
	say(&w, ELICIT("\"zero\""));
	session_ask_refuse(w.ask, ASK_REJECTED, "no");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":\"zero\",\"error\":{\"code\":-1,\"message\":\"no\"}}\n");
	say(&w, "{\"id\":3,\"result\":{}}");
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.asks_over, 0);
	world_close(&w);
}

static void ask__belongs_to_the_stream_that_brought_it(void **state)
{
	struct world w;
	(void)state;
	asking_world(&w);
	call(&w, "{}");
	uint64_t second = call(&w, "{}");
	session_receive(w.session, slice_str(ELICIT("7")), second);
	assert_int_equal(w.ask->request_id, second);
	session_ask_refuse(w.ask, ASK_REJECTED, "no");
	/* Not of the two, and not of one that has ended. */
	session_receive(w.session, slice_str(ELICIT("8")), 0);
	assert_int_equal(w.ask->request_id, 0);
	session_ask_refuse(w.ask, ASK_REJECTED, "no");
	session_receive(w.session, slice_str(ELICIT("9")), 77);
	assert_int_equal(w.ask->request_id, 0);
	session_ask_refuse(w.ask, ASK_REJECTED, "no");
	assert_int_equal(w.asks, 3);
	/* All are of one task: the oldest is taken for it, but not for what came on another's stream. */
	w.session->events.one_task = true;
	say(&w, ELICIT("10"));
	assert_int_equal(w.ask->request_id, second - 1);
	session_ask_refuse(w.ask, ASK_REJECTED, "no");
	session_receive(w.session, slice_str(ELICIT("11")), 77);
	assert_int_equal(w.ask->request_id, 0);
	session_ask_refuse(w.ask, ASK_REJECTED, "no");
	world_close(&w);
}

static void ask__is_over_with_its_request(void **state)
{
	struct world w;
	(void)state;
	asking_world(&w);
	uint64_t first = call(&w, "{}");
	say(&w, ELICIT("1"));
	say(&w, ELICIT("2"));
	buf_reset(&w.sent);
	say(&w, "{\"id\":3,\"result\":{}}");
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.asks_over, 2);
	sent_is(&w, ENDED("2") ENDED("1"));
	first = call(&w, "{}");
	say(&w, ELICIT("5"));
	buf_reset(&w.sent);
	session_cancel(w.session, first, "enough");
	assert_int_equal(w.asks_over, 3);
	sent_is(&w, ENDED("5") "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
			       "cancelled\",\"params\":{\"requestId\":4,\"reason\":\"enough\"}}\n");
	world_close(&w);
}

static void ask__taken_back_is_not_answered(void **state)
{
	struct world w;
	(void)state;
	asking_world(&w);
	call(&w, "{}");
	say(&w, ELICIT("1"));
	buf_reset(&w.sent);
	say(&w, "{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":2}}");
	assert_int_equal(w.asks_over, 0);
	say(&w, "{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}");
	assert_int_equal(w.asks_over, 1);
	say(&w, "{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}");
	assert_int_equal(w.asks_over, 1);
	sent_is(&w, "");
	world_close(&w);
}

static void ask__is_over_with_the_session(void **state)
{
	struct world w;
	(void)state;
	asking_world(&w);
	call(&w, "{}");
	say(&w, ELICIT("1"));
	say(&w, ELICIT("2"));
	session_ask_refuse(w.ask, ASK_REJECTED, "no");
	buf_reset(&w.sent);
	session_close(w.session);
	assert_int_equal(w.asks_over, 1);
	sent_is(&w, "");
	w.session = NULL;
	world_close(&w);
}

static void ask__of_another_kind_is_unknown(void **state)
{
	struct world w;
	(void)state;
	asking_world(&w);
	call(&w, "{}");
	buf_reset(&w.sent);
	say(&w, "{\"id\":1,\"method\":\"elicitation/destroy\"}");
	assert_int_equal(w.asks, 0);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"this client does "
		    "not offer that method\"}}\n");
	say(&w, "{\"id\":2,\"method\":\"roots/list\"}");
	assert_true(slice_eq_str(w.ask->params, "{}"));
	session_ask_answer(w.ask, SLICE_LIT("{\"roots\":[]}"));
	world_close(&w);
}

struct sunk {
	int answers;
	struct buf said;
};

static void sink(const struct ask_reply *answer, void *arg)
{
	struct sunk *k = arg;
	k->answers++;
	buf_reset(&k->said);
	if (answer->result.len)
		buf_add_slice(&k->said, answer->result);
	else
		buf_printf(&k->said, "%d %s", answer->code, answer->message);
}

static void ask__with_a_sink_is_answered_there(void **state)
{
	struct world w;
	struct sunk k = {0};
	(void)state;
	asking_world(&w);
	uint64_t id = call(&w, "{}");
	buf_reset(&w.sent);
	struct ask_origin o = {SLICE_LIT("roots/list"), {0}, {0}, id, {sink, &k}};
	assert_true(session_ask_open(w.session, &o));
	session_ask_answer(w.ask, SLICE_LIT("{\"roots\":[]}"));
	assert_string_equal(buf_cstr(&k.said), "{\"roots\":[]}");
	assert_true(session_ask_open(w.session, &o));
	session_ask_refuse(w.ask, ASK_INVALID, "bad");
	assert_string_equal(buf_cstr(&k.said), "-32602 bad");
	assert_true(session_ask_open(w.session, &o));
	say(&w, "{\"id\":3,\"result\":{}}");
	assert_int_equal(w.asks_over, 1);
	assert_int_equal(k.answers, 2);
	sent_is(&w, "");
	buf_release(&k.said);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ask__belongs_to_the_only_call),
		cmocka_unit_test(ask__belongs_to_the_stream_that_brought_it),
		cmocka_unit_test(ask__is_over_with_its_request),
		cmocka_unit_test(ask__taken_back_is_not_answered),
		cmocka_unit_test(ask__is_over_with_the_session),
		cmocka_unit_test(ask__of_another_kind_is_unknown),
		cmocka_unit_test(ask__with_a_sink_is_answered_there),
	};
	return cmocka_run_group_tests_name("session_ask", tests, NULL, NULL);
}
