/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/models: what is configured, and what all workers know of it. */
#include "api_rig.h"

static void models__shows_providers_and_their_gates(void **state)
{
	struct gate_pass p;
	int64_t wait_ms;

	(void)state;
	assert_int_equal(api_ask("GET /v1/models", NULL), 200);
	assert_int_equal(json_count(json_get(api.body, "models")), API_MODELS);
	assert_string_equal(api_text("/models/0/provider"), "main");
	assert_string_equal(api_text("/models/0/roles/0"), "planner");
	assert_string_equal(api_text("/models/0/roles/1"), "writer");
	assert_string_equal(api_text("/models/0/breaker/state"), "closed");
	assert_true(json_is(json_pointer(api.body, "/models/0/last_error"), JSON_NULL));
	assert_true(json_is(json_pointer(api.body, "/models/0/limits/tokens_per_minute"), JSON_NULL));
	assert_int_equal(gate_acquire(api.other, 0, 10, clock_mono_ms(), &p, &wait_ms), GATE_PASS);
	assert_int_equal(api_ask("GET /v1/models", NULL), 200);
	assert_int_equal(json_get_integer(json_pointer(api.body, "/models/0"), "in_flight", -1), 1);
	gate_report(api.other, &p,
		    &(struct gate_end){
			    .outcome = GATE_FAILED, .why = "no \"answer\"", .tokens = 4, .wall_ms = 1000},
		    clock_mono_ms());
	assert_int_equal(api_ask("GET /v1/models", NULL), 200);
	assert_string_equal(api_text("/models/0/breaker/state"), "open");
	assert_string_equal(api_text("/models/0/last_error/message"), "no \"answer\"");
	assert_string_equal(api_text("/models/0/last_error/at"), "1970-01-01T00:00:01.000Z");
	assert_int_equal(json_get_integer(json_pointer(api.body, "/models/0/last_minute"), "tokens", -1), 4);
	assert_int_equal(json_get_integer(json_pointer(api.body, "/models/0"), "failed", -1), 1);
	assert_int_equal(api_ask("GET /v1/models?x=1", NULL), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(models__shows_providers_and_their_gates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
