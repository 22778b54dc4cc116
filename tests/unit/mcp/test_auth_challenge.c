/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate as it is found. */
#include "mcp/auth_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct challenge parse(const char *text)
{
	/* An exact copy, so that reading past its end shows. */
	struct challenge c;
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	memcpy(copy, text, n);
	challenge_parse((struct slice){copy, n}, &c);
	free(copy);
	return c;
}

static void challenge_parse__reads_quoted_and_bare_values(void **state)
{
	struct challenge c =
		parse("Bearer resource_metadata=\"https://a/b?c=d,e\", Scope=\"a b\",error=invalid_token");
	(void)state;
	assert_true(c.bearer);
	assert_string_equal(c.resource_metadata, "https://a/b?c=d,e");
	assert_string_equal(c.scope, "a b");
	assert_string_equal(c.error, "invalid_token");
	c = parse("bearer scope = \"a\\\"b\\\\c\" , error=\"x\"");
	assert_string_equal(c.scope, "a\"b\\c");
	assert_string_equal(c.error, "x");
}

static void challenge_parse__takes_the_bearer_one_of_several(void **state)
{
	struct challenge c =
		parse("Basic realm=\"x, Bearer scope=no\", scope=\"no\", Negotiate YWJj/+==, "
		      "Bearer realm=\"r\", scope=\"yes\", DPoP scope=\"late\", Bearer error=\"second\"");
	(void)state;
	assert_true(c.bearer);
	assert_string_equal(c.scope, "yes");
	assert_string_equal(c.error, "");
}

static void challenge_parse__survives_what_is_no_challenge(void **state)
{
	static const char *const junk[] = {"",
					   ",",
					   ",,, ,",
					   "=",
					   "\"",
					   "Bearer",
					   "Bearer =",
					   "Bearer scope",
					   "Bearer scope=",
					   "Bearer scope=\"",
					   "Bearer scope=\"a\\",
					   "/;:=,\"\\",
					   "Bearer scope=\"a\"b=c,error=\"e\""};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(junk); i++)
		parse(junk[i]);
	assert_false(parse("Basic scope=\"a\"").bearer);
	assert_string_equal(parse("Basic scope=\"a\"").scope, "");
	assert_true(parse("Bearer").bearer);
	assert_string_equal(parse("Bearer scope=\"a\"b=c,error=\"e\"").error, "e");
}

static void challenge_parse__leaves_out_what_is_too_long(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_add_str(&b, "Bearer resource_metadata=\"https://a/");
	for (int i = 0; i < CHALLENGE_VALUE_SIZE; i++)
		buf_add_char(&b, 'a');
	buf_add_str(&b, "\", scope=\"s\"");
	struct challenge c = parse(b.data);
	assert_string_equal(c.resource_metadata, "");
	assert_string_equal(c.scope, "s");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenge_parse__reads_quoted_and_bare_values),
		cmocka_unit_test(challenge_parse__takes_the_bearer_one_of_several),
		cmocka_unit_test(challenge_parse__survives_what_is_no_challenge),
		cmocka_unit_test(challenge_parse__leaves_out_what_is_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
