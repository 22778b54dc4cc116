/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments that a person gives for a call that waits for approval. */
#include "api_rig.h"

static struct api_task task_asking(const char *kind)
{
	struct api_task t = api_task_new();
	char data[300];

	api_plan(t, "abc", 1);
	api_move(t, TASK_RUNNING, NULL);
	snprintf(data, sizeof(data),
		 "{\"pending\":{\"id\":\"c1\",\"kind\":\"%s\",\"name\":\"fs__none\",\"actions\":[\"approve\","
		 "\"deny\"]}}",
		 kind);
	api_event(t, EVENT_TASK_PENDING, data);
	api_move(t, TASK_INPUT_REQUIRED, NULL);
	return t;
}

static int input(struct api_task t, const char *body)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/input", t.path);
	return api_post(path, body);
}

static void arguments__are_for_approving_a_call(void **state)
{
	struct api_task t = task_asking("approval");

	(void)state;
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"deny\",\"arguments\":{}}"), 400);
	assert_string_equal(api_text("/field"), "/arguments");
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"approve\",\"arguments\":[]}"), 400);
	assert_non_null(strstr(api_text("/detail"), "must be an object, not array"));
	/* The tool is not there to check them. */
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"approve\",\"arguments\":{}}"), 409);
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"approve\",\"arguments\":null}"), 200);
	assert_string_equal(api_text("/status"), "running");
	t = task_asking("step_approval");
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"approve\",\"arguments\":{}}"), 400);
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"deny\",\"content\":\"no\"}"), 200);
}

static void arguments__must_fit_the_tool(void **state)
{
	static const char text[] = "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}";
	struct json *schema = json_parse(text, sizeof(text) - 1, 0, NULL);
	struct mcp_tool tool = {.exposed = "fs__none", .schema = schema};
	struct api_task t = task_asking("approval");

	(void)state;
	assert_non_null(schema);
	api.catalog.tools = &tool;
	api.catalog.count = 1;
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"approve\",\"arguments\":{\"n\":\"x\"}}"), 400);
	assert_string_equal(api_text("/field"), "/arguments/n");
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"approve\",\"arguments\":{\"n\":3}}"), 200);
	api.catalog.tools = NULL;
	api.catalog.count = 0;
	json_free(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(arguments__are_for_approving_a_call),
		API_TEST(arguments__must_fit_the_tool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
