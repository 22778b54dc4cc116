/* SPDX-License-Identifier: Apache-2.0 */
/* A task that goes on where another one stands: what it begins with, and what is refused. */
#include "api_rig.h"

static int act(struct api_task t, const char *verb, const char *body)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", t.path, verb);
	return body ? api_post(path, body) : api_ask(api_line("POST", t, strchr(path + 10, '/')), NULL);
}

/* s1 is done, s2 builds on it, s3 on s2 and is done as well. Ended so. */
static struct api_task task_over(enum task_state to)
{
	struct api_task t = api_task_new();

	api_move(t, TASK_PLANNING, NULL);
	api_event(t, EVENT_PLAN_CREATED,
		  "{\"plan\":{\"version\":3,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[{\"id\":\"s1\","
		  "\"objective\":\"a\",\"depends_on\":[]},"
		  "{\"id\":\"s2\",\"objective\":\"b\",\"depends_on\":[\"s1\"]},{\"id\":\"s3\",\"objective\":"
		  "\"c\",\"depends_on\":[\"s2\"]}]}}");
	api_move(t, TASK_RUNNING, NULL);
	api_event(t, EVENT_STEP_COMPLETED, "{\"step\":\"s1\",\"result\":\"one\"}");
	api_event(t, EVENT_STEP_COMPLETED, "{\"step\":\"s3\",\"result\":\"three\"}");
	if (to != TASK_RUNNING)
		api_move(t, to, NULL);
	if (kept.store)
		kept_commit();
	return t;
}

/* task.created of the task that was just made; the caller frees it. */
static struct json *created(void)
{
	struct api_task t = api_task_of(api_text("/id"));
	struct buf sse = BUF_INIT;
	struct event_cursor c;
	struct event_view v;
	struct slice rest;
	struct json *j;

	event_cursor_init(&c, 0);
	assert_int_equal(task_events_copy(api.other, t.ref, &c, 1 << 20, &sse, NULL), ERR_NONE);
	rest = buf_slice(&sse);
	assert_true(event_next(&rest, &v));
	j = json_parse(v.data.ptr, v.data.len, 0, NULL);
	assert_non_null(j);
	buf_release(&sse);
	return j;
}

static const char *text_at(const struct json *j, const char *pointer)
{
	const char *text = json_text(json_pointer(j, pointer));

	return text ? text : "";
}

static void retry__takes_plan_and_results(void **state)
{
	struct api_task t = task_over(TASK_FAILED);
	struct json *j;

	(void)state;
	assert_int_equal(act(t, "retry", NULL), 202);
	assert_string_equal(api_text("/status"), "queued");
	assert_string_equal(api_text("/prompt"), "do it");
	assert_string_equal(api_text("/parent/task_id"), t.id);
	j = created();
	assert_string_equal(text_at(j, "/parent/kind"), "retry");
	assert_int_equal(json_get_integer(json_pointer(j, "/inherited/plan"), "version", 0), 1);
	assert_string_equal(text_at(j, "/inherited/plan/digest"), "d");
	assert_string_equal(text_at(j, "/inherited/plan/steps/0/result"), "one");
	assert_null(json_pointer(j, "/inherited/plan/steps/1/status"));
	assert_string_equal(text_at(j, "/inherited/plan/steps/2/status"), "completed");
	json_free(j);
}

static void fork__leaves_out_a_step_and_what_builds_on_it(void **state)
{
	struct api_task t = task_over(TASK_COMPLETED);
	struct json *j;

	(void)state;
	assert_int_equal(act(t, "fork", "{\"from_step\":\"s2\"}"), 202);
	j = created();
	assert_string_equal(text_at(j, "/parent/from_step"), "s2");
	assert_string_equal(text_at(j, "/inherited/plan/steps/0/status"), "completed");
	assert_null(json_pointer(j, "/inherited/plan/steps/1/status"));
	assert_null(json_pointer(j, "/inherited/plan/steps/2/status"));
	assert_null(json_pointer(j, "/inherited/plan/steps/2/result"));
	json_free(j);
}

/* Each step builds on all before it: paths without number, which nobody may walk. */
static void fork__of_a_dense_plan_takes_no_time(void **state)
{
	enum { STEPS = 40 };
	struct api_task t = api_task_new();
	struct buf plan = BUF_INIT;
	struct json *j;
	char done[80];

	(void)state;
	buf_add_str(&plan, "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[{\"id\":"
			   "\"alone\",\"objective\":\"o\"}");
	for (int i = 0; i < STEPS; i++) {
		buf_printf(&plan, ",{\"id\":\"s%d\",\"objective\":\"o\",\"depends_on\":[", i);
		for (int k = 0; k < i; k++)
			buf_printf(&plan, "%s\"s%d\"", k ? "," : "", k);
		buf_add_str(&plan, "]}");
	}
	buf_add_str(&plan, "]}}");
	api_move(t, TASK_PLANNING, NULL);
	api_event(t, EVENT_PLAN_CREATED, buf_cstr(&plan));
	api_move(t, TASK_RUNNING, NULL);
	for (int i = 0; i < STEPS; i++) {
		snprintf(done, sizeof(done), "{\"step\":\"s%d\",\"result\":\"r\"}", i);
		api_event(t, EVENT_STEP_COMPLETED, done);
	}
	api_move(t, TASK_COMPLETED, NULL);
	assert_int_equal(act(t, "fork", "{\"from_step\":\"alone\"}"), 202);
	j = created();
	assert_string_equal(text_at(j, "/inherited/plan/steps/40/status"), "completed");
	json_free(j);
	assert_int_equal(act(t, "fork", "{\"from_step\":\"s1\"}"), 202);
	j = created();
	assert_string_equal(text_at(j, "/inherited/plan/steps/1/status"), "completed");
	assert_null(json_pointer(j, "/inherited/plan/steps/40/status"));
	json_free(j);
	buf_release(&plan);
}

static void fork__says_what_is_wrong(void **state)
{
	struct api_task t = task_over(TASK_COMPLETED);

	(void)state;
	assert_int_equal(act(t, "fork", "{\"from_step\":7}"), 400);
	assert_string_equal(api_text("/field"), "/from_step");
	assert_int_equal(act(t, "fork", "{\"from_step\":\"s9\"}"), 400);
	assert_int_equal(act(t, "fork", "{\"plan\":[]}"), 400);
	assert_string_equal(api_text("/field"), "/plan");
	assert_int_equal(act(t, "fork", "{\"step\":\"s1\"}"), 400);
	assert_int_equal(act(t, "fork", NULL), 415);
	assert_int_equal(act(t, "retry", "{\"from_step\":\"s1\"}"), 400);
	t = task_over(TASK_RUNNING);
	assert_int_equal(act(t, "fork", "{\"from_step\":\"s1\"}"), 409);
	assert_non_null(strstr(api_text("/detail"), "cancel it first"));
	assert_int_equal(api_post("/v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/retry", "{}"), 404);
	assert_int_equal(api_post("/v1/tasks/x/fork", "{}"), 404);
}

static void retry__of_a_task_without_a_plan_is_planned(void **state)
{
	struct api_task t = api_task_new();
	struct json *j;

	(void)state;
	api_move(t, TASK_CANCELLED, NULL);
	if (kept.store)
		kept_commit();
	assert_int_equal(act(t, "fork", "{\"plan\":{\"steps\":[]}}"), 409);
	assert_int_equal(act(t, "retry", NULL), 202);
	j = created();
	assert_null(json_get(j, "inherited"));
	json_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(retry__takes_plan_and_results),
		KEPT_TEST(retry__takes_plan_and_results),
		API_TEST(fork__leaves_out_a_step_and_what_builds_on_it),
		API_TEST(fork__of_a_dense_plan_takes_no_time),
		API_TEST(fork__says_what_is_wrong),
		API_TEST(retry__of_a_task_without_a_plan_is_planned),
		KEPT_TEST(retry__of_a_task_without_a_plan_is_planned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
