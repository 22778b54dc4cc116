/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: order of the sources, the original service's file, every message a person can meet, and secrets.
 */
#include "conf_test.h"
#include "load_text.h"

static void conf_load__takes_the_original_file(void **state)
{
	(void)state;
	struct conf *c;
	struct error e;
	static const char text[] =
		"openai:\n  api_key: \"sk-abc\"\n\nserver:\n  host: \"0.0.0.0\"\n  port: 8000\n";
	assert_int_equal(loaded(text, NULL, 0, NULL, &c, &e), ERR_NONE);
	assert_string_equal(c->server.host, "0.0.0.0");
	assert_int_equal(c->server.port, 8000);
	assert_string_equal(c->openai.api_key, "sk-abc");
	assert_int_equal(c->llm.api, CONF_LLM_CHAT);
	assert_int_equal(c->limits.body_bytes, 1048576);
	conf_free(c);
}

static void conf_load__takes_the_sample(void **state)
{
	(void)state;
	struct conf *c;
	struct error e = {0};
	if (conf_load("etc/config.yaml", NULL, 0, env_listed, NULL, &c, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(c->path, "etc/config.yaml");
	assert_int_equal(c->llm.api, CONF_LLM_OFFLINE);
	conf_free(c);
}

static void conf_load__environment_over_file_and_set_over_all(void **state)
{
	(void)state;
	static const char text[] =
		"openai: {api_key: file, base_url: \"http://file/v1\"}\nlog: {level: error}\n";
	static const char *const env[] = {
		"OPENAI_API_KEY", "env", "OPENAI_BASE_URL", "http://env/v1", "LOG_LEVEL", "Warning", NULL};
	static const char *const sets[] = {"openai.base_url=http://set/v1?a=b", "server.port=1",
					   "server.port=2"};
	struct conf *c;
	struct error e;
	assert_int_equal(loaded(text, sets, COUNT_OF(sets), env, &c, &e), ERR_NONE);
	assert_string_equal(c->openai.api_key, "env");
	assert_string_equal(c->openai.base_url, "http://set/v1?a=b");
	assert_int_equal(c->log.level, LOG_WARN);
	assert_int_equal(c->server.port, 2);
	conf_free(c);
}

static void conf_load__empty_variables_and_values_change_nothing(void **state)
{
	(void)state;
	static const char *const env[] = {"OPENAI_API_KEY", "", NULL};
	struct conf *c;
	struct error e;
	assert_int_equal(loaded("openai:\n  api_key: k\nserver:\n  port:\nlog:\n", NULL, 0, env, &c, &e),
			 ERR_NONE);
	assert_string_equal(c->openai.api_key, "k");
	assert_int_equal(c->server.port, 8080);
	conf_free(c);
}

static void conf_load__auto_is_settled(void **state)
{
	(void)state;
	struct conf *c;
	struct error e;
	assert_int_equal(loaded("", NULL, 0, NULL, &c, &e), ERR_NONE);
	assert_int_equal(c->llm.api, CONF_LLM_OFFLINE);
	conf_free(c);
	assert_int_equal(loaded("openai: {base_url: \"http://127.0.0.1:1/v1\"}", NULL, 0, NULL, &c, &e),
			 ERR_NONE);
	assert_int_equal(c->llm.api, CONF_LLM_CHAT);
	conf_free(c);
	assert_int_equal(loaded("openai: {api_key: k}\nllm: {api: offline}", NULL, 0, NULL, &c, &e),
			 ERR_NONE);
	assert_int_equal(c->llm.api, CONF_LLM_OFFLINE);
	conf_free(c);
	/* each API has its own address */
	assert_int_equal(loaded("llm: {api: messages}", NULL, 0, NULL, &c, &e), ERR_NONE);
	assert_string_equal(c->openai.base_url, "https://api.anthropic.com");
	conf_free(c);
	assert_int_equal(loaded("llm: {api: responses}", NULL, 0, NULL, &c, &e), ERR_NONE);
	assert_string_equal(c->openai.base_url, "https://api.openai.com/v1");
	conf_free(c);
}

static void conf_load__says_what_is_wrong_and_where(void **state)
{
	(void)state;
	assert_refused("server:\n  prot: 1\n",
		       "config.yaml:2:3: unknown option server.prot; did you mean port?");
	assert_refused("sever:\n  port: 1\n", "config.yaml:1:1: unknown section sever; did you mean server?");
	assert_refused("port: 1\n", "config.yaml:1:1: unknown section port; did you mean server.port?");
	assert_refused("server:\n  port: 70000\n",
		       "config.yaml:2:9: server.port: must be a whole number from 0 to 65535, is \"70000\"");
	assert_refused(
		"server:\n  port: \"80\"\n",
		"config.yaml:2:9: server.port: must be a whole number from 0 to 65535, is the text \"80\"");
	assert_refused("server:\n  port: [80]\n",
		       "config.yaml:2:9: server.port must be one value, is a list");
	assert_refused("server: 80\n", "config.yaml:1:9: server must be a map of options, is text");
	assert_refused("- a\n", "config.yaml:1:1: the file must be a map of sections, is a list");
	assert_refused("log: {level: loud}\n", "config.yaml:1:14: log.level: unknown value \"loud\"; known "
					       "here: debug, info, warn, error, off");
	assert_refused("tools: {restart_ms_min: 5000, restart_ms_max: 1000}",
		       "tools.restart_ms_min (5000) must not be above tools.restart_ms_max (1000)");
}

static void conf_load__names_variable_and_set(void **state)
{
	(void)state;
	struct conf *c = NULL;
	struct error e;
	static const char *const env[] = {"LOG_LEVEL", "loud", NULL}, *const url[] = {"OPENAI_BASE_URL", "x",
										      NULL};
	assert_int_equal(loaded("", NULL, 0, env, &c, &e), ERR_CONFIG);
	assert_string_equal(
		e.msg, "environment variable LOG_LEVEL: unknown value \"loud\"; known here: debug, info, "
		       "warn, error, off");
	assert_int_equal(loaded("", NULL, 0, url, &c, &e), ERR_CONFIG);
	assert_string_equal(
		e.msg, "environment variable OPENAI_BASE_URL: must be an address that starts with http:// "
		       "or https://");
	static const struct {
		const char *set, *msg;
	} rows[] = {
		{"server.port=x", "--set server.port: must be a whole number from 0 to 65535, is \"x\""},
		{"server.port", "--set server.port: must look like section.name=value, as server.port=8080"},
		{"port=1", "--set port: must look like section.name=value, as server.port=8080"},
		{"server.prot=1", "--set: unknown option server.prot; did you mean port?"},
		{"serer.port=1", "--set: unknown option serer.port; did you mean server?"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(loaded("", &rows[i].set, 1, NULL, &c, &e), ERR_CONFIG);
		assert_string_equal(e.msg, rows[i].msg);
	}
	assert_null(c);
}

static void conf_load__never_repeats_a_secret(void **state)
{
	(void)state;
	struct conf *c = NULL;
	struct error e;
	assert_int_equal(loaded("openai: {api_key: \"sk-hush\\n\"}\n", NULL, 0, NULL, &c, &e), ERR_CONFIG);
	assert_null(strstr(e.msg, "hush"));
	assert_non_null(strstr(e.msg, "openai.api_key"));
}

static void conf_load__finds_the_file(void **state)
{
	(void)state;
	struct folder f;
	struct conf *c;
	struct error e = {0};
	folder_open(&f);
	folder_write(f.file, "server: {port: 7}\n");
	const char *const env[] = {"AGENT_RUNTIME_CONFIG", f.file, NULL};
	assert_int_equal(conf_load(NULL, NULL, 0, env_listed, (void *)(uintptr_t)env, &c, &e), ERR_NONE);
	assert_int_equal(c->server.port, 7);
	assert_string_equal(c->path, f.file);
	conf_free(c);
	char here[512];
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(f.path), 0);
	assert_int_equal(conf_load(NULL, NULL, 0, env_listed, NULL, &c, &e), ERR_NONE);
	assert_string_equal(c->path, "config.yaml");
	conf_free(c);
	assert_int_equal(chdir(here), 0);
	folder_close(&f);
	/* A file that was asked for by name must be there. */
	assert_int_equal(conf_load(NULL, NULL, 0, env_listed, (void *)(uintptr_t)env, &c, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, f.file));
}

static void conf_print_effective__hides_secrets_and_loads_again(void **state)
{
	(void)state;
	struct conf *c, *again;
	struct error e;
	struct buf b = BUF_INIT;
	static const char text[] =
		"openai: {api_key: hush}\nserver: {workers: 3, host: \"a\\\"b\"}\nlog: {format: json}\n";
	assert_int_equal(loaded(text, NULL, 0, NULL, &c, &e), ERR_NONE);
	conf_print_effective(c, &b);
	assert_null(strstr(buf_cstr(&b), "hush"));
	assert_non_null(strstr(buf_cstr(&b), "  api_key: \"***\"\n"));
	assert_non_null(strstr(buf_cstr(&b), "  workers: 3\n"));
	assert_int_equal(loaded(buf_cstr(&b), NULL, 0, NULL, &again, &e), ERR_NONE);
	assert_string_equal(again->server.host, "a\"b");
	assert_int_equal(again->log.format, LOG_FORMAT_JSON);
	assert_int_equal(again->llm.api, CONF_LLM_CHAT);
	conf_free(again);
	buf_reset(&b);
	conf_forget_secrets(c);
	assert_string_equal(c->openai.api_key, "");
	conf_print_effective(c, &b);
	assert_non_null(strstr(buf_cstr(&b), "  api_key: \"\"\n"));
	conf_free(c);
	buf_release(&b);
}

static void conf_env_process__reads_the_environment(void **state)
{
	(void)state;
	assert_string_equal(conf_env_process("PATH", NULL), getenv("PATH"));
	assert_null(conf_env_process("SURELY_NOT_SET_8251", NULL));
	conf_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conf_load__takes_the_original_file),
		cmocka_unit_test(conf_load__takes_the_sample),
		cmocka_unit_test(conf_load__environment_over_file_and_set_over_all),
		cmocka_unit_test(conf_load__empty_variables_and_values_change_nothing),
		cmocka_unit_test(conf_load__auto_is_settled),
		cmocka_unit_test(conf_load__says_what_is_wrong_and_where),
		cmocka_unit_test(conf_load__names_variable_and_set),
		cmocka_unit_test(conf_load__never_repeats_a_secret),
		cmocka_unit_test(conf_load__finds_the_file),
		cmocka_unit_test(conf_print_effective__hides_secrets_and_loads_again),
		cmocka_unit_test(conf_env_process__reads_the_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
