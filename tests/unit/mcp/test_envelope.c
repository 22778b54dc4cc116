/* SPDX-License-Identifier: Apache-2.0 */
/* The envelope of the modern wire's requests: what is added, and that the rest stays as it is. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define META                                                                              \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                     \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"agent-runtime\",\"version\":" \
	"\"1\"},\"io.modelcontextprotocol/clientCapabilities\":{\"x\":{}}}}"

static void assert_envelope(const char *params, struct envelope v, const char *expected)
{
	struct buf out = BUF_INIT;
	v.version = "2026-07-28";
	v.client_version = "1";
	v.capabilities = SLICE_LIT("{\"x\":{}}");
	envelope_write(slice_str(params), &v, &out);
	assert_string_equal(buf_cstr(&out), expected);
	assert_true(scan_is_object(buf_slice(&out)));
	buf_release(&out);
}

static void envelope_write__adds_itself_to_nothing(void **state)
{
	(void)state;
	assert_envelope("", (struct envelope){0}, "{\"_meta\":{" META);
	assert_envelope("{}", (struct envelope){0}, "{\"_meta\":{" META);
	assert_envelope("{\"_meta\":7}", (struct envelope){0}, "{\"_meta\":{" META);
}

static void envelope_write__keeps_members_and_their_bytes(void **state)
{
	(void)state;
	assert_envelope("{ \"name\" : \"a\\u0062\", \"_meta\":{\"progressToken\":7, \"x/y\" : [1, 2]},"
			"\"arguments\":{\"_meta\" : 1.50}}",
			(struct envelope){0},
			"{\"name\":\"a\\u0062\",\"arguments\":{\"_meta\" : 1.50},"
			"\"_meta\":{\"progressToken\":7,\"x/y\":[1, 2]," META);
}

static void envelope_write__its_own_keys_are_nobody_elses(void **state)
{
	(void)state;
	assert_envelope("{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"1900-01-01\","
			"\"io.modelcontextprotocol/clientCapabilities\":{\"all\":{}},"
			"\"io.modelcontextprotocol/logLevel\":\"info\"}}",
			(struct envelope){0},
			"{\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"info\"," META);
}

static void envelope_write__names_the_level_to_log_from(void **state)
{
	(void)state;
	assert_envelope(
		"{\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"debug\"}}",
		(struct envelope){.log_level = "notice"},
		"{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
		"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"agent-runtime\",\"version\":\"1\"},"
		"\"io.modelcontextprotocol/clientCapabilities\":{\"x\":{}},"
		"\"io.modelcontextprotocol/logLevel\":\"notice\"}}");
}

static void envelope_write__gives_back_what_the_server_asked_for(void **state)
{
	(void)state;
	assert_envelope("{\"name\":\"a\"}",
			(struct envelope){.input_responses = SLICE_LIT("{\"k\":{}}"),
					  .request_state = SLICE_LIT("\"\\u00e9 \\/\"")},
			"{\"name\":\"a\",\"inputResponses\":{\"k\":{}},\"requestState\":\"\\u00e9 \\/\","
			"\"_meta\":{" META);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelope_write__adds_itself_to_nothing),
		cmocka_unit_test(envelope_write__keeps_members_and_their_bytes),
		cmocka_unit_test(envelope_write__its_own_keys_are_nobody_elses),
		cmocka_unit_test(envelope_write__names_the_level_to_log_from),
		cmocka_unit_test(envelope_write__gives_back_what_the_server_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
