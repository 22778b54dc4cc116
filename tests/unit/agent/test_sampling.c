/* SPDX-License-Identifier: Apache-2.0 */
/* What a tool server may ask of the model. (That it is asked, seen and counted:
 * tests/e2e/server_asks.test.mjs.) */
#include "base/base.h"
#include "agent/agent_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const char *check(const char *params)
{
	static struct error e;
	struct json *j = json_parse(params, strlen(params), 0, &e);
	assert_non_null(j);
	enum err rc = sampling_check(j, &e);
	json_free(j);
	return rc ? e.msg : "";
}

#define TEXT(role) "{\"role\":\"" role "\",\"content\":{\"type\":\"text\",\"text\":\"t\"}}"

static void sampling_check__takes_conversations_in_text(void **state)
{
	(void)state;
	assert_string_equal(check("{\"messages\":[" TEXT("user") "]}"), "");
	assert_string_equal(check("{\"messages\":[" TEXT("user") "," TEXT("assistant") "," TEXT("user") "]}"),
			    "");
	assert_string_equal(
		check("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
		      "\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}],\"maxTokens\":5}"),
		"");
}

static void sampling_check__says_what_is_wrong(void **state)
{
	static const struct {
		const char *params, *why;
	} cases[] = {
		{"{}", "messages must be"},
		{"{\"messages\":[]}", "at least one"},
		{"{\"messages\":[" TEXT("system") "]}", "user or assistant"},
		{"{\"messages\":[" TEXT("user") "," TEXT("assistant") "]}", "last message"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":\"plain\"}]}", "no text"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":[]}]}", "no text"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"tool_result\"}}]}", "no text"},
		{"{\"messages\":[" TEXT("user") "],\"tools\":[]}", "sampling.tools"},
		{"{\"messages\":[" TEXT("user") "],\"toolChoice\":{\"mode\":\"none\"}}", "sampling.tools"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (strstr(check(cases[i].params), cases[i].why) == NULL)
			fail_msg("%s: \"%s\"", cases[i].params, check(cases[i].params));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sampling_check__takes_conversations_in_text),
		cmocka_unit_test(sampling_check__says_what_is_wrong),
	};
	return cmocka_run_group_tests_name("sampling", tests, NULL, NULL);
}
