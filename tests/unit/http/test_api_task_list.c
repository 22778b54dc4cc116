/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/tasks: order, filter, pages. */
#include "api_rig.h"

static int list(const char *query)
{
	char head[300];

	snprintf(head, sizeof(head), "GET /v1/tasks%s", query);
	return api_ask(head, NULL);
}

static const char *listed(size_t i)
{
	return json_get_text(json_at(json_get(api.body, "tasks"), i), "id", "");
}

static size_t listed_count(void)
{
	assert_true(json_is(json_get(api.body, "tasks"), JSON_ARRAY));
	return json_count(json_get(api.body, "tasks"));
}

static void task_list__is_empty_at_first(void **state)
{
	(void)state;
	assert_int_equal(list(""), 200);
	assert_int_equal(listed_count(), 0);
	assert_true(json_is(json_get(api.body, "next_cursor"), JSON_NULL));
}

static void task_list__pages_from_the_newest(void **state)
{
	struct api_task tasks[7];
	char query[400] = "?limit=3", cursor[40];
	size_t seen = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tasks); i++)
		tasks[i] = api_task_new();
	for (int page = 0; page < 3; page++) {
		assert_int_equal(list(query), 200);
		assert_int_equal(listed_count(), page < 2 ? 3 : 1);
		for (size_t i = 0; i < listed_count(); i++, seen++)
			assert_string_equal(listed(i), tasks[COUNT_OF(tasks) - 1 - seen].id);
		snprintf(cursor, sizeof(cursor), "%s", api_text("/next_cursor"));
		assert_int_equal(strlen(cursor), page < 2 ? 22 : 0);
		/* What comes meanwhile moves no page. */
		api_task_new();
		snprintf(query, sizeof(query), "?limit=3&cursor=%s", cursor);
	}
	assert_int_equal(list("?limit=10"), 200);
	assert_int_equal(listed_count(), 10);
	assert_true(json_is(json_get(api.body, "next_cursor"), JSON_NULL));
}

static void task_list__filters_by_status(void **state)
{
	struct api_task a = api_task_new(), b = api_task_new(), c = api_task_new();

	(void)state;
	api_move(a, TASK_PLANNING, NULL);
	api_move(b, TASK_CANCELLED, NULL);
	assert_int_equal(list("?status=planning"), 200);
	assert_int_equal(listed_count(), 1);
	assert_string_equal(listed(0), a.id);
	assert_int_equal(list("?status=cancelled,queued&limit=1"), 200);
	assert_string_equal(listed(0), c.id);
	assert_true(json_is(json_get(api.body, "next_cursor"), JSON_STRING));
	assert_int_equal(list("?status=completed"), 200);
	assert_int_equal(listed_count(), 0);
}

static void task_list__refuses_bad_parameters(void **state)
{
	static const struct {
		const char *query, *field, *detail;
	} cases[] = {
		{"?status=done", "status", "queued, planning, awaiting_approval"},
		{"?status=queued,", "status", "unknown status \"\""},
		{"?status=Queued", "status", "Queued"},
		{"?limit=0", "limit", "1 to 200"},
		{"?limit=201", "limit", "1 to 200"},
		{"?limit=-1", "limit", "1 to 200"},
		{"?limit=ten", "limit", "ten"},
		{"?limit=", "limit", "1 to 200"},
		{"?cursor=abc", "cursor", "next_cursor"},
		{"?cursor=AAAAAAAAAAAAAAAAAAAA%2B%2B", "cursor", "next_cursor"},
		{"?cursor=AAAAAAAAAAAAAAAAAAAAA!", "cursor", "next_cursor"},
		{"?page=2", "page", "\"status\", \"limit\" and \"cursor\""},
		{"?limit=1&limit=2", "limit", "twice"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (list(cases[i].query) != 400 || strcmp(api_text("/field"), cases[i].field) != 0 ||
		    !strstr(api_text("/detail"), cases[i].detail))
			fail_msg("%s: %s", cases[i].query, buf_cstr(&rig.got));
	}
	assert_int_equal(list("?limit=200"), 200);
	assert_int_equal(list("?cursor=AAAAAAAAAAAAAAAAAAAAAA"), 200);
}

static void task_list__has_old_tasks_too(void **state)
{
	char ids[5][ID_TEXT_SIZE], head[200];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(ids[i], ID_TEXT_SIZE, "0183a5c2-7b1e-7c3d-8f00-00000000000%c", '0' + i);
		kept_put(ids[i], i == 1 ? TASK_FAILED : TASK_COMPLETED, 4);
	}
	snprintf(ids[3], ID_TEXT_SIZE, "%s", api_task_new().id);
	snprintf(ids[4], ID_TEXT_SIZE, "%s", api_task_new().id);
	snprintf(head, sizeof(head), "GET /v1/tasks?limit=2");
	for (int i = 4; i >= 0; i -= 2) {
		assert_int_equal(api_ask(head, NULL), 200);
		assert_string_equal(api_text("/tasks/0/id"), ids[i]);
		if (i > 0)
			assert_string_equal(api_text("/tasks/1/id"), ids[i - 1]);
		assert_int_equal(json_is(json_get(api.body, "next_cursor"), JSON_NULL), i == 0);
		snprintf(head, sizeof(head), "GET /v1/tasks?limit=2&cursor=%s", api_text("/next_cursor"));
	}
	assert_int_equal(api_ask("GET /v1/tasks?status=failed", NULL), 200);
	assert_int_equal(json_count(json_get(api.body, "tasks")), 1);
	assert_string_equal(api_text("/tasks/0/id"), ids[1]);
	/* Without the archive the table answers. */
	kept.lost = true;
	assert_int_equal(api_ask("GET /v1/tasks", NULL), 200);
	assert_int_equal(json_count(json_get(api.body, "tasks")), 2);
}

static void task_list__forgets_a_client_that_left(void **state)
{
	int fd;

	(void)state;
	kept.held = true;
	fd = api_begin("GET /v1/tasks", NULL);
	assert_int_equal(kept.pending, 1);
	rig_reset(fd);
	api_until_connections(0);
	assert_int_equal(kept.pending, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(task_list__is_empty_at_first),  API_TEST(task_list__pages_from_the_newest),
		API_TEST(task_list__filters_by_status),  API_TEST(task_list__refuses_bad_parameters),
		KEPT_TEST(task_list__has_old_tasks_too), KEPT_TEST(task_list__forgets_a_client_that_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
