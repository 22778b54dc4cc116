/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's calls have changed, from its events. */
#include "api_rig.h"
#include "http/api_int.h"

static struct effects effects;

static void take(enum event_type type, const char *data)
{
	struct json *j = json_parse(data, strlen(data), 0, NULL);

	assert_non_null(j);
	assert_true(effects_concern(type));
	effects_take(&effects, type, j);
	json_free(j);
}

static bool step_is(const char *step, void *arg)
{
	return arg && strcmp(step, arg) == 0;
}

/* The list as text; the effects are gone afterwards. */
static void list_is(const char *kept_step, const char *expected)
{
	struct buf out = BUF_INIT;
	struct jw w = JW(&out);

	effects_write(&effects, "T", step_is, (void *)(uintptr_t)kept_step, &w);
	assert_string_equal(buf_cstr(&out), expected);
	buf_release(&out);
	effects_release(&effects);
}

#define STARTED(call, step)                       \
	"{\"call\":\"" call "\",\"step\":\"" step \
	"\",\"server\":\"f\",\"tool\":\"t\",\"arguments\":{\"a\":1},\"read_only\":false}"
#define EFFECT(call, step, outcome)               \
	"{\"call\":\"" call "\",\"step\":\"" step \
	"\",\"server\":\"f\",\"tool\":\"t\",\"arguments\":{\"a\":1},\"outcome\":\"" outcome "\""

static void effects__are_calls_that_took_effect_or_may_have(void **state)
{
	(void)state;
	take(EVENT_TOOL_STARTED, STARTED("c1", "s1"));
	take(EVENT_TOOL_COMPLETED, "{\"call\":\"c1\",\"is_error\":false,\"result\":{\"content\":[]}}");
	take(EVENT_TOOL_STARTED, STARTED("c2", "s2"));
	take(EVENT_TOOL_FAILED, "{\"call\":\"c2\",\"sent\":true}");
	take(EVENT_TOOL_STARTED, STARTED("c3", "s2"));
	list_is(NULL,
		"[" EFFECT("c1", "s1", "completed") ",\"result\":{\"content\":[]},\"task_id\":\"T\"}," EFFECT(
			"c2", "s2",
			"unknown") ",\"task_id\":\"T\"}," EFFECT("c3", "s2",
								 "unknown") ",\"task_id\":\"T\"}]");
}

static void effects__are_none_of_what_certainly_did_nothing(void **state)
{
	(void)state;
	take(EVENT_TOOL_STARTED, "{\"call\":\"c1\",\"step\":\"s1\",\"read_only\":true}");
	take(EVENT_TOOL_STARTED, STARTED("c2", "s1"));
	take(EVENT_TOOL_FAILED, "{\"call\":\"c2\",\"sent\":false}");
	take(EVENT_TOOL_STARTED, STARTED("c3", "s1"));
	take(EVENT_TOOL_COMPLETED, "{\"call\":\"c3\",\"is_error\":true}");
	take(EVENT_TOOL_STARTED, STARTED("c4", "s1"));
	take(EVENT_TOOL_UNSENT, "{\"call\":\"c4\"}");
	list_is(NULL, "[]");
	take(EVENT_TOOL_STARTED, STARTED("c5", "s1"));
	take(EVENT_TOOL_UNSENT, "{\"call\":\"c5\"}");
	take(EVENT_TOOL_REPEATED, "{\"call\":\"c5\"}");
	take(EVENT_TOOL_STARTED, STARTED("c6", "kept"));
	list_is("kept", "[" EFFECT("c5", "s1", "unknown") ",\"task_id\":\"T\"}]");
}

static void effects__of_an_earlier_task_are_handed_on_once(void **state)
{
	(void)state;
	take(EVENT_TASK_CREATED,
	     "{\"inherited\":{\"effects\":[" EFFECT("c1", "s1", "completed") ",\"task_id\":\"A\"}," EFFECT(
		     "c2", "s1", "completed") ",\"task_id\":\"A\"}]}}");
	take(EVENT_TOOL_COMPLETED, "{\"call\":\"c9\",\"reused\":{\"task_id\":\"A\",\"call\":\"c2\"}}");
	list_is(NULL, "[" EFFECT("c1", "s1", "completed") ",\"task_id\":\"A\"}," EFFECT(
			      "c9", "s1", "completed") ",\"task_id\":\"T\"}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(effects__are_calls_that_took_effect_or_may_have),
		cmocka_unit_test(effects__are_none_of_what_certainly_did_nothing),
		cmocka_unit_test(effects__of_an_earlier_task_are_handed_on_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
