/* SPDX-License-Identifier: Apache-2.0 */
/* `auth` of a remote server: what is read, from where, and what is refused. */
#include "conf_test.h"

static const char *const *environment;

static enum err loaded(const char *text, struct conf_registry **out, struct error *e)
{
	struct folder f;
	struct conf *c;
	folder_open(&f);
	folder_write(f.file, "");
	folder_write(f.other, text);
	*e = (struct error){0};
	*out = NULL;
	assert_int_equal(conf_load(f.file, NULL, 0, env_listed, NULL, &c, e), ERR_NONE);
	enum err rc = conf_registry_load(c, env_listed, (void *)(uintptr_t)environment, out, e);
	conf_free(c);
	folder_close(&f);
	return rc;
}

#define ROW(auth) \
	"tool_registry:\n  - {id: a, type: remote_http, config: {url: 'https://h/mcp', auth: " auth "}}\n"

static void assert_refused(const char *text, const char *msg)
{
	struct conf_registry *r;
	struct error e;
	assert_int_equal(loaded(text, &r, &e), ERR_CONFIG);
	assert_null(r);
	if (!strstr(e.msg, msg))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, msg);
}

static void registry_auth_read__reads_all_of_it(void **state)
{
	struct conf_registry *r;
	struct error e;
	(void)state;
	assert_int_equal(
		loaded(ROW("{type: authorization_code, client_id: i, client_secret: s, issuer: 'https://as', "
			   "scopes: [a, b], client_metadata_url: 'https://c/d', "
			   "redirect_uri: 'http://127.0.0.1:1/cb', allow_private: true}"),
		       &r, &e),
		ERR_NONE);
	const struct conf_auth *a = &r->servers[0].auth;
	assert_int_equal(a->type, CONF_AUTH_CODE);
	assert_string_equal(a->client_id, "i");
	assert_string_equal(a->client_secret, "s");
	assert_string_equal(a->issuer, "https://as");
	assert_string_equal(a->scopes, "a b");
	assert_string_equal(a->client_metadata_url, "https://c/d");
	assert_string_equal(a->redirect_uri, "http://127.0.0.1:1/cb");
	assert_true(a->allow_private);
	assert_null(a->token);
	conf_registry_free(r);
	assert_int_equal(
		loaded("{\"mcpServers\": {\"a\": {\"url\": \"https://h\", \"auth\": {\"scopes\": \"x y\"}}}}",
		       &r, &e),
		ERR_NONE);
	assert_int_equal(r->servers[0].auth.type, CONF_AUTH_AUTO);
	assert_string_equal(r->servers[0].auth.scopes, "x y");
	assert_false(r->servers[0].auth.allow_private);
	conf_registry_free(r);
}

static void registry_auth_read__takes_secrets_from_files(void **state)
{
	char path[] = "/tmp/registry_auth.XXXXXX", text[400];
	struct conf_registry *r;
	struct error e;
	(void)state;
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "hush hush\r\n\n", 12), 12);
	close(fd);
	snprintf(text, sizeof(text), ROW("{type: bearer, token_file: '%s'}"), path);
	assert_int_equal(loaded(text, &r, &e), ERR_NONE);
	assert_string_equal(r->servers[0].auth.token, "hush hush");
	conf_registry_free(r);
	snprintf(text, sizeof(text), ROW("{client_id: i, private_key_file: '%s', key_alg: ES256}"), path);
	assert_int_equal(loaded(text, &r, &e), ERR_NONE);
	assert_string_equal(r->servers[0].auth.private_key, "hush hush");
	conf_registry_free(r);
	unlink(path);
	assert_refused(text, "private_key_file: ");
}

static void conf_registry_load__names_the_variables_of_enabled_entries(void **state)
{
	static const char *const variables[] = {"HOST_NAME", "h", "EMPTY", "", NULL};
	struct conf_registry *r;
	struct error e;
	(void)state;
	environment = variables;
	assert_int_equal(
		loaded("tool_registry:\n"
		       "  - {id: a, config: {url: 'https://${HOST_NAME}', auth: {token: '${HOST_NAME}'}}}\n"
		       "  - {id: b, config: {command: '${REGISTRY_DIR}/x'}}\n"
		       "  - {id: c, enabled: false, config: {command: 'x${EMPTY}'}}\n",
		       &r, &e),
		ERR_NONE);
	environment = NULL;
	assert_int_equal(r->variables_count, 1);
	assert_string_equal(r->variables[0], "HOST_NAME");
	conf_registry_free(r);
}

static void registry_auth_read__refuses_what_does_not_go_together(void **state)
{
	(void)state;
	assert_refused(ROW("{type: bearer}"), "needs token or token_file");
	assert_refused(ROW("{type: client_credentials, client_id: i}"), "needs client_id, and client_secret");
	assert_refused(ROW("{type: client_credentials, client_secret: s}"), "needs client_id");
	assert_refused(ROW("{client_secret: s}"), "no client_id");
	assert_refused(ROW("{type: none, token: t}"), "for type bearer only");
	assert_refused(ROW("{token: t, token_file: f}"), "not both");
	assert_refused(ROW("{type: oauth}"), "unknown auth.type \"oauth\"");
	assert_refused(ROW("{clientid: x}"), "did you mean client_id");
	assert_refused(ROW("{key_alg: HS256}"), "RS256 or ES256");
	assert_refused(ROW("{client_metadata_url: 'http://x/y'}"), "https://");
	assert_refused(ROW("{redirect_uri: 'ftp://x/y'}"), "http");
	assert_refused(ROW("{allow_private: maybe}"), "true or false");
	assert_refused(ROW("{token: ''}"), "token is empty");
	assert_refused(ROW("yes"), "must be a map");
	assert_refused("tool_registry:\n  - {id: a, config: {command: x, auth: {type: none}}}\n",
		       "takes no auth");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_auth_read__reads_all_of_it),
		cmocka_unit_test(registry_auth_read__takes_secrets_from_files),
		cmocka_unit_test(conf_registry_load__names_the_variables_of_enabled_entries),
		cmocka_unit_test(registry_auth_read__refuses_what_does_not_go_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
