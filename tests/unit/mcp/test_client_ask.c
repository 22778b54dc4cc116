/* SPDX-License-Identifier: Apache-2.0 */
/* What servers ask, as a worker sees it: answered once, over when the supervisor says so, clocks that stand
 * still meanwhile. */
#include "tests/unit/mcp/client_world.h"

static struct {
	int asks, over;
	uint64_t number;
	char method[32], params[64];
} seen;

static void asked(const struct mcp_ask *ask, void *arg)
{
	(void)arg;
	seen.asks++;
	seen.number = ask->number;
	snprintf(seen.method, sizeof(seen.method), "%s", ask->method);
	snprintf(seen.params, sizeof(seen.params), "%.*s", (int)ask->params.len, ask->params.ptr);
}

static void ask_over(uint64_t number, const char *why, void *arg)
{
	(void)arg;
	assert_string_equal(why, "enough");
	seen.over++;
	seen.number = number;
}

static struct mcp_call *call_asked(struct world *w, uint64_t *id, bool takes)
{
	struct mcp_call_request r = {"s", "t", SLICE_LIT("{}"), "task", 0, true, NULL};
	struct mcp_call_handler h = {.on_end = call_end, .arg = w};
	if (takes) {
		h.on_ask = asked;
		h.on_ask_over = ask_over;
	}
	memset(&seen, 0, sizeof(seen));
	world_open(w);
	supervisor_connect(w);
	struct mcp_call *call = mcp_call_start(w->client, &r, h);
	turns(w);
	*id = frame_last(w, IPC_CALL);
	return call;
}

static void ask_send(struct world *w, uint64_t id, uint64_t number)
{
	struct buf b = BUF_INIT;
	pack_u64(&b, number);
	pack_text(&b, "elicitation/create");
	pack_u32(&b, 0);
	pack_slice(&b, SLICE_LIT("{\"message\":\"who?\"}"));
	frame_send(w, IPC_CALL_ASK, id, &b);
}

static void over_send(struct world *w, uint64_t id, uint64_t number)
{
	struct buf b = BUF_INIT;
	pack_u64(&b, number);
	pack_text(&b, "enough");
	frame_send(w, IPC_CALL_ASK_OVER, id, &b);
}

static void ask__is_answered_once(void **state)
{
	struct world w;
	uint64_t id;
	(void)state;
	struct mcp_call *call = call_asked(&w, &id, true);
	ask_send(&w, id, 9);
	assert_int_equal(seen.asks, 1);
	assert_int_equal(seen.number, 9);
	assert_string_equal(seen.method, "elicitation/create");
	assert_string_equal(seen.params, "{\"message\":\"who?\"}");
	mcp_call_answer(call, 8, SLICE_LIT("{}"));
	turns(&w);
	assert_int_equal(frame_last(&w, IPC_CALL), id);
	mcp_call_answer(call, 9, SLICE_LIT("{}"));
	mcp_call_refuse(call, 9, -1, "twice");
	turns(&w);
	assert_int_equal(frame_last(&w, IPC_CALL_ANSWER), id);
	assert_int_equal(w.frames_count, 3); /* HELLO, CALL, CALL_ANSWER */
	done_send(&w, id, 0, "{}");
	assert_int_equal(w.ends, 1);
	world_close(&w);
}

static void ask__over_is_told_and_cannot_be_answered(void **state)
{
	struct world w;
	uint64_t id;
	(void)state;
	struct mcp_call *call = call_asked(&w, &id, true);
	ask_send(&w, id, 9);
	over_send(&w, id, 9);
	over_send(&w, id, 9);
	over_send(&w, id + 1, 9);
	assert_int_equal(seen.over, 1);
	mcp_call_answer(call, 9, SLICE_LIT("{}"));
	turns(&w);
	assert_int_equal(frame_last(&w, IPC_CALL), id);
	ask_send(&w, id, 10);
	ask_send(&w, id + 1, 10); /* of a call that has ended */
	assert_int_equal(seen.asks, 2);
	mcp_call_cancel(call);
	turns(&w);
	assert_int_equal(frame_last(&w, IPC_CALL_CANCEL), id);
	world_close(&w);
}

static void ask__nobody_takes_is_refused(void **state)
{
	struct world w;
	uint64_t id;
	(void)state;
	call_asked(&w, &id, false);
	ask_send(&w, id, 9);
	assert_int_equal(frame_last(&w, IPC_CALL_ANSWER), id);
	world_close(&w);
}

static void ask__stops_the_clock_of_its_call(void **state)
{
	struct world w;
	uint64_t id;
	(void)state;
	struct mcp_call *call = call_asked(&w, &id, true);
	world_pass(&w, 6000);
	ask_send(&w, id, 1);
	ask_send(&w, id, 2);
	world_pass(&w, 60000);
	mcp_call_answer(call, 1, SLICE_LIT("{}"));
	world_pass(&w, 60000);
	assert_int_equal(w.ends, 0);
	mcp_call_refuse(call, 2, -1, "no");
	world_pass(&w, 3999);
	assert_int_equal(w.ends, 0);
	world_pass(&w, 2);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.end.error.code, ERR_TIMEOUT);
	world_close(&w);
}

static void ask__is_gone_with_the_supervisor(void **state)
{
	struct world w;
	uint64_t id;
	(void)state;
	struct mcp_call *call = call_asked(&w, &id, true);
	ask_send(&w, id, 1);
	ipc_close(w.supervisor);
	w.supervisor = NULL;
	loop_turn(w.loop, 0);
	if (!w.ends)
		mcp_call_answer(call, 1, SLICE_LIT("{}"));
	turns(&w);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.end.error.code, ERR_LOST);
	assert_true(w.end.sent);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ask__is_answered_once),
		cmocka_unit_test(ask__over_is_told_and_cannot_be_answered),
		cmocka_unit_test(ask__nobody_takes_is_refused),
		cmocka_unit_test(ask__stops_the_clock_of_its_call),
		cmocka_unit_test(ask__is_gone_with_the_supervisor),
	};
	return cmocka_run_group_tests_name("client_ask", tests, NULL, NULL);
}
