/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of a session besides that of tools: when they are fetched, what their failures harm, their bounds. */
#include "tests/unit/mcp/session_world.h"
#include "mcp/session_int.h"

#include <stdio.h>

#define RICH                                                                                               \
	"{\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{},"         \
	"\"resources\":{\"listChanged\":true},\"prompts\":{}},\"serverInfo\":{\"name\":\"n\",\"version\":" \
	"\"v\"}}}"
#define TOOLS     "{\"id\":2,\"result\":{\"tools\":[" TOOL("a") "]}}"
#define RESOURCES "{\"id\":3,\"result\":{\"resources\":[{\"uri\":\"a:1\",\"name\":\"n\"}]}}"
#define TEMPLATES "{\"id\":4,\"result\":{\"resourceTemplates\":[{\"uriTemplate\":\"a:{x}\",\"name\":\"n\"}]}}"
#define PROMPTS   "{\"id\":5,\"result\":{\"prompts\":[{\"name\":\"p\"}]}}"

static void rich_open(struct world *w)
{
	world_open(w);
	say(w, RICH);
	buf_reset(&w->sent);
}

static size_t count(struct world *w, enum list_kind kind)
{
	struct item_list l = session_items_take(w->session, kind);
	size_t n = l.count;
	item_list_release(&l);
	return n;
}

static void session__asks_for_what_is_declared_at_once(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	buf_reset(&w.sent);
	say(&w, RICH);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
		    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n"
		    "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"resources/list\"}\n"
		    "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"resources/templates/list\"}\n"
		    "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"prompts/list\"}\n");
	say(&w, TOOLS);
	say(&w, RESOURCES);
	say(&w, TEMPLATES);
	assert_int_equal(w.ready, 0);
	say(&w, PROMPTS);
	assert_int_equal(w.ready, 1);
	assert_int_equal(count(&w, LIST_RESOURCES), 1);
	assert_int_equal(count(&w, LIST_TEMPLATES), 1);
	assert_int_equal(count(&w, LIST_PROMPTS), 1);
	world_close(&w);
}

static void session__is_ready_without_lists_that_fail_or_do_not_come(void **state)
{
	struct world w = {0};
	(void)state;
	rich_open(&w);
	say(&w, TOOLS);
	say(&w, "{\"id\":3,\"error\":{\"code\":-32603,\"message\":\"broken\"}}");
	assert_int_equal(w.items_told[LIST_RESOURCES], 1);
	assert_non_null(strstr(w.why.msg, "broken"));
	/* A server need not have templates. */
	say(&w, "{\"id\":4,\"error\":{\"code\":-32601,\"message\":\"no\"}}");
	assert_int_equal(w.items_told[LIST_TEMPLATES], 1);
	assert_int_equal(w.ready, 0);
	world_pass(&w, LISTS_WAIT_MS);
	assert_int_equal(w.ready, 1);
	world_pass(&w, 5000 - LISTS_WAIT_MS);
	assert_int_equal(w.items_told[LIST_PROMPTS], 1);
	assert_int_equal(w.why.code, ERR_TIMEOUT);
	assert_int_equal(w.broken, 0);
	world_close(&w);
}

static void session__fetches_again_what_has_changed(void **state)
{
	struct world w = {0};
	(void)state;
	rich_open(&w);
	say(&w, TOOLS);
	say(&w, RESOURCES);
	/* Told while the first one is under way, and of a list that is there although the session is not
	 * ready. */
	say(&w, "{\"method\":\"notifications/prompts/list_changed\"}");
	say(&w, "{\"method\":\"notifications/resources/list_changed\"}");
	say(&w, TEMPLATES);
	say(&w, PROMPTS);
	assert_int_equal(w.ready, 1);
	world_pass(&w, LIST_DEBOUNCE_MS);
	assert_non_null(strstr(buf_cstr(&w.sent), "\"method\":\"resources/list\""));
	assert_non_null(strstr(buf_cstr(&w.sent), "\"method\":\"resources/templates/list\""));
	assert_non_null(strstr(buf_cstr(&w.sent), "\"method\":\"prompts/list\""));
	assert_null(strstr(buf_cstr(&w.sent), "tools/list"));
	world_close(&w);
}

static void session__changes_of_what_is_not_declared_are_ignored(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	say(&w, "{\"method\":\"notifications/prompts/list_changed\"}");
	world_pass(&w, LIST_DEBOUNCE_MS);
	sent_is(&w, "");
	assert_false(session_offers(w.session, LIST_PROMPTS));
	assert_true(session_offers(w.session, LIST_TOOLS));
	world_close(&w);
}

static void session__lists_without_end_are_cut(void **state)
{
	struct world w = {0};
	char text[200];
	(void)state;
	rich_open(&w);
	for (int i = 0; i < 5; i++) { /* the limit is 4 */
		snprintf(text, sizeof(text),
			 "{\"id\":%d,\"result\":{\"prompts\":[{\"name\":\"p%d\"}],\"nextCursor\":\"\"}}",
			 5 + i, i);
		say(&w, text);
	}
	struct item_list l = session_items_take(w.session, LIST_PROMPTS);
	assert_int_equal(l.count, 4);
	assert_true(l.truncated);
	item_list_release(&l);
	/* Pages without entries. */
	for (int i = 0; i < PAGES_MAX; i++) {
		snprintf(text, sizeof(text), "{\"id\":%d,\"result\":{\"resources\":[],\"nextCursor\":\"\"}}",
			 i ? 9 + i : 3);
		say(&w, text);
	}
	assert_int_equal(w.items_told[LIST_RESOURCES], 1);
	world_close(&w);
}

static void session__refreshes_lists_whose_changes_are_not_told(void **state)
{
	struct world w = {0};
	(void)state;
	rich_open(&w);
	say(&w, TOOLS);
	say(&w, RESOURCES);
	say(&w, TEMPLATES);
	say(&w, PROMPTS);
	buf_reset(&w.sent);
	session_list_refresh(w.session, LIST_PROMPTS); /* just read */
	sent_is(&w, "");
	world_pass(&w, LIST_FRESH_MS);
	session_list_refresh(w.session, LIST_RESOURCES); /* its changes are told */
	sent_is(&w, "");
	session_list_refresh(w.session, LIST_PROMPTS);
	session_list_refresh(w.session, LIST_PROMPTS);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"prompts/list\"}\n");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session__asks_for_what_is_declared_at_once),
		cmocka_unit_test(session__is_ready_without_lists_that_fail_or_do_not_come),
		cmocka_unit_test(session__fetches_again_what_has_changed),
		cmocka_unit_test(session__changes_of_what_is_not_declared_are_ignored),
		cmocka_unit_test(session__lists_without_end_are_cut),
		cmocka_unit_test(session__refreshes_lists_whose_changes_are_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
