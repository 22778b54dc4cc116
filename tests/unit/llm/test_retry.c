/* SPDX-License-Identifier: Apache-2.0 */
/* The retry policy, as a table and in its edges. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct case_of {
	struct error why;
	struct llm_fault fault;
	struct fetch_head head;
	struct llm_retry_case c;
};

/* A first attempt that may be tried again twice, with a minute left. */
static struct llm_retry_case *case_init(struct case_of *k, enum err code, int status)
{
	*k = (struct case_of){.why = {.code = code}, .fault = {.status = status}, .head = {.status = status}};
	snprintf(k->why.msg, sizeof(k->why.msg), "it failed");
	k->c = (struct llm_retry_case){
		.why = &k->why,
		.fault = &k->fault,
		.head = &k->head,
		.attempts = 1,
		.retries_max = 2,
		.left_ms = 60000,
		.wait_ms_max = 30000,
		.wall_ms = 1795405481000, /* Mon, 23 Nov 2026 03:44:41 GMT */
	};
	return &k->c;
}

static void llm_retry__knows_what_passes(void **state)
{
	(void)state;
	static const struct {
		enum err code;
		int status;
		const char *name; /* of the fault */
		bool again;
	} rows[] = {
		{ERR_UPSTREAM, 400, "", false},
		{ERR_CONFIG, 401, "", false},
		{ERR_CONFIG, 403, "", false},
		{ERR_CONFIG, 404, "", false},
		{ERR_UPSTREAM, 408, "", true},
		{ERR_UPSTREAM, 409, "", true},
		{ERR_UPSTREAM, 422, "", false},
		{ERR_CONFIG, 302, "", false},
		{ERR_UNAVAILABLE, 429, "rate_limit_exceeded", true},
		{ERR_UNAVAILABLE, 429, "slow_down", true},
		{ERR_UPSTREAM, 500, "", true},
		{ERR_UPSTREAM, 503, "server_is_overloaded", true},
		{ERR_UPSTREAM, 529, "", true},
		/* money */
		{ERR_BUDGET, 402, "", false},
		{ERR_BUDGET, 429, "insufficient_quota", false},
		{ERR_BUDGET, 429, "credit_balance_exhausted", false},
		{ERR_BUDGET, 429, "organization_spend_limit_exceeded", false},
		{ERR_BUDGET, 429, "project_spend_limit_exceeded", false},
		{ERR_BUDGET, 429, "organization_usage_limit_exceeded", false},
		{ERR_BUDGET, 429, "enforced_spend_limit_reached", false},
		{ERR_BUDGET, 429, "contract_spend_limit_reached", false},
		/* no status: errors inside a 200, and no answer at all */
		{ERR_UPSTREAM, 0, "server_error", true},
		{ERR_UPSTREAM, 0, "rate_limit_exceeded", true},
		{ERR_UPSTREAM, 0, "invalid_prompt", false},
		{ERR_UPSTREAM, 0, "", false},
		{ERR_LOST, 0, "", true},
		{ERR_UNAVAILABLE, 0, "", true},
		{ERR_TIMEOUT, 0, "", true},
		{ERR_CONFIG, 0, "", false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct case_of k;
		struct error e;
		int64_t wait_ms;
		struct llm_retry_case *c = case_init(&k, rows[i].code, rows[i].status);
		snprintf(k.fault.code, sizeof(k.fault.code), "%s", rows[i].name);
		if (llm_retry_decide(c, &wait_ms, &e) != rows[i].again)
			fail_msg("row %zu: %d %s", i, rows[i].status, rows[i].name);
		assert_int_equal(e.code, rows[i].code);
	}
}

static void llm_retry__lets_the_server_decide(void **state)
{
	(void)state;
	struct case_of k;
	struct error e;
	int64_t wait_ms;
	struct llm_retry_case *c = case_init(&k, ERR_UPSTREAM, 400);
	snprintf(k.head.should_retry, sizeof(k.head.should_retry), "true");
	assert_true(llm_retry_decide(c, &wait_ms, &e));
	c = case_init(&k, ERR_UPSTREAM, 500);
	snprintf(k.head.should_retry, sizeof(k.head.should_retry), "false");
	assert_false(llm_retry_decide(c, &wait_ms, &e));
	c = case_init(&k, ERR_BUDGET, 402); /* but not over money */
	snprintf(k.head.should_retry, sizeof(k.head.should_retry), "true");
	assert_false(llm_retry_decide(c, &wait_ms, &e));
}

static void llm_retry__never_after_output(void **state)
{
	(void)state;
	struct case_of k;
	struct error e;
	int64_t wait_ms;
	struct llm_retry_case *c = case_init(&k, ERR_LOST, 0);
	c->passed_on = true;
	assert_false(llm_retry_decide(c, &wait_ms, &e));
	assert_string_equal(e.msg, "it failed");
}

static int64_t wait_of(struct llm_retry_case *c)
{
	struct error e;
	int64_t wait_ms = -1;
	assert_true(llm_retry_decide(c, &wait_ms, &e));
	return wait_ms;
}

static void llm_retry__doubles_with_jitter(void **state)
{
	(void)state;
	struct case_of k;
	struct llm_retry_case *c = case_init(&k, ERR_UPSTREAM, 500);
	c->retries_max = 10;
	static const int64_t expected[] = {500, 1000, 2000, 4000, 8000, 8000};
	for (int i = 0; i < 6; i++) {
		c->attempts = i + 1;
		c->random = 0;
		assert_int_equal(wait_of(c), expected[i]);
		c->random = 1023;
		assert_in_range(wait_of(c), expected[i] * 3 / 4, expected[i] * 3 / 4 + expected[i] / 100);
	}
	c->attempts = 1;
	c->random = 0;
	snprintf(k.fault.code, sizeof(k.fault.code), "slow_down");
	assert_int_equal(wait_of(c), 2000);
}

static void llm_retry__obeys_what_is_asked(void **state)
{
	(void)state;
	struct case_of k;
	struct llm_retry_case *c = case_init(&k, ERR_UNAVAILABLE, 429);
	static const struct {
		const char *after, *after_ms;
		int64_t wait_ms;
	} rows[] = {
		{"7", "", 7000},
		{"0.25", "", 250},
		{"0", "", 0},
		{"7", "1500", 1500},
		{"Mon, 23 Nov 2026 03:44:51 GMT", "", 10000},
		{"Mon, 23 Nov 2026 03:44:01 GMT", "", 0}, /* past */
		{"soon", "", 500},
		{"-3", "", 500},
		{"nan", "inf", 500},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(k.head.retry_after, sizeof(k.head.retry_after), "%s", rows[i].after);
		snprintf(k.head.retry_after_ms, sizeof(k.head.retry_after_ms), "%s", rows[i].after_ms);
		assert_int_equal(wait_of(c), rows[i].wait_ms);
	}
}

static void llm_retry__does_not_wait_in_vain(void **state)
{
	(void)state;
	struct case_of k;
	struct error e;
	int64_t wait_ms;
	struct llm_retry_case *c = case_init(&k, ERR_UNAVAILABLE, 429);
	snprintf(k.head.retry_after, sizeof(k.head.retry_after), "31");
	assert_false(llm_retry_decide(c, &wait_ms, &e));
	assert_non_null(strstr(e.msg, "31 s"));
	assert_non_null(strstr(e.msg, "llm.retry_wait_seconds (30)"));
	assert_non_null(strstr(e.msg, "it failed"));
	snprintf(k.head.retry_after, sizeof(k.head.retry_after), "30");
	assert_true(llm_retry_decide(c, &wait_ms, &e));
	c->left_ms = 30000;
	assert_false(llm_retry_decide(c, &wait_ms, &e));
	assert_non_null(strstr(e.msg, "deadline"));
}

static void llm_retry__counts_attempts(void **state)
{
	(void)state;
	struct case_of k;
	struct error e;
	int64_t wait_ms;
	struct llm_retry_case *c = case_init(&k, ERR_UPSTREAM, 500);
	c->attempts = 2;
	assert_true(llm_retry_decide(c, &wait_ms, &e));
	c->attempts = 3;
	assert_false(llm_retry_decide(c, &wait_ms, &e));
	assert_string_equal(e.msg, "gave up after 3 attempts: it failed");
	c->attempts = 1;
	c->retries_max = 0;
	assert_false(llm_retry_decide(c, &wait_ms, &e));
	assert_string_equal(e.msg, "it failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_retry__knows_what_passes),
		cmocka_unit_test(llm_retry__lets_the_server_decide),
		cmocka_unit_test(llm_retry__never_after_output),
		cmocka_unit_test(llm_retry__doubles_with_jitter),
		cmocka_unit_test(llm_retry__obeys_what_is_asked),
		cmocka_unit_test(llm_retry__does_not_wait_in_vain),
		cmocka_unit_test(llm_retry__counts_attempts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
