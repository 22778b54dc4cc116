/* SPDX-License-Identifier: Apache-2.0 */
/* The modern wire: discovery, the envelope, versions, what is sent again and what never is. */
#include "tests/unit/mcp/modern_world.h"
#include "mcp/session_int.h"

#include <stdlib.h>

static void modern__discovers_and_lists(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, false);
	sent_is(&w, DISCOVERY("1"));
	assert_string_equal(w.version, "2026-07-28");
	assert_null(session_facts(w.session)->era);
	say(&w, DISCOVERED);
	sent_is(&w, MODERN_REQUEST("2", "tools/list", ""));
	say(&w, "{\"id\":2,\"result\":{\"resultType\":\"complete\",\"tools\":[" TOOL(
			"a") "],\"nextCursor\":\"\"}}");
	sent_is(&w, MODERN_REQUEST("3", "tools/list", "\"cursor\":\"\","));
	say(&w, "{\"id\":3,\"result\":{\"tools\":[" TOOL("b") "]}}");
	assert_int_equal(w.ready, 1);
	assert_string_equal(session_facts(w.session)->era, "modern");
	assert_string_equal(session_facts(w.session)->protocol_version, "2026-07-28");
	assert_string_equal(session_facts(w.session)->server_name, "n");
	assert_string_equal(session_facts(w.session)->server_version, "v");
	world_pass(&w, 200000);
	sent_is(&w, ""); /* no ping */
	world_close(&w);
}

static void modern__a_server_need_not_know_discover(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, true);
	say(&w, "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}");
	say(&w, "{\"id\":2,\"result\":{\"tools\":[]}}");
	assert_int_equal(w.ready, 1);
	world_close(&w);
}

static void modern__a_local_server_that_does_not_is_of_the_other_era(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, false);
	buf_reset(&w.sent);
	say(&w, "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}");
	assert_int_equal(w.broken, 1);
	assert_non_null(strstr(w.why.msg, "handshake or auto"));
	sent_is(&w, "");
	world_close(&w);
}

static void modern__without_tools_is_ready_at_once(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, true);
	say(&w, "{\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{}}}");
	assert_int_equal(w.ready, 1);
	world_close(&w);
}

static void modern__breaks_on_what_is_not_its_era(void **state)
{
	static const struct {
		const char *answer, *why;
	} cases[] = {
		{"{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"go away\"}}", "discover: the server"},
		{"{\"id\":1,\"result\":{\"supportedVersions\":[\"2025-11-25\"]}}", "era: handshake"},
		{"{\"id\":1,\"result\":{\"supportedVersions\":[\"2031-01-01\"]}}", "[\"2031-01-01\"]"},
		{"{\"id\":1,\"error\":{\"code\":-32022,\"message\":\"no\",\"data\":{\"supported\":["
		 "\"2025-06-18\"]}}}",
		 "era: handshake"},
		{"{\"id\":1,\"result\":{\"resultType\":\"odd\"}}", "\"odd\""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		modern_open(&w, true);
		say(&w, cases[i].answer);
		assert_int_equal(w.broken, 1);
		assert_non_null(strstr(w.why.msg, cases[i].why));
		world_close(&w);
	}
}

#define REFUSED_VERSION(id)                                                                      \
	"{\"id\":" id ",\"error\":{\"code\":-32022,\"message\":\"no\",\"data\":{\"supported\":[" \
	"\"2026-07-28\"]}}}"

static void modern__a_refused_version_is_taken_from_the_list_once(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, true);
	buf_reset(&w.sent);
	say(&w, REFUSED_VERSION("1"));
	sent_is(&w, DISCOVERY("2"));
	say(&w, REFUSED_VERSION("2"));
	assert_int_equal(w.broken, 1);
	sent_is(&w, "");
	world_close(&w);
}

static void modern__progress_and_cancellation_follow_the_request(void **state)
{
	struct world w;
	(void)state;
	modern_ready(&w, false);
	uint64_t id = call_of(&w, "a", "{}");
	buf_reset(&w.sent);
	say(&w, REFUSED_VERSION("3"));
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\",\"params\":{\"name\":\"a\","
		    "\"arguments\":{},\"_meta\":{\"progressToken\":3," MODERN_META "}}}\n");
	say(&w, "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":3,\"progress\":1}}");
	assert_int_equal(w.progress, 1);
	say(&w, "{\"id\":3,\"result\":{}}"); /* the one before */
	assert_int_equal(w.ends, 0);
	session_cancel(w.session, id, "why");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":4,"
		    "\"reason\":\"why\"}}\n");
	world_close(&w);
}

static void modern__over_http_a_request_is_cancelled_by_its_stream(void **state)
{
	struct world w;
	(void)state;
	modern_ready(&w, true);
	uint64_t id = call_of(&w, "a", "{}");
	buf_reset(&w.sent);
	session_cancel(w.session, id, "why");
	assert_int_equal(w.cancelled, id);
	sent_is(&w, "");
	world_close(&w);
}

static void modern__other_refusals_are_not_sent_again(void **state)
{
	static const struct {
		const char *error, *why;
	} cases[] = {
		{"{\"code\":-32021,\"message\":\"m\",\"data\":{\"requiredCapabilities\":{\"sampling\":{}}}}",
		 "{\"sampling\":{}}"},
		{"{\"code\":-32021,\"message\":\"m\"}", "-32021: m"},
		{"{\"code\":-32022,\"message\":\"m\",\"data\":{\"supported\":[\"2031-01-01\"]}}", "-32022"},
		{"{\"code\":-32042,\"message\":\"m\"}", "-32042"},
		{"{\"code\":-32001,\"message\":\"m\"}", "-32001"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		modern_ready(&w, true);
		call_of(&w, "a", "{}");
		buf_reset(&w.sent);
		char *line = xasprintf("{\"id\":3,\"error\":%s}", cases[i].error);
		say(&w, line);
		free(line);
		assert_int_equal(w.ends, 1);
		assert_non_null(strstr(w.answer.error.msg, cases[i].why));
		sent_is(&w, "");
		world_close(&w);
	}
}

static void modern__result_type_is_complete_or_absent(void **state)
{
	static const struct {
		const char *result;
		enum err code;
	} cases[] = {
		{"{\"content\":[]}", ERR_NONE},
		{"{\"resultType\":\"complete\",\"content\":[]}", ERR_NONE},
		{"{\"resultType\":\"\\u0063omplete\"}", ERR_NONE},
		{"{\"resultType\":\"odd\"}", ERR_UPSTREAM},
		{"{\"resultType\":7}", ERR_UPSTREAM},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		modern_ready(&w, true);
		call_of(&w, "a", "{}");
		char *line = xasprintf("{\"id\":3,\"result\":%s}", cases[i].result);
		say(&w, line);
		free(line);
		assert_int_equal(w.ends, 1);
		assert_int_equal(w.answer.error.code, cases[i].code);
		world_close(&w);
	}
}

static void modern__a_servers_requests_are_not_answered(void **state)
{
	struct world w;
	(void)state;
	modern_ready(&w, false);
	say(&w, "{\"id\":0,\"method\":\"ping\"}");
	say(&w, "{\"id\":1,\"method\":\"roots/list\"}");
	sent_is(&w, "");
	assert_int_equal(session_facts(w.session)->junk_lines, 2);
	world_close(&w);
}

static void modern__requests_carry_the_level_to_log_from(void **state)
{
	struct world w;
	struct error e;
	(void)state;
	modern_ready(&w, true);
	w.session->events.log_level = "notice";
	struct request_handler h = {
		.on_end = told_end, .arg = &w, .takes_asks = true, .on_log = told_progress};
	uint64_t first = session_call(w.session, "a", SLICE_LIT("{}"), NULL, h, &e);
	assert_non_null(strstr(buf_cstr(&w.sent), "\"io.modelcontextprotocol/logLevel\":\"notice\""));
	assert_int_not_equal(session_call(w.session, "a", SLICE_LIT("{}"), NULL, h, &e), 0);
	/* What comes on the stream of a request is of that request. */
	session_receive(w.session,
			SLICE_LIT("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{"
				  "\"level\":\"error\",\"data\":1}}"),
			first);
	assert_int_equal(w.progress, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modern__discovers_and_lists),
		cmocka_unit_test(modern__a_server_need_not_know_discover),
		cmocka_unit_test(modern__a_local_server_that_does_not_is_of_the_other_era),
		cmocka_unit_test(modern__without_tools_is_ready_at_once),
		cmocka_unit_test(modern__breaks_on_what_is_not_its_era),
		cmocka_unit_test(modern__a_refused_version_is_taken_from_the_list_once),
		cmocka_unit_test(modern__progress_and_cancellation_follow_the_request),
		cmocka_unit_test(modern__over_http_a_request_is_cancelled_by_its_stream),
		cmocka_unit_test(modern__other_refusals_are_not_sent_again),
		cmocka_unit_test(modern__result_type_is_complete_or_absent),
		cmocka_unit_test(modern__a_servers_requests_are_not_answered),
		cmocka_unit_test(modern__requests_carry_the_level_to_log_from),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
