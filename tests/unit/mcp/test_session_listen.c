/* SPDX-License-Identifier: Apache-2.0 */
/* How the list of tools stays fresh on the modern wire: the subscription, its ends, and ttlMs without one. */
#include "tests/unit/mcp/modern_world.h"

#include <stdlib.h>

#define TELLS                                                                             \
	"{\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{" \
	"\"tools\":{\"listChanged\":true}}}}"
#define TELLS_PROMPTS                                                                     \
	"{\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{" \
	"\"tools\":{},\"prompts\":{\"listChanged\":true}}}}"
#define LISTEN(id) \
	MODERN_REQUEST(id, "subscriptions/listen", "\"notifications\":{\"toolsListChanged\":true},")
#define NOTE(method, id, more)                                                           \
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/" method "\",\"params\":{" more \
	"\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":" id "}}}"
#define ACK(id)     NOTE("subscriptions/acknowledged", id, "\"notifications\":{\"toolsListChanged\":true},")
#define CHANGED(id) NOTE("tools/list_changed", id, "")
#define LISTED(id, more) \
	"{\"id\":" id ",\"result\":{\"resultType\":\"complete\"," more "\"tools\":[" TOOL("a") "]}}"

/* Listening with request 2, listed with 3. */
static void listening(struct world *w)
{
	modern_open(w, false);
	buf_reset(&w->sent);
	say(w, TELLS);
	sent_is(w, LISTEN("2") MODERN_REQUEST("3", "tools/list", ""));
	say(w, LISTED("3", "\"ttlMs\":60000,"));
	assert_int_equal(w->ready, 1);
}

static bool list_was_sent(struct world *w)
{
	bool sent = strstr(buf_cstr(&w->sent), "\"tools/list\"") != NULL;
	buf_reset(&w->sent);
	return sent;
}

static void listen__is_not_asked_of_a_server_that_tells_nothing(void **state)
{
	struct world w;
	(void)state;
	modern_ready(&w, false);
	world_pass(&w, 1000000);
	sent_is(&w, "");
	world_close(&w);
}

static void listen__changes_are_fetched_when_they_are_of_this_subscription(void **state)
{
	struct world w;
	(void)state;
	listening(&w);
	say(&w, CHANGED("2")); /* before the acknowledgement */
	world_pass(&w, 300);
	assert_false(list_was_sent(&w));
	say(&w, ACK("2"));
	say(&w, CHANGED("7"));
	say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
	say(&w, CHANGED("null"));
	world_pass(&w, 300);
	assert_false(list_was_sent(&w));
	say(&w, CHANGED("2"));
	world_pass(&w, 300);
	assert_true(list_was_sent(&w));
	world_close(&w);
}

static void listen__tells_of_other_lists_too(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, false);
	buf_reset(&w.sent);
	say(&w, TELLS_PROMPTS);
	sent_is(&w, MODERN_REQUEST("2", "subscriptions/listen",
				   "\"notifications\":{\"promptsListChanged\":true},")
			    MODERN_REQUEST("3", "tools/list", "") MODERN_REQUEST("4", "prompts/list", ""));
	say(&w, LISTED("3", ""));
	say(&w, "{\"id\":4,\"result\":{\"resultType\":\"complete\",\"prompts\":[]}}");
	assert_int_equal(w.ready, 1);
	session_list_refresh(w.session, LIST_PROMPTS);
	sent_is(&w, "");
	say(&w, NOTE("subscriptions/acknowledged", "2", "\"notifications\":{\"promptsListChanged\":true},"));
	say(&w, NOTE("prompts/list_changed", "2", ""));
	world_pass(&w, 300);
	sent_is(&w, MODERN_REQUEST("5", "prompts/list", ""));
	say(&w, "{\"id\":5,\"result\":{\"resultType\":\"complete\",\"prompts\":[]}}");
	/* Its changes are told: looking at it does not ask for it. */
	world_pass(&w, 100000);
	session_list_refresh(w.session, LIST_PROMPTS);
	sent_is(&w, "");
	world_close(&w);
}

static void listen__while_it_tells_of_tools_the_clock_does_not_count(void **state)
{
	struct world w;
	(void)state;
	listening(&w);
	say(&w, ACK("2"));
	world_pass(&w, 10000000);
	sent_is(&w, "");
	world_close(&w);
}

static void listen__that_grants_no_tools_leaves_it_to_the_clock(void **state)
{
	struct world w;
	(void)state;
	listening(&w);
	say(&w, NOTE("subscriptions/acknowledged", "2", "\"notifications\":{\"promptsListChanged\":true},"));
	world_pass(&w, 59000);
	assert_false(list_was_sent(&w));
	world_pass(&w, 16000);
	world_pass(&w, 300);
	assert_true(list_was_sent(&w));
	world_close(&w);
}

static void listen__that_is_dropped_is_opened_again_later_each_time(void **state)
{
	struct world w;
	struct link_failure f = {.id = 2, .sent = true};
	(void)state;
	listening(&w);
	say(&w, ACK("2"));
	err_set(&f.why, ERR_LOST, "cut");
	session_failed(w.session, &f);
	world_pass(&w, 999);
	sent_is(&w, "");
	world_pass(&w, 251);
	sent_is(&w, LISTEN("4"));
	f.id = 4;
	session_failed(w.session, &f);
	world_pass(&w, 1999);
	sent_is(&w, "");
	world_pass(&w, 501);
	sent_is(&w, LISTEN("5"));
	say(&w, ACK("5"));
	world_pass(&w, 300);
	assert_true(list_was_sent(&w)); /* what changed meanwhile was not told */
	world_close(&w);
}

static void listen__that_ends_properly_is_opened_after_a_while(void **state)
{
	(void)state;
	for (int by_notification = 0; by_notification < 2; by_notification++) {
		struct world w;
		listening(&w);
		say(&w, ACK("2"));
		say(&w, by_notification
				? "{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":2}}"
				: "{\"id\":2,\"result\":{\"resultType\":\"complete\"}}");
		world_pass(&w, 59000);
		assert_null(strstr(buf_cstr(&w.sent), "listen"));
		world_pass(&w, 17000);
		assert_non_null(strstr(buf_cstr(&w.sent), "listen"));
		world_close(&w);
	}
}

static void listen__without_acknowledgement_is_given_up_and_tried_again(void **state)
{
	struct world w;
	(void)state;
	listening(&w);
	world_pass(&w, 30000);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":2,"
		    "\"reason\":\"not acknowledged\"}}\n");
	world_pass(&w, 1250);
	sent_is(&w, LISTEN("4"));
	world_close(&w);
}

static void listen__that_is_not_offered_is_not_asked_for_again(void **state)
{
	struct world w;
	(void)state;
	listening(&w);
	say(&w, "{\"id\":2,\"error\":{\"code\":-32601,\"message\":\"no\"}}");
	for (int i = 0; i < 20; i++)
		world_pass(&w, 50000);
	assert_null(strstr(buf_cstr(&w.sent), "listen"));
	assert_true(list_was_sent(&w));
	world_close(&w);
}

static void fresh__a_list_is_fetched_when_its_time_is_over_not_before(void **state)
{
	static const struct {
		const char *ttl;
		int64_t from_ms, to_ms; /* 0: never */
	} cases[] = {
		{"", 0, 0},
		{"\"ttlMs\":0,", 0, 0},
		{"\"ttlMs\":-5,", 0, 0},
		{"\"ttlMs\":\"1\",", 0, 0},
		{"\"ttlMs\":1,", 60000, 75300},
		{"\"ttlMs\":600000,", 600000, 750300},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		modern_open(&w, false);
		say(&w, DISCOVERED);
		char *line = xasprintf("{\"id\":2,\"result\":{%s\"tools\":[]}}", cases[i].ttl);
		say(&w, line);
		free(line);
		buf_reset(&w.sent);
		world_pass(&w, cases[i].to_ms ? cases[i].from_ms - 1 : 100000000);
		world_pass(&w, 0);
		assert_false(list_was_sent(&w));
		if (cases[i].to_ms) {
			world_pass(&w, cases[i].to_ms - cases[i].from_ms - 300);
			world_pass(&w, 301);
			assert_true(list_was_sent(&w));
		}
		world_close(&w);
	}
}

static void fresh__a_list_that_is_looked_at_is_asked_for_when_its_time_is_over(void **state)
{
	static const struct {
		const char *ttl;
		int64_t fresh_ms;
	} cases[] = {
		{"", 5000}, {"\"ttlMs\":0,", 5000}, {"\"ttlMs\":4999,", 5000}, {"\"ttlMs\":20000,", 20000}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		modern_open(&w, false);
		say(&w, "{\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{"
			"\"prompts\":{}}}}");
		char *line = xasprintf("{\"id\":2,\"result\":{%s\"prompts\":[]}}", cases[i].ttl);
		say(&w, line);
		assert_int_equal(w.ready, 1);
		buf_reset(&w.sent);
		world_pass(&w, cases[i].fresh_ms - 1);
		session_list_refresh(w.session, LIST_PROMPTS);
		sent_is(&w, "");
		world_pass(&w, 1);
		session_list_refresh(w.session, LIST_PROMPTS);
		sent_is(&w, MODERN_REQUEST("3", "prompts/list", ""));
		/* One that could not be read is not fresh, whatever the last one was. */
		say(&w, "{\"id\":3,\"error\":{\"code\":-32603,\"message\":\"not now\"}}");
		world_pass(&w, 5000);
		session_list_refresh(w.session, LIST_PROMPTS);
		sent_is(&w, MODERN_REQUEST("4", "prompts/list", ""));
		free(line);
		world_close(&w);
	}
}

static void fresh__a_list_that_fails_is_asked_for_less_often(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, false);
	say(&w, DISCOVERED);
	say(&w, LISTED("2", "\"ttlMs\":60000,"));
	world_pass(&w, 75000);
	world_pass(&w, 300);
	assert_true(list_was_sent(&w));
	say(&w, "{\"id\":3,\"error\":{\"code\":-32603,\"message\":\"not now\"}}");
	world_pass(&w, 119000);
	world_pass(&w, 300);
	assert_false(list_was_sent(&w));
	world_pass(&w, 31000);
	world_pass(&w, 300);
	assert_true(list_was_sent(&w));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listen__is_not_asked_of_a_server_that_tells_nothing),
		cmocka_unit_test(listen__changes_are_fetched_when_they_are_of_this_subscription),
		cmocka_unit_test(listen__tells_of_other_lists_too),
		cmocka_unit_test(listen__while_it_tells_of_tools_the_clock_does_not_count),
		cmocka_unit_test(listen__that_grants_no_tools_leaves_it_to_the_clock),
		cmocka_unit_test(listen__that_is_dropped_is_opened_again_later_each_time),
		cmocka_unit_test(listen__that_ends_properly_is_opened_after_a_while),
		cmocka_unit_test(listen__without_acknowledgement_is_given_up_and_tried_again),
		cmocka_unit_test(listen__that_is_not_offered_is_not_asked_for_again),
		cmocka_unit_test(fresh__a_list_is_fetched_when_its_time_is_over_not_before),
		cmocka_unit_test(fresh__a_list_that_is_looked_at_is_asked_for_when_its_time_is_over),
		cmocka_unit_test(fresh__a_list_that_fails_is_asked_for_less_often),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
