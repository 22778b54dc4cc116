/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of failures, as a table. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct llm_verdict judge(int status, const char *code, const char *should_retry, enum err how)
{
	struct llm_fault f = {.status = status};
	struct fetch_head h = {.status = status};
	snprintf(f.code, sizeof(f.code), "%s", code);
	snprintf(h.should_retry, sizeof(h.should_retry), "%s", should_retry);
	return llm_fault_judge(&f, &h, how, 0);
}

static void llm_fault_judge__goes_by_the_name_first(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *code;
		enum err how;
		enum llm_fault_kind kind;
		bool passing;
	} rows[] = {
		{429, "insufficient_quota", ERR_BUDGET, LLM_FAULT_MONEY, false},
		{429, "enforced_spend_limit_reached", ERR_BUDGET, LLM_FAULT_MONEY, false},
		{402, "", ERR_BUDGET, LLM_FAULT_MONEY, false},
		{429, "rate_limit_exceeded", ERR_UNAVAILABLE, LLM_FAULT_RATE, true},
		{429, "", ERR_UNAVAILABLE, LLM_FAULT_RATE, true},
		{429, "slow_down", ERR_UNAVAILABLE, LLM_FAULT_OVERLOAD, true},
		{0, "overloaded_error", ERR_UPSTREAM, LLM_FAULT_OVERLOAD, true},
		{503, "", ERR_UPSTREAM, LLM_FAULT_OVERLOAD, true},
		{529, "", ERR_UPSTREAM, LLM_FAULT_OVERLOAD, true},
		{500, "", ERR_UPSTREAM, LLM_FAULT_BUSY, true},
		{504, "", ERR_UPSTREAM, LLM_FAULT_BUSY, true},
		{408, "", ERR_UPSTREAM, LLM_FAULT_BUSY, true},
		{409, "", ERR_UPSTREAM, LLM_FAULT_BUSY, true},
		{0, "server_error", ERR_UPSTREAM, LLM_FAULT_BUSY, true},
		{401, "", ERR_CONFIG, LLM_FAULT_ACCESS, false},
		{403, "", ERR_CONFIG, LLM_FAULT_ACCESS, false},
		{404, "model_not_found", ERR_CONFIG, LLM_FAULT_ACCESS, false},
		{302, "", ERR_CONFIG, LLM_FAULT_ACCESS, false},
		{400, "", ERR_UPSTREAM, LLM_FAULT_REQUEST, false},
		{413, "", ERR_TOO_LARGE, LLM_FAULT_REQUEST, false},
		{422, "", ERR_UPSTREAM, LLM_FAULT_REQUEST, false},
		{0, "", ERR_LOST, LLM_FAULT_LOST, true},
		{0, "", ERR_UNAVAILABLE, LLM_FAULT_LOST, true},
		{200, "", ERR_TIMEOUT, LLM_FAULT_LOST, true},
		{200, "", ERR_UPSTREAM, LLM_FAULT_ANSWER, false},
		{0, "invalid_prompt", ERR_UPSTREAM, LLM_FAULT_ANSWER, false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct llm_verdict v = judge(rows[i].status, rows[i].code, "", rows[i].how);
		if (v.kind != rows[i].kind || v.passing != rows[i].passing)
			fail_msg("row %zu: %d %s is %s", i, rows[i].status, rows[i].code,
				 llm_fault_kind_text(v.kind));
		assert_int_equal(v.asked_ms, -1);
	}
}

static void llm_fault_judge__obeys_x_should_retry_but_not_over_money(void **state)
{
	(void)state;
	assert_true(judge(400, "", "true", ERR_UPSTREAM).passing);
	assert_false(judge(500, "", "false", ERR_UPSTREAM).passing);
	assert_false(judge(429, "insufficient_quota", "true", ERR_BUDGET).passing);
}

static void llm_fault_judge__sees_when_the_format_is_refused(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"error\":{\"message\":\"x\",\"param\":\"response_format\"}}",
		"{\"error\":{\"message\":\"Invalid parameter: 'text.format' of type 'json_schema'\"}}",
		"{\"error\":{\"message\":\"output_config.format: not supported by this model\"}}",
	};
	struct fetch_head h = {.status = 400};
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct llm_fault f = {.status = 400};
		llm_fault_from_body(slice_str(bodies[i]), &f);
		assert_int_equal(llm_fault_judge(&f, &h, ERR_UPSTREAM, 0).kind, LLM_FAULT_FORMAT);
		f.status = 500;
		assert_int_equal(llm_fault_judge(&f, &h, ERR_UPSTREAM, 0).kind, LLM_FAULT_BUSY);
	}
}

static void llm_fault_judge__reads_the_wait_that_is_asked_for(void **state)
{
	(void)state;
	static const struct {
		const char *after, *after_ms;
		int64_t ms;
	} rows[] = {
		{"7", "", 7000},
		{"7", "1500", 1500},
		{"Mon, 23 Nov 2026 03:44:51 GMT", "", 10000},
		{"soon", "", -1},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct llm_fault f = {.status = 429};
		struct fetch_head h = {.status = 429};
		snprintf(h.retry_after, sizeof(h.retry_after), "%s", rows[i].after);
		snprintf(h.retry_after_ms, sizeof(h.retry_after_ms), "%s", rows[i].after_ms);
		assert_int_equal(llm_fault_judge(&f, &h, ERR_UNAVAILABLE, 1795405481000).asked_ms,
				 rows[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_fault_judge__goes_by_the_name_first),
		cmocka_unit_test(llm_fault_judge__obeys_x_should_retry_but_not_over_money),
		cmocka_unit_test(llm_fault_judge__sees_when_the_format_is_refused),
		cmocka_unit_test(llm_fault_judge__reads_the_wait_that_is_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
