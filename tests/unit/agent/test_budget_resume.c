/* SPDX-License-Identifier: Apache-2.0 */
/* What a run that is taken up has spent before: what was answered, and the worst of what nobody answered. */
#include "base/base.h"
#include "run_rig.h"

static struct json *parsed(const char *text)
{
	struct error e = {0};
	struct json *j = json_parse(text, strlen(text), 0, &e);
	if (j == NULL)
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void replay(struct run *r, enum event_type type, const char *text)
{
	struct json *data = parsed(text);
	budget_replay(r, type, data);
	json_free(data);
}

static void budget__unanswered_calls_keep_their_worst(void **state)
{
	struct agent a = {.options = {.task_ms_max = 60000}};
	struct run r = {.agent = &a};
	(void)state;
	replay(&r, EVENT_MODEL_STARTED,
	       "{\"call\":\"c1\",\"reserved\":{\"input_tokens\":100,\"output_tokens\":50,\"cost\":0.5}}");
	replay(&r, EVENT_MODEL_COMPLETED,
	       "{\"call\":\"c1\",\"usage\":{\"input_tokens\":10,\"output_tokens\":5},\"cost\":0.000000007}");
	replay(&r, EVENT_MODEL_STARTED,
	       "{\"call\":\"c2\",\"reserved\":{\"input_tokens\":100,\"output_tokens\":50,\"cost\":0.25}}");
	replay(&r, EVENT_TOOL_STARTED, "{\"call\":\"c3\"}");
	assert_int_equal(r.budget.spent.input_tokens, 10);
	assert_int_equal(r.budget.spent.cost_nano, 7);
	budget_loaded(&r);
	assert_null(r.budget.asks);
	assert_int_equal(r.budget.spent.input_tokens, 110);
	assert_int_equal(r.budget.spent.output_tokens, 55);
	assert_int_equal(r.budget.spent.cost_nano, 250000007);
	assert_int_equal(r.budget.spent.model_calls, 2);
	assert_int_equal(r.budget.spent.tool_calls, 1);
	budget_release(&r);
}

/* Attempts that were refused are calls; what was lost may have to be paid for; another provider is a call
 * only then. */
static void budget__attempts_before_the_last_count(void **state)
{
	struct agent a = {.options = {.task_ms_max = 60000}};
	struct run r = {.agent = &a};
	(void)state;
	replay(&r, EVENT_MODEL_STARTED,
	       "{\"call\":\"c1\",\"reserved\":{\"input_tokens\":100,\"output_tokens\":50,\"cost\":0.5}}");
	replay(&r, EVENT_MODEL_RETRIED, "{\"call\":\"c1\",\"error\":{\"code\":\"upstream-error\"}}");
	assert_int_equal(r.budget.spent.model_calls, 1);
	assert_int_equal(r.budget.spent.input_tokens, 0);
	replay(&r, EVENT_MODEL_RETRIED, "{\"call\":\"c1\",\"error\":{\"code\":\"connection-lost\"}}");
	assert_int_equal(r.budget.spent.model_calls, 2);
	assert_int_equal(r.budget.spent.input_tokens, 100);
	replay(&r, EVENT_MODEL_FAILOVER, "{\"call\":\"c1\",\"error\":{\"code\":\"upstream-error\"}}");
	assert_int_equal(r.budget.spent.model_calls, 2);
	replay(&r, EVENT_MODEL_FAILOVER, "{\"call\":\"c1\",\"error\":{\"code\":\"timeout\"}}");
	replay(&r, EVENT_MODEL_COMPLETED,
	       "{\"call\":\"c1\",\"usage\":{\"input_tokens\":10,\"output_tokens\":5}}");
	assert_int_equal(r.budget.spent.model_calls, 4);
	assert_int_equal(r.budget.spent.input_tokens, 210);
	budget_release(&r);
}

static void budget__limits_are_those_of_the_document(void **state)
{
	struct agent a = {.options = {.task_ms_max = 60000}};
	struct run r = {.agent = &a, .deadline_mono_ms = 100000};
	struct json *doc =
		parsed("{\"tenant\":\"t\",\"budget\":{\"cost\":2.5,\"tool_calls\":3,\"wall_seconds\":20}}");
	(void)state;
	budget_load(&r, doc);
	assert_string_equal(r.budget.tenant, "t");
	assert_int_equal(r.budget.caps.cost_nano, 2500000000);
	assert_int_equal(r.budget.caps.tool_calls, 3);
	assert_int_equal(r.budget.caps.model_calls, 0);
	assert_int_equal(r.deadline_mono_ms, 60000);
	json_free(doc);
	doc = parsed("{}");
	budget_load(&r, doc);
	assert_string_equal(r.budget.tenant, "default");
	assert_int_equal(r.budget.wall_ms, 0);
	assert_int_equal(r.deadline_mono_ms, 60000);
	json_free(doc);
}

static void budget__a_limit_that_was_reached_stays_reached(void **state)
{
	struct run r = {0};
	(void)state;
	assert_false(budget_is_over(&r));
	replay(&r, EVENT_BUDGET_EXHAUSTED,
	       "{\"scope\":\"tenant\",\"limit\":\"cost\",\"used\":1.5,\"cap\":1.6}");
	assert_true(budget_is_over(&r));
	assert_string_equal(r.budget.scope, "tenant");
	assert_int_equal(r.budget.over, BUDGET_COST);
	assert_int_equal(r.budget.used, 1500000000);
	assert_int_equal(r.budget.cap, 1600000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget__unanswered_calls_keep_their_worst),
		cmocka_unit_test(budget__attempts_before_the_last_count),
		cmocka_unit_test(budget__limits_are_those_of_the_document),
		cmocka_unit_test(budget__a_limit_that_was_reached_stays_reached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
