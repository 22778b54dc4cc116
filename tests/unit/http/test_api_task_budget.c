/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of a new task: what is asked for, what is the default, what is the most. */
#include "base/base.h"
#include "http/api_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static const struct http_options options = {
	.budget = {.caps = {.model_calls = 5, .tool_calls = 50}},
	.budget_max = {.caps = {.tool_calls = 9, .cost_nano = 2500000000, .total_tokens = 1000}},
	.prices_known = true,
};

static enum err check(const struct http_options *o, const char *text, struct buf *out, struct error *e)
{
	struct json *body = json_parse(text, strlen(text), 0, e);
	assert_non_null(body);
	buf_reset(out);
	*e = (struct error){0};
	enum err code = api_budget_check(o, body, out, e);
	json_free(body);
	return code;
}

static void assert_limits(const struct http_options *o, const char *text, const char *limits)
{
	struct buf out = BUF_INIT;
	struct error e;
	if (check(o, text, &out, &e) != ERR_NONE)
		fail_msg("%s: %s", text, e.msg);
	assert_string_equal(buf_cstr(&out), limits);
	buf_release(&out);
}

static void budget__is_what_was_asked_for_or_the_default_and_bounded(void **state)
{
	static const struct http_options none = {0};
	(void)state;
	assert_limits(&none, "{}", "");
	assert_limits(&none, "{\"budget\":{}}", "");
	assert_limits(&none, "{\"budget\":{\"wall_seconds\":60}}", "{\"wall_seconds\":60}");
	assert_limits(&options, "{}",
		      "{\"total_tokens\":1000,\"cost\":2.5,\"model_calls\":5,\"tool_calls\":9}");
	assert_limits(&options, "{\"budget\":{\"cost\":0.000000001,\"model_calls\":7,\"tool_calls\":3}}",
		      "{\"total_tokens\":1000,\"cost\":1e-09,\"model_calls\":7,\"tool_calls\":3}");
}

static void budget__says_what_cannot_be(void **state)
{
	static const struct {
		const char *body, *field, *msg;
	} rows[] = {
		{"{\"budget\":1}", "/budget", "must be an object"},
		{"{\"budget\":{\"tokens\":1}}", "/budget", "no member \"tokens\""},
		{"{\"budget\":{\"model_calls\":0}}", "/budget/model_calls", "above 0"},
		{"{\"budget\":{\"model_calls\":\"3\"}}", "/budget/model_calls", "whole number"},
		{"{\"budget\":{\"model_calls\":2.5}}", "/budget/model_calls", "whole number"},
		{"{\"budget\":{\"cost\":1e300}}", "/budget/cost", "number"},
		{"{\"budget\":{\"cost\":2.6}}", "/budget/cost", "budgets.task_max_cost"},
		{"{\"budget\":{\"total_tokens\":1001}}", "/budget/total_tokens",
		 "budgets.task_max_total_tokens"},
	};
	struct buf out = BUF_INIT;
	struct error e;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(check(&options, rows[i].body, &out, &e), ERR_FIELD);
		assert_string_equal(e.field, rows[i].field);
		if (strstr(e.msg, rows[i].msg) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", e.msg, rows[i].msg);
	}
	struct http_options unpriced = options;
	unpriced.prices_known = false;
	assert_int_equal(check(&unpriced, "{\"budget\":{\"cost\":1}}", &out, &e), ERR_FIELD);
	assert_non_null(strstr(e.msg, "prices"));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget__is_what_was_asked_for_or_the_default_and_bounded),
		cmocka_unit_test(budget__says_what_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
