/* SPDX-License-Identifier: Apache-2.0 */
/* A session over a link in memory, with a clock of our own: handshake, lists, ids, pings, what breaks it. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

struct world {
	struct link link; /* first */
	struct loop *loop;
	struct session *session;
	struct buf sent; /* lines */
	bool deaf;       /* sending fails */
	int ready, tools_changed, broken, ends, progress;
	struct error why;
	struct answer answer;
	struct buf result;
	int64_t now_ms;
};

static enum err memory_send(struct link *l, struct slice message, struct error *e)
{
	struct world *w = (struct world *)l;
	if (w->deaf)
		return err_set(e, ERR_LOST, "deaf");
	assert_null(memchr(message.ptr, '\n', message.len));
	buf_add_slice(&w->sent, message);
	buf_add_char(&w->sent, '\n');
	return ERR_NONE;
}

static void told_ready(void *arg)
{
	((struct world *)arg)->ready++;
}

static void told_tools(void *arg)
{
	((struct world *)arg)->tools_changed++;
}

static void told_broken(const struct error *why, void *arg)
{
	struct world *w = arg;
	w->broken++;
	w->why = *why;
	session_close(w->session);
	w->session = NULL;
}

static void told_progress(struct slice params, void *arg)
{
	(void)params;
	((struct world *)arg)->progress++;
}

static void told_end(const struct answer *a, void *arg)
{
	struct world *w = arg;
	w->ends++;
	w->answer = *a;
	buf_reset(&w->result);
	buf_add_slice(&w->result, a->result);
}

static const struct link_ops memory_ops = {.send = memory_send};

static void world_pass(struct world *w, int64_t ms)
{
	w->now_ms += ms;
	clock_fake_set(w->now_ms * 1000, w->now_ms);
	loop_turn(w->loop, 0);
}

static void world_open(struct world *w)
{
	struct session_events events = {told_ready, told_tools, told_broken, w};
	bool deaf = w->deaf;
	*w = (struct world){.link = {&memory_ops}, .now_ms = 1000000, .deaf = deaf};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	clock_fake_set(w->now_ms * 1000, w->now_ms);
	w->loop = loop_new();
	w->session = session_open(w->loop, &w->link, "srv", "1.2", 5000, events);
}

static void world_close(struct world *w)
{
	session_close(w->session);
	loop_turn(w->loop, 0);
	loop_free(w->loop);
	buf_release(&w->sent);
	buf_release(&w->result);
	clock_fake_clear();
}

/* What was sent since the last look. */
static void sent_is(struct world *w, const char *text)
{
	assert_string_equal(buf_cstr(&w->sent), text);
	buf_reset(&w->sent);
}

static void say(struct world *w, const char *line)
{
	session_receive(w->session, slice_str(line));
}

#define INITIALIZED                                                                                 \
	"{\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}}," \
	"\"serverInfo\":{\"name\":\"n\",\"version\":\"v\"}}}"
#define TOOL(name) "{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\"}}"

static void world_ready(struct world *w)
{
	w->deaf = false;
	world_open(w);
	say(w, INITIALIZED);
	say(w, "{\"id\":2,\"result\":{\"tools\":[" TOOL("a") "]}}");
	assert_int_equal(w->ready, 1);
	buf_reset(&w->sent);
}

static uint64_t call(struct world *w, const char *arguments)
{
	struct error e;
	struct request_handler h = {told_progress, told_end, w};
	return session_call(w->session, "a", slice_str(arguments), h, &e);
}

static void session__shakes_hands_and_lists(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	sent_is(&w,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
		"\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"agent-runtime\",\"version\":"
		"\"1.2\"}}}\n");
	say(&w, INITIALIZED);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
		    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n");
	say(&w, "{\"id\":2,\"result\":{\"tools\":[" TOOL("a") "],\"nextCursor\":\"x\\\"y\"}}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/"
		    "list\",\"params\":{\"cursor\":\"x\\\"y\"}}\n");
	assert_int_equal(w.ready, 0);
	say(&w, "{\"id\":3,\"result\":{\"tools\":[" TOOL("b") "]}}");
	assert_int_equal(w.ready, 1);
	struct tool_list l = session_tools_take(w.session);
	assert_int_equal(l.count, 2);
	tool_list_release(&l);
	assert_string_equal(session_facts(w.session)->server_name, "n");
	world_close(&w);
}

static void session__without_tools_is_ready_at_once(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	say(&w, "{\"id\":1,\"result\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{}}}");
	assert_int_equal(w.ready, 1);
	world_close(&w);
}

static void session__breaks_on_a_refused_or_foreign_handshake(void **state)
{
	const char *const answers[] = {
		"{\"id\":1,\"error\":{\"code\":-32600,\"message\":\"go away\"}}",
		"{\"id\":1,\"result\":{\"protocolVersion\":\"2026-07-28\"}}",
		"{\"id\":1,\"result\":{}}",
		"{\"id\":1,\"result\":[]}",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct world w = {0};
		world_open(&w);
		say(&w, answers[i]);
		assert_int_equal(w.broken, 1);
		assert_true(strstr(w.why.msg, "go away") || strstr(w.why.msg, "protocol version"));
		world_close(&w);
	}
}

static void session__that_cannot_write_breaks_later_not_at_once(void **state)
{
	struct world w = {.deaf = true};
	(void)state;
	world_open(&w);
	assert_int_equal(w.broken, 0);
	world_pass(&w, 0);
	assert_int_equal(w.broken, 1);
	world_close(&w);
}

static void session_call__is_one_line_with_a_progress_token(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	assert_int_equal(call(&w, "{\r\n\"x\": [1,\n2]}"), 3);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\"name\":\"a\","
		    "\"arguments\":{  \"x\": [1, 2]},\"_meta\":{\"progressToken\":3}}}\n");
	say(&w, "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":3,\"progress\":1}}");
	say(&w, "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":99,\"progress\":1}}");
	say(&w, "{\"method\":\"notifications/progress\"}");
	assert_int_equal(w.progress, 1);
	say(&w, "{\"id\":\"3\",\"result\":{\"content\":[],\"isError\":true}}");
	assert_int_equal(w.ends, 1);
	assert_true(w.answer.is_error);
	assert_string_equal(w.result.data, "{\"content\":[],\"isError\":true}");
	world_close(&w);
}

static void session_call__error_answers_are_worded(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	say(&w, "{\"id\":3,\"error\":{\"code\":-32602,\"message\":\"no \\u00fcse\"}}");
	assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
	assert_non_null(strstr(w.answer.error.msg, "-32602: no \xc3\xbcse"));
	call(&w, "{}");
	say(&w, "{\"id\":4,\"error\":7}");
	assert_int_equal(w.ends, 2);
	assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
	world_close(&w);
}

static void session_cancel__tells_and_ignores_the_late_answer(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	uint64_t id = call(&w, "{}");
	buf_reset(&w.sent);
	session_cancel(w.session, id, "why \"not\"");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":3,"
		    "\"reason\":\"why \\\"not\\\"\"}}\n");
	session_cancel(w.session, id, "again");
	sent_is(&w, "");
	say(&w, "{\"id\":3,\"result\":{}}");
	say(&w, "{\"id\":null,\"error\":{}}");
	say(&w, "{\"id\":3.0,\"result\":{}}");
	say(&w, "{\"id\":99999999999999999999,\"result\":{}}");
	assert_int_equal(w.ends, 0);
	assert_int_equal(session_facts(w.session)->late_answers, 4);
	world_close(&w);
}

static void session__answers_their_requests_with_their_ids(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	buf_reset(&w.sent);
	say(&w, "{\"id\":3,\"method\":\"ping\"}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n");
	say(&w, "{\"id\":\"\\u0033\",\"method\":\"roots/list\"}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0033\",\"error\":{\"code\":-32601,\"message\":\"this "
		    "client "
		    "does not offer that method\"}}\n");
	assert_int_equal(w.ends, 0);
	world_close(&w);
}

static void session__changes_of_the_list_wait_for_a_quiet_moment(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	for (int i = 0; i < 5; i++) {
		say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
		world_pass(&w, 100);
	}
	sent_is(&w, "");
	world_pass(&w, 100);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\"}\n");
	say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
	say(&w, "{\"id\":3,\"result\":{\"tools\":[]}}");
	assert_int_equal(w.tools_changed, 1);
	world_pass(&w, 200);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\"}\n");
	world_close(&w);
}

static void session__failed_refresh_keeps_the_session(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
	world_pass(&w, 200);
	world_pass(&w, 5000);
	assert_int_equal(w.broken, 0);
	say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
	world_pass(&w, 200);
	say(&w, "{\"id\":4,\"error\":{\"code\":-32603,\"message\":\"not now\"}}");
	assert_int_equal(w.broken, 0);
	assert_int_equal(w.tools_changed, 0);
	world_close(&w);
}

static void session__refused_cursor_starts_over_once(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	say(&w, INITIALIZED);
	say(&w, "{\"id\":2,\"result\":{\"tools\":[],\"nextCursor\":\"\"}}");
	buf_reset(&w.sent);
	say(&w, "{\"id\":3,\"error\":{\"code\":-32602,\"message\":\"old cursor\"}}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\"}\n");
	say(&w, "{\"id\":4,\"result\":{\"tools\":[],\"nextCursor\":\"\"}}");
	say(&w, "{\"id\":5,\"error\":{\"code\":-32602,\"message\":\"old cursor\"}}");
	assert_int_equal(w.broken, 1);
	assert_non_null(strstr(w.why.msg, "old cursor"));
	world_close(&w);
}

static void session__endless_pages_are_cut(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	say(&w, INITIALIZED);
	for (int i = 2; !w.ready && i < 1000; i++) {
		struct buf line = BUF_INIT;
		buf_printf(&line, "{\"id\":%d,\"result\":{\"tools\":[],\"nextCursor\":\"again\"}}", i);
		say(&w, line.data);
		buf_release(&line);
	}
	assert_int_equal(w.ready, 1);
	world_close(&w);
}

static void session__pings_when_quiet_and_breaks_without_answer(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	world_pass(&w, 60000); /* heard something in this period */
	sent_is(&w, "");
	world_pass(&w, 60000);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}\n");
	say(&w, "{\"id\":3,\"result\":{}}");
	world_pass(&w, 60000);
	world_pass(&w, 60000);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}\n");
	world_pass(&w, 30000);
	assert_int_equal(w.broken, 1);
	assert_non_null(strstr(w.why.msg, "ping"));
	world_close(&w);
}

static void session__does_not_ping_while_it_owes_an_answer(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	buf_reset(&w.sent);
	for (int i = 0; i < 5; i++)
		world_pass(&w, 60000);
	sent_is(&w, "");
	assert_int_equal(w.broken, 0);
	world_close(&w);
}

static void session_overlong__fails_one_request_or_breaks(void **state)
{
	struct world w = {0};
	struct frame_line line = {.head = SLICE_LIT("{\"result\":{\"a\":\"xx"),
				  .tail = SLICE_LIT("xx\"},\"jsonrpc\":\"2.0\",\"id\":3}"),
				  .bytes = 9999};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	session_overlong(w.session, &line);
	assert_int_equal(w.answer.error.code, ERR_TOO_LARGE);
	line.head = SLICE_LIT("{\"method\":\"notifications/message\",\"params\":");
	session_overlong(w.session, &line);
	assert_int_equal(w.broken, 0);
	line.head = line.tail = SLICE_LIT("no message at all");
	session_overlong(w.session, &line);
	assert_int_equal(w.broken, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session__shakes_hands_and_lists),
		cmocka_unit_test(session__without_tools_is_ready_at_once),
		cmocka_unit_test(session__breaks_on_a_refused_or_foreign_handshake),
		cmocka_unit_test(session__that_cannot_write_breaks_later_not_at_once),
		cmocka_unit_test(session_call__is_one_line_with_a_progress_token),
		cmocka_unit_test(session_call__error_answers_are_worded),
		cmocka_unit_test(session_cancel__tells_and_ignores_the_late_answer),
		cmocka_unit_test(session__answers_their_requests_with_their_ids),
		cmocka_unit_test(session__changes_of_the_list_wait_for_a_quiet_moment),
		cmocka_unit_test(session__failed_refresh_keeps_the_session),
		cmocka_unit_test(session__refused_cursor_starts_over_once),
		cmocka_unit_test(session__endless_pages_are_cut),
		cmocka_unit_test(session__pings_when_quiet_and_breaks_without_answer),
		cmocka_unit_test(session__does_not_ping_while_it_owes_an_answer),
		cmocka_unit_test(session_overlong__fails_one_request_or_breaks),
	};
	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
