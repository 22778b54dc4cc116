/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE: finished tasks only, and they are gone from everywhere. */
#include "api_rig.h"

static const char old_id[] = "0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f";

static void task_delete__removes_a_finished_task(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	assert_int_equal(api_ask(api_line("DELETE", t, ""), NULL), 409);
	assert_string_equal(api_text("/type"), "/problems/conflict");
	assert_non_null(strstr(api_text("/detail"), "cancel it first"));
	api_move(t, TASK_CANCELLED, NULL);
	if (kept.store)
		kept_commit();
	assert_int_equal(api_ask(api_line("DELETE", t, "?now=1"), NULL), 400);
	assert_int_equal(api_ask(api_line("DELETE", t, ""), NULL), 204);
	assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 404);
	assert_int_equal(api_ask(api_line("GET", t, "/stream"), NULL), 404);
	assert_int_equal(api_ask(api_line("DELETE", t, ""), NULL), 404);
	assert_int_equal(api_ask("DELETE /v1/tasks/x", NULL), 404);
}

static void task_delete__removes_what_only_the_archive_has(void **state)
{
	char head[100];

	(void)state;
	kept_put(old_id, TASK_COMPLETED, 5);
	snprintf(head, sizeof(head), "DELETE /v1/tasks/%s", old_id);
	assert_int_equal(api_ask(head, NULL), 204);
	assert_int_equal(api_ask(head, NULL), 404);
	kept.lost = true;
	assert_int_equal(api_ask(head, NULL), 503);
}

static void task_delete__forgets_a_client_that_left(void **state)
{
	struct api_task t = api_task_new();
	int fd;

	(void)state;
	kept.held = true;
	fd = api_begin(api_line("DELETE", t, ""), NULL);
	assert_int_equal(kept.pending, 1);
	rig_reset(fd);
	api_until_connections(0);
	assert_int_equal(kept.pending, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(task_delete__removes_a_finished_task),
		KEPT_TEST(task_delete__removes_a_finished_task),
		KEPT_TEST(task_delete__removes_what_only_the_archive_has),
		KEPT_TEST(task_delete__forgets_a_client_that_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
