/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in what a server says. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void secrets_mask__hides_values_of_secret_names_only(void **state)
{
	static const struct mcp_env env[] = {{"api_key", "abcdefgh"},
					     {"GITHUB_TOKEN", "ghp_123456"},
					     {"DB_PASSWORD", "short"},
					     {"FOLDER", "/home/somebody"}};
	const struct mcp_server_options o = {.env = env, .env_count = COUNT_OF(env)};
	char text[] = "abcdefgh ghp_12345 short /home/somebody ghp_123456ghp_123456 abcdefg";
	(void)state;
	secrets_mask(&o, text, strlen(text));
	assert_string_equal(text, "******** ghp_12345 short /home/somebody ******************** abcdefg");
	secrets_mask(&o, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_mask__hides_values_of_secret_names_only),
	};
	return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
