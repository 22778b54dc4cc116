/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way to a token against a scripted server, refusals first. */
#include "tests/unit/mcp/auth_rig.h"

static const char METADATA[] = "/.well-known/oauth-authorization-server";
static const char RESOURCE[] = "/.well-known/oauth-protected-resource/mcp";

#define with_rig(r)        \
	struct auth_rig r; \
	(void)state;       \
	auth_rig_init(&(r))

static void assert_refused(struct auth_rig *r, const char *words)
{
	assert_int_equal(auth_rig_refused(r, 401, "Bearer"), AUTH_REFUSED);
	if (!strstr(r->why.msg, words))
		fail_msg("\"%s\" is not in \"%s\"", words, r->why.msg);
	assert_int_equal(r->logins, 0);
	assert_int_equal(auth_rig_asked_for(r, "/token"), 0);
}

/* --- refusals --- */

static void flow__refuses_metadata_of_another_issuer(void **state)
{
	with_rig(r);
	auth_rig_say(
		&r, METADATA, 200,
		"{\"issuer\":\"%s/\",\"authorization_endpoint\":\"%s/a\",\"token_endpoint\":\"%s/token\","
		"\"code_challenge_methods_supported\":[\"S256\"]}");
	auth_rig_open(&r);
	assert_refused(&r, "it is not used");
	auth_rig_free(&r);
}

static void flow__refuses_an_issuer_without_pkce(void **state)
{
	with_rig(r);
	auth_rig_say(&r, METADATA, 200,
		     "{\"issuer\":\"%s\",\"authorization_endpoint\":\"%s/a\",\"token_endpoint\":\"%s/token\","
		     "\"registration_endpoint\":\"%s/register\","
		     "\"code_challenge_methods_supported\":[\"plain\"]}");
	auth_rig_open(&r);
	assert_refused(&r, "PKCE");
	assert_int_equal(auth_rig_asked_for(&r, "/register"), 0);
	auth_rig_free(&r);
}

static void flow__refuses_another_resource(void **state)
{
	with_rig(r);
	auth_rig_say(&r, RESOURCE, 200,
		     "{\"resource\":\"https://bank.example/mcp\",\"authorization_servers\":[\"%s\"]}");
	auth_rig_open(&r);
	assert_refused(&r, "another resource");
	assert_int_equal(auth_rig_asked_for(&r, METADATA), 0);
	auth_rig_free(&r);
}

static void flow__follows_no_redirect_to_another_origin(void **state)
{
	with_rig(r);
	auth_rig_say(&r, METADATA, 302, "");
	r.said[1].location = "http://localhost:1/metadata";
	auth_rig_open(&r);
	assert_refused(&r, "not followed");
	auth_rig_free(&r);
}

static void flow__follows_a_redirect_within_the_origin(void **state)
{
	with_rig(r);
	auth_rig_say(&r, "/moved", 200, r.said[1].body);
	auth_rig_say(&r, METADATA, 307, "");
	r.said[1].location = "/moved";
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_asked_for(&r, "/moved"), 1);
	auth_rig_free(&r);
}

static void flow__asks_no_private_address_unless_it_may(void **state)
{
	with_rig(r);
	r.options.allow_private = false;
	auth_rig_open(&r);
	assert_refused(&r, "allow_private");
	assert_int_equal(r.asked_count, 0);
	auth_rig_free(&r);
}

static void flow__refuses_a_document_without_end(void **state)
{
	with_rig(r);
	char *large = malloc((300 << 10) + 1);
	memset(large, ' ', 300 << 10);
	large[300 << 10] = '\0';
	auth_rig_say(&r, RESOURCE, 200, large);
	auth_rig_open(&r);
	assert_refused(&r, "over");
	auth_rig_free(&r);
	free(large);
}

static void flow__stops_at_a_document_that_is_wrong(void **state)
{
	with_rig(r);
	auth_rig_say(&r, RESOURCE, 200, "[]");
	auth_rig_say(&r, "/.well-known/oauth-protected-resource", 200,
		     "{\"resource\":\"%s\",\"authorization_servers\":[\"%s\"]}");
	auth_rig_open(&r);
	assert_refused(&r, "no JSON object");
	assert_int_equal(r.asked_count, 1);
	auth_rig_free(&r);
}

static void login__is_refused_with_another_state(void **state)
{
	with_rig(r);
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", r.origin),
			 ERR_NOT_FOUND);
	assert_int_equal(auth_rig_asked_for(&r, "/token"), 0);
	/* A stranger's answer does not end it. */
	assert_int_equal(r.login_overs, 0);
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	/* It is good once. */
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NOT_FOUND);
	assert_int_equal(auth_rig_asked_for(&r, "/token"), 1);
	auth_rig_free(&r);
}

static void login__is_refused_from_another_issuer(void **state)
{
	with_rig(r);
	char slash[80];
	auth_rig_open(&r);
	snprintf(slash, sizeof(slash), "%s/", r.origin);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, NULL, slash), ERR_UPSTREAM);
	assert_int_equal(r.login_overs, 1);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, NULL, NULL), ERR_UPSTREAM); /* it was promised */
	assert_int_equal(auth_rig_asked_for(&r, "/token"), 0);
	auth_rig_free(&r);
}

static void flow__ends_with_a_server_that_wants_ever_more(void **state)
{
	with_rig(r);
	char header[96];
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	for (int i = 0; i < 2; i++) {
		snprintf(header, sizeof(header), "Bearer error=\"insufficient_scope\", scope=\"more%d\"", i);
		assert_int_equal(auth_rig_refused(&r, 403, header), AUTH_PERSON);
		assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	}
	assert_int_equal(auth_rig_refused(&r, 403, header), AUTH_REFUSED);
	assert_int_equal(r.logins, 3);
	auth_rig_free(&r);
}

static void flow__ends_with_a_server_that_refuses_what_was_issued(void **state)
{
	with_rig(r);
	int n = 0;
	r.options.client_id = "machine";
	r.options.client_secret = "s";
	auth_rig_open(&r);
	while (auth_rig_refused(&r, 401, "Bearer error=\"invalid_token\"") == AUTH_RETRY)
		assert_true(n++ < 20);
	assert_int_equal(r.verdict, AUTH_REFUSED);
	assert_int_equal(auth_rig_asked_for(&r, "/token"), 6);
	auth_rig_free(&r);
}

static void flow__does_not_hand_a_given_client_to_another_issuer(void **state)
{
	with_rig(r);
	r.options.client_id = "machine";
	r.options.client_secret = "s";
	r.options.issuer = "https://auth.example";
	auth_rig_open(&r);
	assert_refused(&r, "auth.issuer");
	auth_rig_free(&r);
}

/* --- the ways that work --- */

static void flow__logs_a_person_in(void **state)
{
	with_rig(r);
	uint64_t generation;
	char challenge[PKCE_SIZE], verifier[1024];
	auth_rig_open(&r);
	assert_null(auth_header(r.auth, &generation));
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_string_equal(auth_login_url(r.auth), r.login_url);
	assert_string_equal(auth_rig_value(r.login_url, "code_challenge_method"), "S256");
	assert_string_equal(auth_rig_value(r.login_url, "scope"), "read%20write");
	assert_non_null(strstr(auth_rig_value(r.login_url, "resource"), "%2Fmcp"));
	assert_non_null(strstr(auth_rig_last(&r, "/register"), "\"application_type\":\"native\""));
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	assert_int_equal(r.login_overs, 1);
	assert_null(auth_login_url(r.auth));
	assert_string_equal(auth_header(r.auth, &generation), "Authorization: Bearer tok-1");
	snprintf(verifier, sizeof(verifier), "%s",
		 auth_rig_value(auth_rig_last(&r, "/token"), "code_verifier"));
	pkce_challenge(verifier, challenge);
	assert_string_equal(auth_rig_value(r.login_url, "code_challenge"), challenge);
	assert_non_null(strstr(auth_rig_last(&r, "/token"), "resource=http%3A%2F%2F127.0.0.1"));
	assert_non_null(strstr(auth_rig_last(&r, "/token"), "Authorization: Basic ZHluOmh1c2g="));
	auth_rig_free(&r);
}

static void flow__takes_the_scope_of_the_challenge_and_adds_what_is_wanted_later(void **state)
{
	with_rig(r);
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer scope=\"only\""), AUTH_PERSON);
	assert_string_equal(auth_rig_value(r.login_url, "scope"), "only");
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	assert_int_equal(
		auth_rig_refused(&r, 403, "Basic x=1, Bearer error=\"insufficient_scope\", scope=\"more\""),
		AUTH_PERSON);
	assert_string_equal(auth_rig_value(r.login_url, "scope"), "only%20more");
	assert_int_equal(auth_rig_asked_for(&r, "/register"), 1);
	auth_rig_free(&r);
}

static void flow__refreshes_once_for_all_who_were_refused(void **state)
{
	with_rig(r);
	uint64_t old, now;
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	auth_rig_say(&r, "/token", 200, "{\"access_token\":\"tok-2\",\"token_type\":\"Bearer\"}");
	auth_header(r.auth, &old);
	int before = r.verdicts;
	for (int i = 0; i < 5; i++)
		auth_challenged(r.auth, 401, slice_str("Bearer error=\"invalid_token\""), old,
				auth_rig_verdict, &r);
	auth_rig_wait(&r, &r.verdicts, before + 5);
	assert_int_equal(r.verdict, AUTH_RETRY);
	assert_int_equal(auth_rig_asked_for(&r, "/token"), 2);
	assert_non_null(strstr(auth_rig_last(&r, "/token"), "refresh_token=ref-1"));
	/* Who comes late with the old one is told to try the new one. */
	auth_challenged(r.auth, 401, slice_str("Bearer"), old, auth_rig_verdict, &r);
	auth_rig_wait(&r, &r.verdicts, before + 6);
	assert_int_equal(r.verdict, AUTH_RETRY);
	assert_int_equal(auth_rig_asked_for(&r, "/token"), 2);
	assert_string_equal(auth_header(r.auth, &now), "Authorization: Bearer tok-2");
	assert_int_not_equal(now, old);
	auth_rig_free(&r);
}

static void flow__keeps_the_refresh_token_when_the_issuer_is_ill(void **state)
{
	with_rig(r);
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	auth_rig_say(&r, "/token", 503, "{}");
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_REFUSED);
	assert_string_equal(r.auth->tokens.refresh, "ref-1");
	auth_rig_say(&r, "/token", 400, "{\"error\":\"invalid_grant\"}");
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_null(r.auth->tokens.refresh);
	assert_int_equal(auth_rig_asked_for(&r, "/register"), 1);
	auth_rig_free(&r);
}

static void flow__refreshes_ahead_of_the_end(void **state)
{
	with_rig(r);
	uint64_t generation;
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	r.auth->tokens.expires_ms = clock_wall_ms() + 1000;
	assert_non_null(auth_header(r.auth, &generation));
	assert_int_equal(r.auth->step, STEP_DISCOVER);
	while (r.auth->step != STEP_IDLE)
		loop_turn(r.loop, 100);
	assert_true(r.auth->generation > generation);
	auth_rig_free(&r);
}

static void flow__uses_client_credentials_without_a_person(void **state)
{
	with_rig(r);
	r.options.client_id = "machine";
	r.options.client_secret = "a:b c";
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_RETRY);
	assert_int_equal(r.logins, 0);
	assert_non_null(strstr(auth_rig_last(&r, "/token"), "grant_type=client_credentials"));
	assert_non_null(strstr(auth_rig_last(&r, "/token"), "Authorization: Basic bWFjaGluZTphJTNBYiUyMGM="));
	auth_rig_free(&r);
}

static void flow__registers_anew_at_a_new_issuer(void **state)
{
	with_rig(r);
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	auth_rig_say(&r, RESOURCE, 200, "{\"resource\":\"%s/mcp\",\"authorization_servers\":[\"%s/new\"]}");
	auth_rig_say(&r, "/.well-known/oauth-authorization-server/new", 200,
		     "{\"issuer\":\"%s/new\",\"authorization_endpoint\":\"%s/new/authorize\","
		     "\"token_endpoint\":\"%s/new/token\",\"registration_endpoint\":\"%s/new/register\","
		     "\"code_challenge_methods_supported\":[\"S256\"],"
		     "\"token_endpoint_auth_methods_supported\":[\"none\"]}");
	auth_rig_say(&r, "/new/register", 201, "{\"client_id\":\"fresh\"}");
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_string_equal(auth_rig_value(r.login_url, "client_id"), "fresh");
	assert_null(r.auth->tokens.refresh);
	assert_int_equal(auth_rig_asked_for(&r, "/token"), 1);
	auth_rig_free(&r);
}

static void flow__goes_on_after_a_restart_with_what_was_kept(void **state)
{
	with_rig(r);
	uint64_t generation;
	char folder[] = "/tmp/auth_flow.XXXXXX";
	assert_non_null(mkdtemp(folder));
	r.house_options.folder = folder;
	r.house_options.key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	auth_rig_open(&r);
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_PERSON);
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	auth_rig_close(&r);
	r.house_options.redirect_uri = "http://127.0.0.1:2/elsewhere"; /* which a refresh does not need */
	auth_rig_open(&r);
	assert_string_equal(auth_header(r.auth, &generation), "Authorization: Bearer tok-1");
	assert_int_equal(auth_rig_refused(&r, 401, "Bearer"), AUTH_RETRY);
	assert_int_equal(auth_rig_asked_for(&r, "/register"), 1);
	auth_rig_free(&r);
	char *clean = xasprintf("rm -r %s", folder);
	assert_int_equal(system(clean), 0);
	free(clean);
}

static void requests__may_wait_for_the_person(void **state)
{
	with_rig(r);
	uint64_t generation;
	r.house_options.login_wait_ms = 20000;
	auth_rig_open(&r);
	auth_header(r.auth, &generation);
	auth_challenged(r.auth, 401, slice_str("Bearer"), generation, auth_rig_verdict, &r);
	auth_rig_wait(&r, &r.logins, 1);
	assert_int_equal(r.verdicts, 0);
	assert_int_equal(auth_rig_back(&r, NULL, r.origin), ERR_NONE);
	auth_rig_wait(&r, &r.verdicts, 1);
	assert_int_equal(r.verdict, AUTH_RETRY);
	auth_rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow__refuses_metadata_of_another_issuer),
		cmocka_unit_test(flow__refuses_an_issuer_without_pkce),
		cmocka_unit_test(flow__refuses_another_resource),
		cmocka_unit_test(flow__follows_no_redirect_to_another_origin),
		cmocka_unit_test(flow__follows_a_redirect_within_the_origin),
		cmocka_unit_test(flow__asks_no_private_address_unless_it_may),
		cmocka_unit_test(flow__refuses_a_document_without_end),
		cmocka_unit_test(flow__stops_at_a_document_that_is_wrong),
		cmocka_unit_test(login__is_refused_with_another_state),
		cmocka_unit_test(login__is_refused_from_another_issuer),
		cmocka_unit_test(flow__ends_with_a_server_that_wants_ever_more),
		cmocka_unit_test(flow__ends_with_a_server_that_refuses_what_was_issued),
		cmocka_unit_test(flow__does_not_hand_a_given_client_to_another_issuer),
		cmocka_unit_test(flow__logs_a_person_in),
		cmocka_unit_test(flow__takes_the_scope_of_the_challenge_and_adds_what_is_wanted_later),
		cmocka_unit_test(flow__refreshes_once_for_all_who_were_refused),
		cmocka_unit_test(flow__keeps_the_refresh_token_when_the_issuer_is_ill),
		cmocka_unit_test(flow__refreshes_ahead_of_the_end),
		cmocka_unit_test(flow__uses_client_credentials_without_a_person),
		cmocka_unit_test(flow__registers_anew_at_a_new_issuer),
		cmocka_unit_test(flow__goes_on_after_a_restart_with_what_was_kept),
		cmocka_unit_test(requests__may_wait_for_the_person),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
