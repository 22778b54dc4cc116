/* SPDX-License-Identifier: Apache-2.0 */
/* Where metadata is looked for, in which order, and what of it is believed. */
#include "tests/unit/mcp/auth_rig.h"

static int ended;
static struct error result;
static char issuer[200];

static void discovered(struct metadata *m, const struct error *e, void *arg)
{
	(void)arg;
	ended++;
	result = *e;
	snprintf(issuer, sizeof(issuer), "%s", m->issuer ? m->issuer : "");
}

static void discover(struct auth_rig *r, const char *hint)
{
	struct auth_net *n = auth_net_new(r->loop, NULL);
	int before = ended;
	discovery_start(n, r->url, hint, true, discovered, NULL);
	assert_int_equal(ended, before);
	auth_rig_wait(r, &ended, before + 1);
	auth_net_free(n);
}

static void assert_asked(const struct auth_rig *r, const char *const *paths)
{
	int i = 0;
	for (; paths[i]; i++) {
		assert_true(i < r->asked_count);
		assert_string_equal(r->asked[i].path, paths[i]);
	}
	assert_int_equal(r->asked_count, i);
}

static void discovery__tries_the_places_in_order(void **state)
{
	struct auth_rig r;
	(void)state;
	auth_rig_init(&r);
	auth_rig_say(&r, "/.well-known/oauth-protected-resource/mcp", 404, "");
	auth_rig_say(&r, "/.well-known/oauth-protected-resource", 200,
		     "{\"resource\":\"%s\",\"authorization_servers\":[\"%s/a/b\"]}");
	auth_rig_say(&r, "/a/b/.well-known/openid-configuration", 200,
		     "{\"issuer\":\"%s/a/b\",\"token_endpoint\":\"%s/token\"}");
	discover(&r, NULL);
	assert_int_equal(result.code, ERR_NONE);
	assert_asked(&r, (const char *const[]){"/.well-known/oauth-protected-resource/mcp",
					       "/.well-known/oauth-protected-resource",
					       "/.well-known/oauth-authorization-server/a/b",
					       "/.well-known/openid-configuration/a/b",
					       "/a/b/.well-known/openid-configuration", NULL});
	auth_rig_free(&r);
}

static void discovery__goes_by_the_hint_alone(void **state)
{
	struct auth_rig r;
	char hint[120];
	(void)state;
	auth_rig_init(&r);
	snprintf(hint, sizeof(hint), "%s/elsewhere", r.origin);
	auth_rig_say(&r, "/elsewhere", 200, "{\"resource\":\"%s/mcp\",\"authorization_servers\":[\"%s\"]}");
	discover(&r, hint);
	assert_int_equal(result.code, ERR_NONE);
	assert_asked(&r,
		     (const char *const[]){"/elsewhere", "/.well-known/oauth-authorization-server", NULL});
	auth_rig_free(&r);
}

static void discovery__takes_an_old_server_for_its_own_issuer(void **state)
{
	struct auth_rig r;
	(void)state;
	auth_rig_init(&r);
	auth_rig_say(&r, "/.well-known/oauth-protected-resource/mcp", 404, "");
	discover(&r, NULL);
	assert_int_equal(result.code, ERR_NONE);
	assert_string_equal(issuer, r.origin);
	auth_rig_say(&r, "/.well-known/oauth-authorization-server", 404, "");
	discover(&r, NULL);
	assert_int_equal(result.code, ERR_NONE); /* as 2025-03-26 has it */
	assert_string_equal(issuer, r.origin);
	/* One that names its metadata is not so old. */
	auth_rig_say(&r, "/gone", 404, "");
	char *hint = xasprintf("%s/gone", r.origin);
	discover(&r, hint);
	assert_int_equal(result.code, ERR_UPSTREAM);
	assert_non_null(strstr(result.msg, "no metadata"));
	free(hint);
	auth_rig_free(&r);
}

static void discovery__does_not_pass_over_a_server_that_fails(void **state)
{
	struct auth_rig r;
	(void)state;
	auth_rig_init(&r);
	auth_rig_say(&r, "/.well-known/oauth-protected-resource/mcp", 503, "");
	discover(&r, NULL);
	assert_int_equal(result.code, ERR_UPSTREAM);
	assert_int_equal(r.asked_count, 1);
	auth_rig_free(&r);
}

/* --- the documents alone --- */

static enum err issuer_read(const char *text, bool allow_private, struct metadata *m)
{
	struct error e = {0};
	struct json *j = json_parse(text, strlen(text), 0, &e);
	assert_non_null(j);
	*m = (struct metadata){0};
	enum err rc = issuer_metadata_read(j, "https://as", allow_private, m, &e);
	json_free(j);
	return rc;
}

static void issuer_metadata_read__refuses_private_endpoints(void **state)
{
	static const char *const bad[] = {
		"{\"issuer\":\"https://as\",\"token_endpoint\":\"http://as/t\"}",
		"{\"issuer\":\"https://as\",\"token_endpoint\":\"https://10.0.0.1/t\"}",
		"{\"issuer\":\"https://as\",\"token_endpoint\":\"https://as/t\","
		"\"authorization_endpoint\":\"javascript:alert(1)\"}",
		"{\"issuer\":\"https://as\",\"token_endpoint\":\"https://as/t\","
		"\"registration_endpoint\":\"https://169.254.169.254/\"}",
		"{\"issuer\":\"https://as\"}",
		"{\"issuer\":\"https://as/\",\"token_endpoint\":\"https://as/t\"}",
		"{\"token_endpoint\":\"https://as/t\"}",
		"{\"issuer\":7,\"token_endpoint\":\"https://as/t\"}",
	};
	struct metadata m;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (issuer_read(bad[i], false, &m) == ERR_NONE)
			fail_msg("%s", bad[i]);
		metadata_release(&m);
	}
}

static void issuer_metadata_read__takes_what_the_rfc_says_for_absent(void **state)
{
	struct metadata m;
	(void)state;
	assert_int_equal(
		issuer_read("{\"issuer\":\"https://as\",\"token_endpoint\":\"https://as/t\"}", false, &m),
		ERR_NONE);
	assert_true(m.basic && !m.post && !m.none && !m.methods_known);
	assert_false(m.pkce || m.client_documents || m.iss_promised || m.offline_access);
	metadata_release(&m);
	assert_int_equal(
		issuer_read("{\"issuer\":\"https://as\",\"token_endpoint\":\"https://as/t\","
			    "\"token_endpoint_auth_methods_supported\":[\"none\",7,\"client_secret_post\"],"
			    "\"scopes_supported\":[\"offline_access\"],"
			    "\"code_challenge_methods_supported\":[\"plain\",\"S256\"],"
			    "\"client_id_metadata_document_supported\":true,"
			    "\"authorization_response_iss_parameter_supported\":true}",
			    false, &m),
		ERR_NONE);
	assert_true(!m.basic && m.post && m.none && m.methods_known);
	assert_true(m.pkce && m.client_documents && m.iss_promised && m.offline_access);
	metadata_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(discovery__tries_the_places_in_order),
		cmocka_unit_test(discovery__goes_by_the_hint_alone),
		cmocka_unit_test(discovery__takes_an_old_server_for_its_own_issuer),
		cmocka_unit_test(discovery__does_not_pass_over_a_server_that_fails),
		cmocka_unit_test(issuer_metadata_read__refuses_private_endpoints),
		cmocka_unit_test(issuer_metadata_read__takes_what_the_rfc_says_for_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
