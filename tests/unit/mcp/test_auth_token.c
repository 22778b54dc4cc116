/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of the token endpoint means for what we hold. */
#include "mcp/auth_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static enum token_fault answered(const char *text, int status, struct tokens *t, struct error *e)
{
	struct json *j = *text ? json_parse(text, strlen(text), 0, e) : NULL;
	struct ask_answer a = {.status = status, .json = j};
	enum token_fault f = tokens_read(&a, "https://as", "asked", t, e);
	json_free(j);
	return f;
}

static void tokens_read__takes_a_good_one(void **state)
{
	struct tokens t = {0};
	struct error e;
	(void)state;
	clock_fake_set(0, 5000);
	assert_int_equal(answered("{\"access_token\":\"a\",\"token_type\":\"bEARER\",\"expires_in\":10,"
				  "\"refresh_token\":\"r\",\"scope\":\"given\"}",
				  200, &t, &e),
			 TOKEN_GOOD);
	assert_string_equal(t.access, "a");
	assert_string_equal(t.refresh, "r");
	assert_string_equal(t.scope, "given");
	assert_int_equal(t.expires_ms, 15000);
	/* No new refresh token: the old one goes on; no scope: what was asked for. */
	assert_int_equal(answered("{\"access_token\":\"b\",\"token_type\":\"Bearer\"}", 200, &t, &e),
			 TOKEN_GOOD);
	assert_string_equal(t.refresh, "r");
	assert_string_equal(t.scope, "asked");
	assert_int_equal(t.expires_ms, 0);
	assert_int_equal(answered("{\"access_token\":\"b\",\"expires_in\":9000000000000000000}", 200, &t, &e),
			 TOKEN_GOOD);
	assert_true(t.expires_ms > 0 && t.expires_ms < INT64_C(40000000000));
	clock_fake_clear();
	tokens_release(&t);
}

static void tokens_read__changes_nothing_for_a_bad_one(void **state)
{
	static const struct {
		const char *text;
		int status;
		enum token_fault fault;
	} rows[] = {
		{"{\"access_token\":\"a\\r\\nX: y\",\"token_type\":\"Bearer\"}", 200, TOKEN_FAILED},
		{"{\"access_token\":\"\",\"token_type\":\"Bearer\"}", 200, TOKEN_FAILED},
		{"{\"access_token\":\"a\",\"token_type\":\"mac\"}", 200, TOKEN_FAILED},
		{"{\"token_type\":\"Bearer\"}", 200, TOKEN_FAILED},
		{"{\"access_token\":\"a\",\"error\":\"invalid_grant\"}", 200, TOKEN_GRANT},
		{"{\"error\":\"invalid_grant\"}", 400, TOKEN_GRANT},
		{"{\"error\":\"invalid_client\"}", 401, TOKEN_CLIENT},
		{"{\"error\":\"unauthorized_client\"}", 400, TOKEN_CLIENT},
		{"{\"error\":\"invalid_scope\"}", 400, TOKEN_FAILED},
		{"{\"error\":\"temporarily_unavailable\"}", 503, TOKEN_FAILED},
		{"", 502, TOKEN_FAILED},
		{"", 200, TOKEN_FAILED},
	};
	struct tokens t = {.access = xstrdup("old"), .refresh = xstrdup("kept")};
	struct error e;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (answered(rows[i].text, rows[i].status, &t, &e) != rows[i].fault)
			fail_msg("%s", rows[i].text);
		assert_string_equal(t.access, "old");
		assert_string_equal(t.refresh, "kept");
	}
	struct ask_answer lost = {.e = {.code = ERR_LOST, .msg = "gone"}};
	assert_int_equal(tokens_read(&lost, "https://as", NULL, &t, &e), TOKEN_FAILED);
	assert_int_equal(e.code, ERR_LOST);
	tokens_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_read__takes_a_good_one),
		cmocka_unit_test(tokens_read__changes_nothing_for_a_bad_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
