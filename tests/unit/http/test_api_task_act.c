/* SPDX-License-Identifier: Apache-2.0 */
/* Approve, reject, cancel: from which state, with which body, with which events. */
#include "api_rig.h"

static int act(struct api_task t, const char *verb, const char *body)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", t.path, verb);
	return body ? api_post(path, body) : api_ask(api_line("POST", t, strrchr(path, '/')), NULL);
}

/* The data of the last event of this type, parsed; the caller frees it. */
static struct json *event_data(struct api_task t, enum event_type type)
{
	struct buf sse = BUF_INIT;
	struct event_cursor c;
	struct event_view v;
	struct slice rest;
	struct json *data = NULL;

	event_cursor_init(&c, 0);
	assert_int_equal(task_events_copy(api.other, t.ref, &c, 1 << 20, &sse, NULL), ERR_NONE);
	for (rest = buf_slice(&sse); event_next(&rest, &v);) {
		if (v.type != type)
			continue;
		json_free(data);
		data = json_parse(v.data.ptr, v.data.len, 0, NULL);
	}
	buf_release(&sse);
	assert_non_null(data);
	return data;
}

static void task_approve__runs_the_plan_that_was_shown(void **state)
{
	struct api_task t = api_task_new();
	struct json *data;

	(void)state;
	api_plan(t, "abc", 3);
	assert_int_equal(act(t, "approve", "{\"plan_digest\":\"abc\"}"), 200);
	assert_string_equal(api_text("/status"), "running");
	assert_string_equal(api_header("ETag"), "\"6\"");
	data = event_data(t, EVENT_PLAN_APPROVED);
	assert_string_equal(json_get_text(data, "digest", ""), "abc");
	assert_int_equal(json_get_integer(data, "version", 0), 3);
	assert_string_equal(json_get_text(data, "by", ""), "person");
	assert_int_equal(json_get_integer(data, "seq", 0), 5);
	json_free(data);
}

static void task_approve__needs_no_body(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_plan(t, "abc", 1);
	assert_int_equal(act(t, "approve", NULL), 200);
	assert_string_equal(api_text("/status"), "running");
}

static void task_approve__refuses_a_stale_digest(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_plan(t, "abc", 1);
	assert_int_equal(act(t, "approve", "{\"plan_digest\":\"old\"}"), 409);
	assert_string_equal(api_text("/type"), "/problems/stale-plan");
	assert_string_equal(api_text("/field"), "/plan_digest");
	assert_non_null(strstr(api_text("/detail"), "abc"));
	assert_non_null(strstr(api_text("/detail"), "old"));
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 200);
	assert_string_equal(api_text("/status"), "awaiting_approval");
}

static void task_act__says_the_state_that_forbids_it(void **state)
{
	static const char *const verbs[] = {"approve", "reject"};
	struct api_task t = api_task_new();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		assert_int_equal(act(t, verbs[i], NULL), 409);
		assert_string_equal(api_text("/type"), "/problems/conflict");
		assert_non_null(strstr(api_text("/detail"), "queued"));
	}
	api_plan(t, "abc", 1);
	assert_int_equal(act(t, "approve", NULL), 200);
	assert_int_equal(act(t, "approve", NULL), 409);
	assert_non_null(strstr(api_text("/detail"), "running"));
	assert_string_equal(api.task_ended, "");
	assert_int_equal(act(t, "cancel", NULL), 200);
	assert_string_equal(api.task_ended, api_text("/id"));
	assert_int_equal(act(t, "cancel", NULL), 409);
	assert_non_null(strstr(api_text("/detail"), "cancelled"));
}

static void task_reject__plans_again_with_feedback(void **state)
{
	struct api_task t = api_task_new();
	struct json *data;

	(void)state;
	api_plan(t, "abc", 1);
	assert_int_equal(act(t, "reject", "{\"feedback\":\"use \\\"two\\\" files\"}"), 200);
	assert_string_equal(api_text("/status"), "planning");
	data = event_data(t, EVENT_PLAN_REJECTED);
	assert_string_equal(json_get_text(data, "feedback", ""), "use \"two\" files");
	assert_string_equal(json_get_text(data, "digest", ""), "abc");
	json_free(data);
}

static void task_reject__ends_the_task_without_feedback(void **state)
{
	static const char *const bodies[] = {NULL, "{}", "{\"feedback\":null}"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct api_task t = api_task_new();

		api_plan(t, "abc", 1);
		assert_int_equal(act(t, "reject", bodies[i]), 200);
		assert_string_equal(api_text("/status"), "rejected");
		assert_string_equal(api.task_ended, api_text("/id"));
	}
}

static void task_cancel__works_in_every_state_that_is_not_over(void **state)
{
	struct api_task t = api_task_new();
	struct json *data;

	(void)state;
	assert_int_equal(act(t, "cancel", "{}"), 200);
	assert_string_equal(api_text("/status"), "cancelled");
	data = event_data(t, EVENT_TASK_STATE);
	assert_string_equal(json_get_text(data, "reason", ""), "cancelled by request");
	assert_string_equal(json_get_text(data, "from", ""), "queued");
	json_free(data);
	t = api_task_new();
	api_plan(t, "abc", 1);
	assert_int_equal(act(t, "cancel", NULL), 200);
}

static void task_act__refuses_bad_bodies(void **state)
{
	static const struct {
		const char *verb, *body, *field;
	} cases[] = {
		{"approve", "{\"digest\":\"abc\"}", "/digest"},
		{"approve", "{\"plan_digest\":1}", "/plan_digest"},
		{"approve", "{\"plan_digest\":null}", "/plan_digest"},
		{"approve", "nonsense", ""},
		{"reject", "{\"feedback\":[]}", "/feedback"},
		{"reject", "{\"feedback\":\" \"}", "/feedback"},
		{"reject", "{\"plan_digest\":\"a\"}", "/plan_digest"},
		{"cancel", "{\"reason\":\"a\"}", "/reason"},
		{"cancel", "[]", ""},
	};
	struct api_task t = api_task_new();
	char feedback[1100];

	(void)state;
	api_plan(t, "abc", 1);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (act(t, cases[i].verb, cases[i].body) != 400 ||
		    strcmp(api_text("/field"), cases[i].field) != 0)
			fail_msg("%s %s: %s", cases[i].verb, cases[i].body, buf_cstr(&rig.got));
	}
	snprintf(feedback, sizeof(feedback), "{\"feedback\":\"%01001d\"}", 1);
	assert_int_equal(act(t, "reject", feedback), 400);
	assert_int_equal(api_ask(api_line("POST", t, "/cancel\r\nContent-Type: text/plain"), "{}"), 415);
	assert_int_equal(api_ask("POST /v1/tasks/x/cancel", NULL), 404);
	assert_int_equal(api_ask(api_line("POST", t, "/cancel?now=1"), NULL), 400);
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 200);
	assert_string_equal(api_text("/status"), "awaiting_approval");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(task_approve__runs_the_plan_that_was_shown),
		API_TEST(task_approve__needs_no_body),
		API_TEST(task_approve__refuses_a_stale_digest),
		API_TEST(task_act__says_the_state_that_forbids_it),
		API_TEST(task_reject__plans_again_with_feedback),
		API_TEST(task_reject__ends_the_task_without_feedback),
		API_TEST(task_cancel__works_in_every_state_that_is_not_over),
		API_TEST(task_act__refuses_bad_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
