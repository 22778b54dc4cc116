/* SPDX-License-Identifier: Apache-2.0 */
/* The key for tokens and the redirect address: from where, and gone from there afterwards. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct conf conf_of(const char *url, const char *folder, const char *key_file)
{
	return (struct conf){.server = {.public_url = url},
			     .tools = {.token_folder = folder, .token_key_file = key_file}};
}

static void wire_auth__makes_the_redirect_address(void **state)
{
	struct mcp_auth_common o;
	struct conf c = conf_of("", "", "");
	(void)state;
	wire_auth(&c, 8123, &o);
	assert_string_equal(o.redirect_uri, "http://127.0.0.1:8123/v1/oauth/callback");
	assert_null(o.folder);
	assert_null(o.key);
	wire_auth_release(&o);
	c = conf_of("https://agents.example/", "", "");
	wire_auth(&c, 8123, &o);
	assert_string_equal(o.redirect_uri, "https://agents.example/v1/oauth/callback");
	wire_auth_release(&o);
	assert_null(o.redirect_uri);
}

static void wire_auth__takes_the_key_out_of_the_environment_before_the_file(void **state)
{
	struct mcp_auth_common o;
	char path[] = "/tmp/wire_auth.XXXXXX";
	int fd = mkstemp(path);
	struct conf c = conf_of("", "/var/lib/x", path);
	(void)state;
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	/* As title_init leaves it: each variable in memory of its own, which title_env_forget frees. */
	char *variable = xstrdup("AGENT_RUNTIME_TOKEN_KEY=from-env");
	assert_int_equal(putenv(variable), 0);
	assert_int_equal(write(fd, "from-file\n", 10), 10);
	close(fd);
	wire_auth(&c, 1, &o);
	assert_string_equal(o.key, "from-env");
	assert_string_equal(o.folder, "/var/lib/x");
	assert_null(getenv("AGENT_RUNTIME_TOKEN_KEY"));
	wire_auth_release(&o);
	wire_auth(&c, 1, &o);
	assert_string_equal(o.key, "from-file\n");
	wire_auth_release(&o);
	unlink(path);
	wire_auth(&c, 1, &o);
	assert_null(o.key);
	wire_auth_release(&o);
}

static void wire_auth_row__keeps_every_member(void **state)
{
	struct conf_auth a = {CONF_AUTH_CLIENT, "t", "i", "s", "p", "k", "u", "c", "m", "r", true};
	struct mcp_auth_options o = wire_auth_row(&a);
	(void)state;
	assert_int_equal(o.type, MCP_AUTH_CLIENT);
	assert_string_equal(o.token, "t");
	assert_string_equal(o.client_id, "i");
	assert_string_equal(o.client_secret, "s");
	assert_string_equal(o.private_key, "p");
	assert_string_equal(o.key_alg, "k");
	assert_string_equal(o.issuer, "u");
	assert_string_equal(o.scopes, "c");
	assert_string_equal(o.client_metadata_url, "m");
	assert_string_equal(o.redirect_uri, "r");
	assert_true(o.allow_private);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_auth__makes_the_redirect_address),
		cmocka_unit_test(wire_auth__takes_the_key_out_of_the_environment_before_the_file),
		cmocka_unit_test(wire_auth_row__keeps_every_member),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
