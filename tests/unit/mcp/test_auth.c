/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts that need no flow, who is told, and who is not. */
#include "tests/unit/mcp/auth_rig.h"

static void auth__a_given_token_is_sent_and_its_refusal_is_final(void **state)
{
	struct auth_rig r;
	uint64_t generation;
	(void)state;
	auth_rig_init(&r);
	r.options = (struct mcp_auth_options){.type = MCP_AUTH_BEARER, .token = "given"};
	auth_rig_open(&r);
	assert_string_equal(auth_header(r.auth, &generation), "Authorization: Bearer given");
	assert_true(generation > 0);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer error=\"invalid_token\""), AUTH_REFUSED);
	assert_non_null(strstr(r.why.msg, "auth.token"));
	assert_null(strstr(r.why.msg, "given token"));
	assert_int_equal(r.asked_count, 0);
	auth_rig_free(&r);
}

static void auth__none_sends_nothing(void **state)
{
	struct auth_rig r;
	uint64_t generation;
	(void)state;
	auth_rig_init(&r);
	r.options = (struct mcp_auth_options){.type = MCP_AUTH_NONE, .token = "x", .client_id = "y"};
	auth_rig_open(&r);
	assert_null(auth_header(r.auth, &generation));
	assert_int_equal(generation, 0);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_REFUSED);
	assert_int_equal(r.asked_count, 0);
	auth_rig_free(&r);
}

static void auth__a_plain_403_is_no_reason_to_ask_anybody(void **state)
{
	struct auth_rig r;
	(void)state;
	auth_rig_init(&r);
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 403, ""), AUTH_REFUSED);
	assert_int_equal(auth_rig_refused(&r, 403, "Bearer error=\"forbidden\""), AUTH_REFUSED);
	assert_int_equal(r.asked_count, 0);
	auth_rig_free(&r);
}

static void auth__who_left_is_not_told(void **state)
{
	struct auth_rig r, other = {0};
	(void)state;
	auth_rig_init(&r);
	auth_rig_open(&r);
	auth_challenged(r.auth, 401, slice_str("Bearer"), 0, auth_rig_verdict, &r);
	auth_challenged(r.auth, 401, slice_str("Bearer"), 0, auth_rig_verdict, &other);
	auth_forget(r.auth, &r);
	auth_rig_wait(&r, &other.verdicts, 1);
	assert_int_equal(other.verdict, AUTH_PERSON);
	assert_int_equal(r.verdicts, 0);
	/* While the person is waited for everybody is told at once. */
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(r.logins, 1);
	auth_rig_free(&r);
}

static void auth__is_freed_in_the_middle_of_everything(void **state)
{
	struct auth_rig r;
	(void)state;
	for (int turns = 0; turns < 12; turns++) {
		auth_rig_init(&r);
		auth_rig_open(&r);
		auth_challenged(r.auth, 401, slice_str("Bearer"), 0, auth_rig_verdict, &r);
		for (int i = 0; i < turns; i++)
			loop_turn(r.loop, 20);
		auth_rig_close(&r);
		loop_turn(r.loop, 0);
		auth_rig_free(&r);
	}
}

static void auth_login_url__is_renewed_when_it_is_old(void **state)
{
	struct auth_rig r;
	char first[2048];
	(void)state;
	auth_rig_init(&r);
	auth_rig_open(&r);
	assert_null(auth_login_url(r.auth));
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	snprintf(first, sizeof(first), "%s", auth_login_url(r.auth));
	assert_string_equal(auth_login_url(r.auth), first);
	r.auth->login.begun_ms -= 31 * 60 * 1000;
	assert_string_not_equal(auth_login_url(r.auth), first);
	snprintf(r.login_url, sizeof(r.login_url), "%s", auth_login_url(r.auth));
	assert_false(auth_login_is(r.auth, auth_rig_value(first, "state")));
	assert_true(auth_login_is(r.auth, auth_rig_value(r.login_url, "state")));
	assert_false(auth_login_is(r.auth, NULL));
	auth_rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auth__a_given_token_is_sent_and_its_refusal_is_final),
		cmocka_unit_test(auth__none_sends_nothing),
		cmocka_unit_test(auth__a_plain_403_is_no_reason_to_ask_anybody),
		cmocka_unit_test(auth__who_left_is_not_told),
		cmocka_unit_test(auth__is_freed_in_the_middle_of_everything),
		cmocka_unit_test(auth_login_url__is_renewed_when_it_is_old),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
