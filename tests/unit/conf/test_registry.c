/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: both forms, where it is found, variables, and every message; the shipped one loads. */
#include "conf_test.h"

/* Loads `text` as the registry beside an empty configuration; the caller frees *out. */
static enum err loaded(const char *text, const char *const *env, struct conf_registry **out, struct error *e)
{
	struct folder f;
	struct conf *c;
	folder_open(&f);
	folder_write(f.file, "");
	folder_write(f.other, text);
	*e = (struct error){0};
	void *arg = (void *)(uintptr_t)env;
	assert_int_equal(conf_load(f.file, NULL, 0, env_listed, NULL, &c, e), ERR_NONE);
	enum err rc = conf_registry_load(c, env_listed, arg, out, e);
	size_t n = strlen(f.path) + 1;
	if (!strncmp(e->msg, f.path, n - 1))
		memmove(e->msg, e->msg + n, strlen(e->msg + n) + 1);
	conf_free(c);
	folder_close(&f);
	return rc;
}

static void assert_refused(const char *text, const char *msg)
{
	struct conf_registry *r = NULL;
	struct error e;
	assert_int_equal(loaded(text, NULL, &r, &e), ERR_CONFIG);
	assert_null(r);
	assert_string_equal(e.msg, msg);
}

static void conf_registry_load__takes_the_original_form(void **state)
{
	(void)state;
	struct conf_registry *r;
	struct error e;
	static const char text[] = "tool_registry:\n"
				   "  - id: \"filesystem\"\n"
				   "    enabled: true\n"
				   "    type: local_stdio\n"
				   "    config:\n"
				   "      command: npx\n"
				   "      args: [\"-y\", \"@modelcontextprotocol/server-filesystem\", 7]\n"
				   "      env: {A: \"1\", B: two}\n"
				   "      cwd: /srv\n"
				   "  - id: far\n"
				   "    enabled: false\n"
				   "    type: remote_http\n"
				   "    config: {url: \"https://example.org/mcp\"}\n";
	if (loaded(text, NULL, &r, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(r->servers_count, 2);
	const struct conf_tool_server *s = &r->servers[0];
	assert_string_equal(s->id, "filesystem");
	assert_true(s->enabled);
	assert_int_equal(s->type, CONF_TOOL_STDIO);
	assert_string_equal(s->command, "npx");
	assert_string_equal(s->args[0], "-y");
	assert_string_equal(s->args[2], "7");
	assert_null(s->args[3]);
	assert_int_equal(s->env_count, 2);
	assert_string_equal(s->env[1].name, "B");
	assert_string_equal(s->env[1].value, "two");
	assert_string_equal(s->cwd, "/srv");
	assert_null(s->url);
	s = &r->servers[1];
	assert_false(s->enabled);
	assert_int_equal(s->type, CONF_TOOL_HTTP);
	assert_string_equal(s->url, "https://example.org/mcp");
	assert_null(s->command);
	assert_null(s->args[0]);
	conf_registry_free(r);
}

static void conf_registry_load__takes_a_desktop_hosts_file(void **state)
{
	(void)state;
	struct conf_registry *r;
	struct error e;
	static const char text[] =
		"{\n\t\"globalShortcut\": \"\",\n\t\"mcpServers\": {\n"
		"\t\t\"files\": {\"command\": \"npx\", \"args\": [\"-y\", \"x\"], \"env\": {\"K\": \"v\"}},\n"
		"\t\t\"web\": {\"type\": \"http\", \"url\": \"https://example.org/mcp\", \"disabled\": "
		"true}\n"
		"\t}\n}\n";
	if (loaded(text, NULL, &r, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(r->servers_count, 2);
	assert_string_equal(r->servers[0].id, "files");
	assert_true(r->servers[0].enabled);
	assert_string_equal(r->servers[0].args[1], "x");
	assert_string_equal(r->servers[0].env[0].value, "v");
	assert_int_equal(r->servers[1].type, CONF_TOOL_HTTP);
	assert_false(r->servers[1].enabled);
	conf_registry_free(r);
}

static void conf_registry_load__replaces_variables_once(void **state)
{
	(void)state;
	struct conf_registry *r;
	struct error e;
	static const char *const env[] = {"TOKEN", "t0${HOME}", "EMPTY", "", NULL};
	static const char text[] =
		"tool_registry:\n  - id: a\n    config: {command: \"${REGISTRY_DIR}/x\", "
		"args: [\"--t=${TOKEN}!\", \"$${TOKEN} $5 ${EMPTY}\"], env: {K: \"${TOKEN}\"}}\n"
		"  - id: b\n    enabled: false\n    config: {command: x, args: [\"${NOT_SET}\"]}\n";
	if (loaded(text, env, &r, &e))
		fail_msg("%s", e.msg);
	assert_true(*r->servers[0].command == '/');
	assert_non_null(strstr(r->servers[0].command, "/conf-test-"));
	assert_string_equal(r->servers[0].args[0], "--t=t0${HOME}!");
	assert_string_equal(r->servers[0].args[1], "${TOKEN} $5 ");
	assert_string_equal(r->servers[0].env[0].value, "t0${HOME}");
	assert_string_equal(r->servers[1].args[0], "${NOT_SET}");
	conf_registry_free(r);
}

static void conf_registry_load__says_what_is_wrong_and_where(void **state)
{
	(void)state;
#define ONE "tool_registry:\n  - id: a\n    "
	assert_refused("tool_registri: []\n", "tool_registry.yaml:1:1: a registry has no option "
					      "tool_registri; did you mean tool_registry?");
	assert_refused("tool_registry: {}\n",
		       "tool_registry.yaml:1:16: tool_registry must be a list of servers, is a map");
	assert_refused("tool_registry: []\nmcpServers: {}\n",
		       "tool_registry.yaml:1:1: there must be tool_registry or mcpServers, not both");
	assert_refused("tool_registry:\n  - enabled: true\n",
		       "tool_registry.yaml:2:5: an entry of tool_registry needs an id");
	assert_refused("tool_registry:\n  - id: a b\n", "tool_registry.yaml:2:9: a server's name must be 1 "
							"to 48 letters, digits, '_' or '-', is \"a b\"");
	assert_refused(ONE "config: {command: x}\n  - id: a\n",
		       "tool_registry.yaml:4:9: there is already a server named a");
	assert_refused(ONE "type: local_stdio\n",
		       "tool_registry.yaml:2:5: a needs a config with a command or a url");
	assert_refused(
		ONE "conf: {}\n",
		"tool_registry.yaml:3:5: an entry of tool_registry has no option conf; did you mean config?");
	assert_refused(ONE "config: {comand: x}\n",
		       "tool_registry.yaml:3:14: config has no option comand; did you mean command?");
	assert_refused(ONE "enabled: yes\n    config: {command: x}\n",
		       "tool_registry.yaml:3:14: enabled must be true or false");
	assert_refused(ONE "type: remote_htp\n    config: {url: x}\n",
		       "tool_registry.yaml:3:11: unknown type \"remote_htp\"; did you mean remote_http?");
	assert_refused(ONE "config: {args: [x]}\n", "tool_registry.yaml:2:5: a needs a command");
	assert_refused(ONE "config: {command: x, args: x}\n",
		       "tool_registry.yaml:3:32: args must be a list, is text");
	assert_refused(ONE "config: {command: x, args: [[x]]}\n",
		       "tool_registry.yaml:3:33: must be text, is a list");
	assert_refused(ONE "config: {command: x, env: {A: }}\n",
		       "tool_registry.yaml:3:35: A must be text, is empty");
	assert_refused(ONE "config: {command: x, env: {A=B: c}}\n",
		       "tool_registry.yaml:3:32: \"A=B\" cannot name a variable");
	assert_refused(
		ONE "config: {command: x, args: [\"${NOPE}\"]}\n",
		"tool_registry.yaml:3:33: the environment variable NOPE is not set (needed by a; set it or "
		"disable the server)");
	assert_refused(
		ONE "config: {command: \"${NOPE:-x}\"}\n",
		"tool_registry.yaml:3:23: \"${\" must begin a variable, as ${HOME}; write $${ for itself");
	assert_refused(ONE "type: remote_http\n    config: {url: \"ftp://x\"}\n",
		       "tool_registry.yaml:4:19: the url must start with http:// or https://");
	assert_refused(ONE "type: remote_http\n    config: {url: \"https://x\", cwd: /}\n",
		       "tool_registry.yaml:4:32: a is reached by its url and takes no cwd");
	assert_refused(ONE "type: local_stdio\n    config: {command: x, url: \"http://x\"}\n",
		       "tool_registry.yaml:4:26: a runs a command and takes no url");
	assert_refused(
		"mcpServers:\n  a: {command: x, colours: {}}\n",
		"tool_registry.yaml:2:19: an entry of mcpServers has no option colours; known here: "
		"command, args, env, cwd, url, auth, headers, tls, proxy, timeout, era, allow_http, "
		"type, disabled, trust_annotations, untrusted, tools, sandbox, scope, warm, max_instances, "
		"idle_stop, max_lifetime, start_seconds, roots, sampling, log_level");
#undef ONE
}

static void conf_registry_load__empty_is_no_server(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "tool_registry:\n", "tool_registry: []\n",
					    "mcpServers: {}\n"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct conf_registry *r;
		struct error e;
		assert_int_equal(loaded(texts[i], NULL, &r, &e), ERR_NONE);
		assert_int_equal(r->servers_count, 0);
		assert_non_null(r->path);
		conf_registry_free(r);
	}
}

static void conf_registry_load__finds_the_file(void **state)
{
	(void)state;
	struct folder f;
	struct conf *c;
	struct conf_registry *r;
	struct error e = {0};
	folder_open(&f);
	folder_write(f.file, "tools: {registry: mine.yaml}\n");
	/* Named but missing: an error. Neither named nor there: no servers. */
	assert_int_equal(conf_load(f.file, NULL, 0, env_listed, NULL, &c, &e), ERR_NONE);
	assert_int_equal(conf_registry_load(c, env_listed, NULL, &r, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "/mine.yaml"));
	conf_free(c);
	folder_write(f.file, "");
	assert_int_equal(conf_load(f.file, NULL, 0, env_listed, NULL, &c, &e), ERR_NONE);
	assert_int_equal(conf_registry_load(c, env_listed, NULL, &r, &e), ERR_NONE);
	assert_null(r->path);
	assert_int_equal(r->servers_count, 0);
	conf_registry_free(r);
	conf_free(c);
	/* An absolute name does not care where the configuration is. */
	const char *set = xasprintf("tools.registry=%s", f.other);
	folder_write(f.other, "mcpServers: {a: {command: x}}");
	assert_int_equal(conf_load(f.file, &set, 1, env_listed, NULL, &c, &e), ERR_NONE);
	assert_int_equal(conf_registry_load(c, env_listed, NULL, &r, &e), ERR_NONE);
	assert_int_equal(r->servers_count, 1);
	conf_registry_free(r);
	conf_free(c);
	free((void *)(uintptr_t)set);
	folder_close(&f);
}

static void conf_registry_load__takes_the_shipped_one(void **state)
{
	(void)state;
	struct conf *c;
	struct conf_registry *r;
	struct error e = {0};
	assert_int_equal(conf_load("etc/config.yaml", NULL, 0, env_listed, NULL, &c, &e), ERR_NONE);
	if (conf_registry_load(c, env_listed, NULL, &r, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(r->path, "etc/tool_registry.yaml");
	assert_int_equal(r->servers_count, 5);
	for (size_t i = 0; i < r->servers_count; i++)
		assert_int_equal(r->servers[i].enabled, !strcmp(r->servers[i].id, "filesystem"));
	assert_int_equal(access(r->servers[0].args[1], F_OK), 0);
	conf_registry_free(r);
	conf_free(c);
	conf_registry_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conf_registry_load__takes_the_original_form),
		cmocka_unit_test(conf_registry_load__takes_a_desktop_hosts_file),
		cmocka_unit_test(conf_registry_load__replaces_variables_once),
		cmocka_unit_test(conf_registry_load__says_what_is_wrong_and_where),
		cmocka_unit_test(conf_registry_load__empty_is_no_server),
		cmocka_unit_test(conf_registry_load__finds_the_file),
		cmocka_unit_test(conf_registry_load__takes_the_shipped_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
