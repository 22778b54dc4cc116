/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, and what an answer to server/discover says about the era of who gave it. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void version_known__tells_the_eras_apart(void **state)
{
	(void)state;
	assert_string_equal(version_newest(false), "2025-11-25");
	assert_string_equal(version_newest(true), "2026-07-28");
	assert_string_equal(version_oldest_handshake(), "2024-11-05");
	assert_non_null(version_known("2025-06-18", false));
	assert_null(version_known("2025-06-18", true));
	assert_non_null(version_known("2026-07-28", true));
	assert_null(version_known("2026-07-28", false));
	assert_null(version_known("", true));
}

static void version_pick__takes_the_newest_known(void **state)
{
	(void)state;
	assert_string_equal(
		version_pick(SLICE_LIT("[1,\"2024-11-05\",\"2099-01-01\",\"2025-06-18\",\"2025-03-26\"]"),
			     false),
		"2025-06-18");
	assert_string_equal(version_pick(SLICE_LIT("[\"2025-11-25\",\"2026-07-28\"]"), true), "2026-07-28");
	assert_null(version_pick(SLICE_LIT("[\"2025-11-25\"]"), true));
	assert_null(version_pick(SLICE_LIT("[]"), true));
	assert_null(version_pick(SLICE_LIT("{\"a\":\"2026-07-28\"}"), true));
	assert_null(version_pick((struct slice){0}, true));
}

static void rpc_error_code__is_an_integer_or_nothing(void **state)
{
	(void)state;
	assert_int_equal(rpc_error_code(SLICE_LIT("{\"code\":-32022}")), -32022);
	assert_int_equal(rpc_error_code(SLICE_LIT("{\"code\":\"-32022\"}")), 0);
	assert_int_equal(rpc_error_code(SLICE_LIT("{\"code\":1.5}")), 0);
	assert_int_equal(rpc_error_code(SLICE_LIT("{\"code\":99999999999}")), 0);
	assert_int_equal(rpc_error_code(SLICE_LIT("{}")), 0);
	assert_int_equal(rpc_error_code((struct slice){0}), 0);
}

static enum era_hint hint(const char *text, bool of_list)
{
	struct scan_message m;
	assert_int_equal(scan_message(slice_str(text), &m), SCAN_ANSWER);
	return of_list ? era_hint_of_list(&m) : era_hint_of(&m);
}

static void era_hint_of__goes_by_the_shape(void **state)
{
	static const struct {
		const char *text;
		enum era_hint hint;
	} cases[] = {
		{"{\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"]}}", ERA_HINT_MODERN},
		{"{\"id\":1,\"result\":{\"supportedVersions\":[\"2025-11-25\",\"2026-07-28\"]}}",
		 ERA_HINT_MODERN},
		{"{\"id\":1,\"result\":{\"supportedVersions\":[\"2025-11-25\"]}}", ERA_HINT_HANDSHAKE},
		{"{\"id\":1,\"result\":{\"supportedVersions\":[\"2031-01-01\"]}}", ERA_HINT_MODERN},
		{"{\"id\":1,\"result\":{\"supportedVersions\":\"2026-07-28\"}}", ERA_HINT_HANDSHAKE},
		{"{\"id\":1,\"result\":{}}", ERA_HINT_HANDSHAKE},
		{"{\"id\":1,\"result\":[]}", ERA_HINT_HANDSHAKE},
		{"{\"id\":1,\"result\":null}", ERA_HINT_HANDSHAKE},
		{"{\"id\":1,\"error\":{\"code\":-32022,\"data\":{\"supported\":[\"2026-07-28\"]}}}",
		 ERA_HINT_MODERN},
		{"{\"id\":1,\"error\":{\"code\":-32022,\"data\":{\"supported\":[\"2025-11-25\"]}}}",
		 ERA_HINT_HANDSHAKE},
		{"{\"id\":1,\"error\":{\"code\":-32022}}", ERA_HINT_MODERN},
		{"{\"id\":1,\"error\":{\"code\":-32021}}", ERA_HINT_MODERN},
		{"{\"id\":1,\"error\":{\"code\":-32020}}", ERA_HINT_MODERN},
		{"{\"id\":1,\"error\":{\"code\":-32601}}", ERA_HINT_NO_METHOD},
		{"{\"id\":1,\"error\":{\"code\":-32602}}", ERA_HINT_HANDSHAKE},
		{"{\"id\":1,\"error\":{\"code\":-32000}}", ERA_HINT_HANDSHAKE},
		{"{\"id\":1,\"error\":\"no\"}", ERA_HINT_HANDSHAKE},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(hint(cases[i].text, false), cases[i].hint);
}

static void era_hint_of_list__wants_a_result_type(void **state)
{
	(void)state;
	assert_int_equal(hint("{\"id\":1,\"result\":{\"resultType\":\"complete\",\"tools\":[]}}", true),
			 ERA_HINT_MODERN);
	assert_int_equal(hint("{\"id\":1,\"result\":{\"tools\":[]}}", true), ERA_HINT_HANDSHAKE);
	assert_int_equal(hint("{\"id\":1,\"error\":{\"code\":-32601}}", true), ERA_HINT_HANDSHAKE);
	assert_int_equal(hint("{\"id\":1,\"error\":{\"code\":-32020}}", true), ERA_HINT_MODERN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_known__tells_the_eras_apart),
		cmocka_unit_test(version_pick__takes_the_newest_known),
		cmocka_unit_test(rpc_error_code__is_an_integer_or_nothing),
		cmocka_unit_test(era_hint_of__goes_by_the_shape),
		cmocka_unit_test(era_hint_of_list__wants_a_result_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
