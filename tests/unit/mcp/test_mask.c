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

static void secrets_mask__hides_headers_and_authorization(void **state)
{
	static const struct mcp_env headers[] = {{"X-Key", "k-12345678"}};
	const struct mcp_server_options o = {
		.headers = headers,
		.headers_count = 1,
		.auth = {.token = "tok-123456", .client_secret = "s3cr3t-of-ours"}};
	char text[] = "Bearer tok-123456, k-12345678; s3cr3t-of-ours";
	(void)state;
	secrets_mask(&o, text, strlen(text));
	assert_string_equal(text, "Bearer **********, **********; **************");
}

static void secret_mask__hides_one_that_was_cut(void **state)
{
	char cut[] = "Bearer tok-123456", within[] = "tok-1234 and tok-12345", short_one[] = "tok-123",
	     whole[] = "tok-1234567";
	(void)state;
	secret_mask("tok-1234567", cut, strlen(cut));
	assert_string_equal(cut, "Bearer **********");
	secret_mask("tok-1234567", within, strlen(within));
	assert_string_equal(within, "tok-1234 and *********");
	secret_mask("tok-1234567", short_one, strlen(short_one));
	assert_string_equal(short_one, "tok-123");
	secret_mask("tok-1234567", whole, strlen(whole));
	assert_string_equal(whole, "***********");
	secret_mask(NULL, whole, strlen(whole));
	secret_mask("1234567", short_one, strlen(short_one));
	assert_string_equal(short_one, "tok-123");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_mask__hides_values_of_secret_names_only),
		cmocka_unit_test(secrets_mask__hides_headers_and_authorization),
		cmocka_unit_test(secret_mask__hides_one_that_was_cut),
	};
	return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
