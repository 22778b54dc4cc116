/* SPDX-License-Identifier: Apache-2.0 */
/* Input of a person: in which state, for which entry, which action with which content, and what is recorded.
 */
#include "api_rig.h"

static int input(struct api_task t, const char *body)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/input", t.path);
	return api_post(path, body);
}

/* Waits for a decision about call c1. */
static struct api_task task_in_doubt(const char *actions)
{
	struct api_task t = api_task_new();
	char data[300];

	api_plan(t, "abc", 1);
	api_move(t, TASK_RUNNING, NULL);
	snprintf(data, sizeof(data), "{\"pending\":{\"id\":\"c1\",\"tool\":\"write\",\"actions\":%s}}",
		 actions);
	api_event(t, EVENT_TASK_PENDING, data);
	api_move(t, TASK_INPUT_REQUIRED, NULL);
	return t;
}

static const char all[] = "[\"retry\",\"completed\",\"skip\",\"fail\"]";

/* Data of the task.input event; the caller frees it. */
static struct json *input_event(struct api_task t)
{
	struct buf sse = BUF_INIT;
	struct event_cursor c;
	struct event_view v;
	struct slice rest;
	struct json *data = NULL;

	event_cursor_init(&c, 0);
	assert_int_equal(task_events_copy(api.other, t.ref, &c, 1 << 20, &sse, NULL), ERR_NONE);
	for (rest = buf_slice(&sse); event_next(&rest, &v);) {
		if (v.type == EVENT_TASK_INPUT)
			data = json_parse(v.data.ptr, v.data.len, 0, NULL);
	}
	buf_release(&sse);
	assert_non_null(data);
	return data;
}

static void input__is_recorded_and_the_task_goes_on(void **state)
{
	static const struct {
		const char *body, *action, *content;
	} cases[] = {
		{"{\"id\":\"c1\",\"action\":\"retry\"}", "retry", NULL},
		{"{\"id\":\"c1\",\"action\":\"retry\",\"content\":null}", "retry", NULL},
		{"{\"id\":\"c1\",\"action\":\"completed\",\"content\":\"a \\\"b\\\"\"}", "completed",
		 "a \"b\""},
		{"{\"id\":\"c1\",\"action\":\"completed\",\"content\":\"\"}", "completed", ""},
		{"{\"id\":\"c1\",\"action\":\"skip\",\"content\":\"why\"}", "skip", "why"},
		{"{\"id\":\"c1\",\"action\":\"fail\"}", "fail", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct api_task t = task_in_doubt(all);
		struct json *data;

		assert_int_equal(input(t, cases[i].body), 200);
		assert_string_equal(api_text("/status"), "running");
		assert_true(json_is(json_get(api.body, "pending"), JSON_NULL));
		data = input_event(t);
		assert_string_equal(json_get_text(data, "id", ""), "c1");
		assert_string_equal(json_get_text(data, "action", ""), cases[i].action);
		assert_string_equal(json_get_text(data, "by", ""), "person");
		assert_string_equal(json_get_text(data, "content", "none"),
				    cases[i].content ? cases[i].content : "none");
		json_free(data);
		assert_int_equal(input(t, cases[i].body), 409);
	}
}

/* Answers to a planner's questions: it plans again. */
static void input__answers_lead_back_to_planning(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_move(t, TASK_PLANNING, NULL);
	api_event(t, EVENT_TASK_PENDING,
		  "{\"pending\":{\"id\":\"q1\",\"kind\":\"questions\",\"actions\":[\"answer\",\"fail\"]}}");
	api_move(t, TASK_INPUT_REQUIRED, NULL);
	assert_int_equal(input(t, "{\"id\":\"q1\",\"action\":\"answer\"}"), 400);
	assert_string_equal(api_text("/field"), "/content");
	assert_int_equal(input(t, "{\"id\":\"q1\",\"action\":\"retry\"}"), 400);
	assert_int_equal(input(t, "{\"id\":\"q1\",\"action\":\"answer\",\"content\":\"French\"}"), 200);
	assert_string_equal(api_text("/status"), "planning");
}

static void input__refuses_bad_bodies(void **state)
{
	static const struct {
		const char *body, *field, *detail;
	} cases[] = {
		{"{}", "/id", "missing"},
		{"{\"id\":1,\"action\":\"retry\"}", "/id", "not number"},
		{"{\"id\":\"c1\"}", "/action", "missing"},
		{"{\"id\":\"c1\",\"action\":true}", "/action", "not boolean"},
		{"{\"id\":\"c1\",\"action\":\"maybe\"}", "/action", "unknown action \"maybe\""},
		{"{\"id\":\"c1\",\"action\":\"completed\"}", "/content", "missing"},
		{"{\"id\":\"c1\",\"action\":\"completed\",\"content\":{}}", "/content", "not object"},
		{"{\"id\":\"c1\",\"action\":\"retry\",\"content\":\"x\"}", "/content", "takes no content"},
		{"{\"id\":\"c1\",\"action\":\"skip\",\"content\":7}", "/content", "not number"},
		{"{\"id\":\"c1\",\"action\":\"retry\",\"note\":\"x\"}", "/note", "unknown field"},
		{"", "", "empty"},
	};
	struct api_task t = task_in_doubt(all);
	char body[2100];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (input(t, cases[i].body) != 400 || strcmp(api_text("/field"), cases[i].field) != 0 ||
		    !strstr(api_text("/detail"), cases[i].detail))
			fail_msg("%s: %s", cases[i].body, buf_cstr(&rig.got));
	}
	snprintf(body, sizeof(body), "{\"id\":\"c1\",\"action\":\"completed\",\"content\":\"%02001d\"}", 1);
	assert_int_equal(input(t, body), 400);
	assert_non_null(strstr(api_text("/detail"), "limits.tool_result_bytes"));
	snprintf(body, sizeof(body), "{\"id\":\"c1\",\"action\":\"completed\",\"content\":\"%02000d\"}", 1);
	assert_int_equal(input(t, body), 200);
}

static void input__is_for_the_entry_that_waits(void **state)
{
	struct api_task t = task_in_doubt("[\"retry\",\"fail\"]");

	(void)state;
	assert_int_equal(input(t, "{\"id\":\"c0\",\"action\":\"retry\"}"), 409);
	assert_string_equal(api_text("/field"), "/id");
	assert_non_null(strstr(api_text("/detail"), "waits for now is \"c1\""));
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"skip\"}"), 400);
	assert_non_null(strstr(api_text("/detail"), "there are \"retry\", \"fail\""));
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"fail\"}"), 200);
}

static void input__of_a_form_is_checked_and_filled(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_plan(t, "abc", 1);
	api_move(t, TASK_RUNNING, NULL);
	api_event(t, EVENT_TASK_PENDING,
		  "{\"pending\":{\"id\":\"ask9\",\"kind\":\"elicitation\",\"live\":true,\"schema\":{\"type\":"
		  "\"object\",\"properties\":{\"n\":{\"type\":\"integer\"},\"s\":{\"type\":\"string\","
		  "\"default\":\"x\"}},\"required\":[\"n\"]},\"actions\":[\"accept\",\"decline\"]}}");
	api_move(t, TASK_INPUT_REQUIRED, NULL);
	assert_int_equal(input(t, "{\"id\":\"ask9\",\"action\":\"accept\",\"content\":{\"n\":\"1\"}}"), 400);
	assert_string_equal(api_text("/field"), "/content/n");
	assert_int_equal(input(t, "{\"id\":\"ask9\",\"action\":\"accept\",\"content\":\"yes\"}"), 400);
	assert_string_equal(api_text("/field"), "/content");
	assert_int_equal(input(t, "{\"id\":\"ask9\",\"action\":\"accept\"}"), 400);
	assert_int_equal(input(t, "{\"id\":\"ask9\",\"action\":\"decline\",\"content\":{}}"), 400);
	assert_int_equal(input(t, "{\"id\":\"ask9\",\"action\":\"cancel\"}"), 400);
	assert_int_equal(input(t, "{\"id\":\"ask9\",\"action\":\"accept\",\"content\":{\"n\":1}}"), 200);
	struct json *data = input_event(t);
	assert_string_equal(json_get_text(json_get(data, "content"), "s", ""), "x");
	assert_int_equal(json_get_integer(json_get(data, "content"), "n", 0), 1);
	json_free(data);
}

static void input__needs_a_task_that_waits(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"retry\"}"), 409);
	assert_non_null(strstr(api_text("/detail"), "queued"));
	assert_int_equal(api_post("/v1/tasks/x/input", "{\"id\":\"c1\",\"action\":\"retry\"}"), 404);
	/* Without a pending entry there is nothing to decide. */
	api_move(t, TASK_PLANNING, NULL);
	api_move(t, TASK_INPUT_REQUIRED, NULL);
	assert_int_equal(input(t, "{\"id\":\"c1\",\"action\":\"retry\"}"), 409);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(input__is_recorded_and_the_task_goes_on),
		KEPT_TEST(input__is_recorded_and_the_task_goes_on),
		API_TEST(input__answers_lead_back_to_planning),
		API_TEST(input__refuses_bad_bodies),
		API_TEST(input__is_for_the_entry_that_waits),
		API_TEST(input__of_a_form_is_checked_and_filled),
		API_TEST(input__needs_a_task_that_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
