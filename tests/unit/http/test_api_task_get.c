/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/tasks/{id}: the document, its versions, and what the request may say. */
#include "api_rig.h"

static int get_if_none_match(struct api_task t, const char *tags)
{
	char head[300];

	snprintf(head, sizeof(head), "GET %s\r\nIf-None-Match: %s", t.path, tags);
	return api_ask(head, NULL);
}

static void task_get__gives_the_document_with_its_version(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 200);
	assert_string_equal(api_text("/id"), t.id);
	assert_string_equal(api_header("ETag"), "\"1\"");
	assert_string_equal(api_header("Content-Type"), "application/json");
	api_plan(t, "abc", 1);
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 200);
	assert_string_equal(api_header("ETag"), "\"4\"");
	assert_string_equal(api_text("/plan/digest"), "abc");
	assert_string_equal(api_text("/plan/steps/0/status"), "pending");
}

static void task_get__head_has_the_length_but_no_body(void **state)
{
	struct api_task t = api_task_new();
	char length[300];

	(void)state;
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 200);
	snprintf(length, sizeof(length), "%s", api_header("Content-Length"));
	assert_int_equal(api_ask(api_line("HEAD", t, ""), NULL), 200);
	assert_string_equal(api_header("Content-Length"), length);
	assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n"), "\r\n\r\n");
}

static void task_get__says_not_modified(void **state)
{
	static const struct {
		const char *tags;
		int status;
	} cases[] = {
		{"\"1\"", 304},
		{"W/\"1\"", 304},
		{"\"0\", \"1\"", 304},
		{"W/\"7\" ,W/\"1\"", 304},
		{"*", 304},
		{"\"11\"", 200},
		{"\"\"", 200},
		{"1", 200},
		{"\"2\", \"3\"", 200},
		{"\"1", 200},
		{"w/\"1\"", 200},
		{"\"a,\"1\"", 200},
	};
	struct api_task t = api_task_new();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (get_if_none_match(t, cases[i].tags) != cases[i].status)
			fail_msg("%s: %s", cases[i].tags, buf_cstr(&rig.got));
		assert_string_equal(api_header("ETag"), "\"1\"");
	}
	assert_int_equal(get_if_none_match(t, "\"1\""), 304);
	assert_string_equal(api_header("Content-Length"), "");
	assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n"), "\r\n\r\n");
	api_move(t, TASK_PLANNING, NULL);
	assert_int_equal(get_if_none_match(t, "\"1\""), 200);
}

static void task_get__knows_what_is_no_task(void **state)
{
	static const struct {
		const char *path, *detail;
	} cases[] = {
		{"/v1/tasks/5", "look like 0193"},
		{"/v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f", "there is no task 0193"},
		{"/v1/tasks/0193a5c27b1e7c3d8f005a6b7c8d9e0f", "no task id"},
		{"/v1/tasks/%22%0a", "no task id"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char head[200];

		snprintf(head, sizeof(head), "GET %s", cases[i].path);
		assert_int_equal(api_ask(head, NULL), 404);
		if (!strstr(api_text("/detail"), cases[i].detail))
			fail_msg("%s: %s", cases[i].path, buf_cstr(&rig.got));
		assert_string_equal(api_text("/type"), "/problems/not-found");
	}
}

static void task_get__refuses_parameters_that_it_has_not(void **state)
{
	static const struct {
		const char *query, *field;
	} cases[] = {
		{"?waite=1s", "waite"},
		{"?wait=1s&x", "x"},
		{"?wait=", "wait"},
		{"?wait=5", "wait"},
		{"?wait=-5s", "wait"},
		{"?wait=1h", "wait"},
		{"?wait=1.5s", "wait"},
		{"?wait=s", "wait"},
		{"?wait=60001ms", "wait"},
		{"?wait=2m", "wait"},
		{"?wait=1s&wait=1s", "wait"},
		{"?wait=%ff", "wait"},
		{"?wait=99999999999999999999s", "wait"},
		{"?until=end", "until"},
		{"?wait=0s&until=end", "until"},
		{"?wait=1s&until=", "until"},
		{"?wait=1s&until=done", "until"},
		{"?wait=1s&until=end&until=end", "until"},
	};
	struct api_task t = api_task_new();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (api_ask(api_line("GET", t, cases[i].query), NULL) != 400 ||
		    strcmp(api_text("/field"), cases[i].field) != 0)
			fail_msg("%s: %s", cases[i].query, buf_cstr(&rig.got));
	}
	assert_int_equal(api_ask(api_line("GET", t, "?"), NULL), 200);
	assert_int_equal(api_ask(api_line("GET", t, "?wait=0s"), NULL), 200);
}

static const char old_id[] = "0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f";

static void task_get__asks_the_archive_for_old_tasks(void **state)
{
	char path[100], head[200];

	(void)state;
	kept_put(old_id, TASK_COMPLETED, 7);
	snprintf(path, sizeof(path), "GET /v1/tasks/%s", old_id);
	assert_int_equal(api_ask(path, NULL), 200);
	assert_string_equal(api_text("/status"), "completed");
	assert_string_equal(api_header("ETag"), "\"7\"");
	snprintf(head, sizeof(head), "%s\r\nIf-None-Match: \"7\"", path);
	assert_int_equal(api_ask(head, NULL), 304);
	snprintf(head, sizeof(head), "%s?wait=30s", path);
	assert_int_equal(api_ask(head, NULL), 200);
	snprintf(head, sizeof(head), "HEAD /v1/tasks/%s", old_id);
	assert_int_equal(api_ask(head, NULL), 200);
	assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(api_ask("GET /v1/tasks/0193a5c2-7b1e-7c3d-8f00-000000000000", NULL), 404);
	kept.lost = true;
	assert_int_equal(api_ask(path, NULL), 503);
}

static void task_get__shows_what_is_durable(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_move(t, TASK_PLANNING, NULL);
	assert_int_equal(api_read(api_begin(api_line("GET", t, ""), NULL)), 200);
	assert_string_equal(api_text("/status"), "queued");
	assert_string_equal(api_header("ETag"), "\"1\"");
	kept_commit();
	assert_int_equal(api_read(api_begin(api_line("GET", t, ""), NULL)), 200);
	assert_string_equal(api_text("/status"), "planning");
	assert_string_equal(api_header("ETag"), "\"2\"");
	assert_int_equal(kept.asked, 0);
}

static void task_get__forgets_a_client_that_left(void **state)
{
	char head[100];
	int fd;

	(void)state;
	kept.held = true;
	snprintf(head, sizeof(head), "GET /v1/tasks/%s", old_id);
	fd = api_begin(head, NULL);
	assert_int_equal(kept.pending, 1);
	rig_reset(fd);
	api_until_connections(0);
	assert_int_equal(kept.pending, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(task_get__gives_the_document_with_its_version),
		API_TEST(task_get__head_has_the_length_but_no_body),
		API_TEST(task_get__says_not_modified),
		API_TEST(task_get__knows_what_is_no_task),
		API_TEST(task_get__refuses_parameters_that_it_has_not),
		KEPT_TEST(task_get__asks_the_archive_for_old_tasks),
		KEPT_TEST(task_get__shows_what_is_durable),
		KEPT_TEST(task_get__forgets_a_client_that_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
