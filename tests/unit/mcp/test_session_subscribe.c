/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions to resources on both wires: what the server is told, what it tells. */
#include "tests/unit/mcp/modern_world.h"
#include "mcp/session_int.h"

#include <stdlib.h>

#define CAN                                                                                        \
	"{\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}," \
	"\"resources\":{\"subscribe\":true}},\"serverInfo\":{\"name\":\"n\",\"version\":\"v\"}}}"
#define CAN_MODERN                                                                        \
	"{\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{" \
	"\"resources\":{\"subscribe\":true}}}}"
#define ASKS(id, method, uri)                                                                               \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"resources/" method "\",\"params\":{\"uri\":\"" uri \
	"\"}}\n"

/* As pool.c does. */
static void read_of(struct world *w, struct watches *list, const char *uri)
{
	char *dropped;
	if (watches_read(list, uri, 2, &dropped))
		session_watch_changed(w->session, uri, dropped);
	free(dropped);
}

static void handshake_ready(struct world *w, const struct watches *list)
{
	*w = (struct world){0};
	world_open(w);
	session_watch(w->session, list);
	say(w, CAN);
	say(w, "{\"id\":2,\"result\":{\"tools\":[]}}");
	say(w, "{\"id\":3,\"result\":{\"resources\":[]}}");
	buf_reset(&w->sent);
	say(w, "{\"id\":4,\"result\":{\"resourceTemplates\":[]}}");
	assert_int_equal(w->ready, 1);
}

static void subscribe__what_was_read_before_and_later(void **state)
{
	struct world w;
	struct watches list = {0};
	char *dropped;
	(void)state;
	watches_read(&list, "a:1", 2, &dropped);
	handshake_ready(&w, &list);
	sent_is(&w, ASKS("5", "subscribe", "a:1"));
	read_of(&w, &list, "a:2");
	read_of(&w, &list, "a:2");
	sent_is(&w, ASKS("6", "subscribe", "a:2"));
	read_of(&w, &list, "a:3");
	sent_is(&w, ASKS("7", "subscribe", "a:3") ASKS("8", "unsubscribe", "a:1"));
	say(&w, "{\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":7}}");
	assert_string_equal(w.updated, "");
	say(&w, "{\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"a:\\u0033\"}}");
	assert_string_equal(w.updated, "a:3");
	assert_int_equal(w.broken, 0);
	world_close(&w);
	watches_release(&list);
}

/* More than go out unanswered otherwise: those of before are all asked for at once. */
static void subscribe__all_of_before_in_a_new_session(void **state)
{
	struct world w;
	struct watches list = {0};
	char uri[16], *dropped;
	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(uri, sizeof(uri), "a:%d", i);
		watches_read(&list, uri, 50, &dropped);
	}
	handshake_ready(&w, &list);
	assert_non_null(strstr(buf_cstr(&w.sent), ASKS("54", "subscribe", "a:49")));
	assert_true(session_subscribes(w.session));
	world_close(&w);
	watches_release(&list);
}

static void subscribe__not_where_it_is_not_offered(void **state)
{
	struct world w = {0};
	struct watches list = {0};
	(void)state;
	world_ready(&w);
	session_watch(w.session, &list);
	assert_false(session_subscribes(w.session));
	read_of(&w, &list, "a:1");
	sent_is(&w, "");
	world_close(&w);
	watches_release(&list);
}

static void subscribe__gives_up_on_a_server_that_does_not_answer(void **state)
{
	struct world w;
	struct watches list = {0};
	char uri[16];
	(void)state;
	handshake_ready(&w, &list);
	for (int i = 0; i < 40; i++) {
		snprintf(uri, sizeof(uri), "a:%d", i);
		read_of(&w, &list, uri);
	}
	assert_false(session_subscribes(w.session));
	world_close(&w);
	watches_release(&list);
	/* A refusal is an answer. */
	handshake_ready(&w, &list);
	for (int i = 0, id = 5; i < 40; i++) {
		snprintf(uri, sizeof(uri), "a:%d", i);
		read_of(&w, &list, uri);
		for (int sent = i < 2 ? 1 : 2; sent > 0; sent--) {
			char line[100];
			snprintf(line, sizeof(line),
				 "{\"id\":%d,\"error\":{\"code\":-32602,\"message\":\"no\"}}", id++);
			say(&w, line);
		}
	}
	assert_true(session_subscribes(w.session));
	world_close(&w);
	watches_release(&list);
}

static void subscribe__is_part_of_the_one_subscription_of_the_modern_wire(void **state)
{
	struct world w;
	struct watches list = {0};
	(void)state;
	modern_open(&w, false);
	session_watch(w.session, &list);
	buf_reset(&w.sent);
	say(&w, CAN_MODERN);
	say(&w, "{\"id\":2,\"result\":{\"resultType\":\"complete\",\"resources\":[]}}");
	say(&w, "{\"id\":3,\"result\":{\"resultType\":\"complete\",\"resourceTemplates\":[]}}");
	assert_int_equal(w.ready, 1);
	buf_reset(&w.sent);
	read_of(&w, &list, "a:1");
	sent_is(&w, "");
	world_pass(&w, 1000);
	sent_is(&w, MODERN_REQUEST("4", "subscriptions/listen",
				   "\"notifications\":{\"resourceSubscriptions\":[\"a:1\"]},"));
	/* One that comes before the answer is asked for after it. */
	read_of(&w, &list, "a:2");
	world_pass(&w, 1000);
	sent_is(&w, "");
	say(&w, "{\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":{"
		"\"resourceSubscriptions\":[\"a:1\"]},\"_meta\":{\"io.modelcontextprotocol/"
		"subscriptionId\":4}}}");
	say(&w, "{\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"a:9\"}}");
	assert_string_equal(w.updated, "");
	say(&w, "{\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"a:1\",\"_meta\":{"
		"\"io.modelcontextprotocol/subscriptionId\":4}}}");
	assert_string_equal(w.updated, "a:1");
	/* The subscription is made anew. */
	world_pass(&w, 1000);
	assert_non_null(strstr(buf_cstr(&w.sent), "notifications/cancelled"));
	assert_non_null(strstr(buf_cstr(&w.sent), "\"resourceSubscriptions\":[\"a:1\",\"a:2\"]"));
	buf_reset(&w.sent);
	say(&w, "{\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":{},"
		"\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":5}}}");
	world_pass(&w, 100);
	read_of(&w, &list, "a:3");
	world_pass(&w, 1000);
	assert_non_null(strstr(buf_cstr(&w.sent), "\"resourceSubscriptions\":[\"a:3\",\"a:2\"]"));
	world_close(&w);
	watches_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subscribe__what_was_read_before_and_later),
		cmocka_unit_test(subscribe__all_of_before_in_a_new_session),
		cmocka_unit_test(subscribe__not_where_it_is_not_offered),
		cmocka_unit_test(subscribe__gives_up_on_a_server_that_does_not_answer),
		cmocka_unit_test(subscribe__is_part_of_the_one_subscription_of_the_modern_wire),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
