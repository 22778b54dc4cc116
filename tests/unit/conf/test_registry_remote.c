/* SPDX-License-Identifier: Apache-2.0 */
/* How remote servers are reached: headers, tls, proxy, timeout, era; and what is refused. */
#include "conf_test.h"

static const char *const environment[] = {"TOKEN", "t0ken", NULL};

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

#define ROW(url, more) "tool_registry:\n  - {id: a, type: remote_http, config: {url: '" url "', " more "}}\n"

static void assert_refused(const char *text, const char *msg)
{
	struct conf_registry *r;
	struct error e;
	assert_int_equal(loaded(text, &r, &e), ERR_CONFIG);
	assert_null(r);
	if (!strstr(e.msg, msg))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, msg);
}

static void assert_loaded(const char *text)
{
	struct conf_registry *r;
	struct error e;
	if (loaded(text, &r, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	conf_registry_free(r);
}

static void registry_remote_read__reads_all_of_it(void **state)
{
	struct conf_registry *r;
	struct error e;
	(void)state;
	assert_int_equal(
		loaded(ROW("https://h/mcp",
			   "headers: {X-A: 'Bearer ${TOKEN}', X-B: {file: '${REGISTRY_DIR}/config.yaml'}}, "
			   "tls: {ca_file: /ca, cert_file: /c, key_file: /k}, proxy: none, timeout: 90, "
			   "era: modern"),
		       &r, &e),
		ERR_NONE);
	const struct conf_tool_server *s = &r->servers[0];
	assert_int_equal(s->remote.headers_count, 2);
	assert_string_equal(s->remote.headers[0].name, "X-A");
	assert_string_equal(s->remote.headers[0].value, "Bearer t0ken");
	assert_string_equal(s->remote.headers[1].value, "");
	assert_string_equal(s->remote.ca_file, "/ca");
	assert_string_equal(s->remote.cert_file, "/c");
	assert_string_equal(s->remote.key_file, "/k");
	assert_string_equal(s->remote.proxy, "");
	assert_int_equal(s->timeout_seconds, 90);
	assert_int_equal(s->era, CONF_ERA_MODERN);
	conf_registry_free(r);
}

static void registry_remote_read__era_and_timeout_are_for_local_servers_too(void **state)
{
	struct conf_registry *r;
	struct error e;
	(void)state;
	assert_int_equal(
		loaded("tool_registry:\n  - {id: a, config: {command: x, era: auto, timeout: 5}}\n", &r, &e),
		ERR_NONE);
	assert_int_equal(r->servers[0].era, CONF_ERA_AUTO);
	assert_int_equal(r->servers[0].timeout_seconds, 5);
	conf_registry_free(r);
	assert_refused("tool_registry:\n  - {id: a, config: {command: x, headers: {A: b}}}\n",
		       "a runs a command and takes no headers");
}

static void registry_remote_read__refuses_what_cannot_be(void **state)
{
	(void)state;
	assert_refused(ROW("https://h", "headers: {'X A': b}"), "cannot name a header");
	assert_refused(ROW("https://h", "headers: {Mcp-Session-Id: b}"), "belongs to the transport");
	assert_refused(ROW("https://h", "headers: {mcp-param-Region: b}"), "belongs to the transport");
	assert_refused(ROW("https://h", "headers: {authorization: b}, auth: {type: bearer, token: t}"),
		       "both auth and a header Authorization");
	assert_refused(ROW("https://h", "headers: {A: \"b\\r\\nC: d\"}"), "line break");
	assert_refused(ROW("https://h", "headers: {A: {path: x}}"), "no option path");
	assert_refused(ROW("https://h", "headers: {A: {file: /nonexistent/x}}"), "/nonexistent/x");
	assert_refused(ROW("https://h", "headers: [a]"), "headers must be a map");
	assert_refused(ROW("https://h", "tls: {insecure: true}"), "tls has no option insecure");
	assert_refused(ROW("https://h", "tls: {key_file: /k}"), "without its cert_file");
	assert_refused(ROW("https://h", "timeout: 0"), "timeout must be 1 to");
	assert_refused(ROW("https://h", "timeout: 1m"), "timeout must be 1 to");
	assert_refused(ROW("https://h", "era: legacy"), "unknown era");
}

static void registry_remote_read__a_header_authorization_is_all_there_is(void **state)
{
	struct conf_registry *r;
	struct error e;
	(void)state;
	assert_int_equal(loaded(ROW("https://h", "headers: {Authorization: 'Basic ${TOKEN}'}"), &r, &e),
			 ERR_NONE);
	assert_int_equal(r->servers[0].auth.type, CONF_AUTH_NONE);
	conf_registry_free(r);
}

static void registry_remote_read__clear_text_stays_on_this_machine(void **state)
{
	(void)state;
	static const char says[] = "clear text beyond this machine";
	assert_refused(ROW("http://tools.example/mcp", ""), says);
	assert_refused(ROW("http://127.evil.example/", ""), says);
	assert_refused(ROW("http://localhost.evil.example/", ""), says);
	assert_refused(ROW("http://127.0.0.1:80@evil.example/", ""), says);
	assert_refused(ROW("http://[::1].evil.example/", ""), says);
	assert_loaded(ROW("http://tools.example/mcp", "allow_http: true"));
	assert_loaded(ROW("http://localhost:3000/mcp", ""));
	assert_loaded(ROW("http://127.0.0.1:3000/mcp", ""));
	assert_loaded(ROW("http://[::1]:3000/mcp", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_remote_read__reads_all_of_it),
		cmocka_unit_test(registry_remote_read__era_and_timeout_are_for_local_servers_too),
		cmocka_unit_test(registry_remote_read__refuses_what_cannot_be),
		cmocka_unit_test(registry_remote_read__a_header_authorization_is_all_there_is),
		cmocka_unit_test(registry_remote_read__clear_text_stays_on_this_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
