/* SPDX-License-Identifier: Apache-2.0 */
/* The versions of a plan, from the table and from the archive. */
#include "api_rig.h"

static int plan_get(struct api_task t, const char *more)
{
	return api_ask(api_line("GET", t, more), NULL);
}

static int act(struct api_task t, const char *verb, const char *body)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", t.path, verb);
	return api_post(path, body);
}

static int64_t number(const char *pointer)
{
	int64_t n = -1;

	assert_true(json_integer(json_pointer(api.body, pointer), &n));
	return n;
}

static void plan__shows_its_versions(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	assert_int_equal(plan_get(t, "/plan"), 200);
	assert_true(json_is(json_get(api.body, "version"), JSON_NULL));
	assert_int_equal(json_count(json_get(api.body, "versions")), 0);
	assert_string_equal(api_header("ETag"), "");
	api_plan(t, "abc", 1);
	if (kept.store)
		kept_commit();
	assert_int_equal(plan_get(t, "/plan"), 200);
	assert_string_equal(api_header("ETag"), "\"abc\"");
	assert_int_equal(number("/version"), 1);
	assert_true(json_is(json_pointer(api.body, "/versions/0/decision"), JSON_NULL));
	assert_string_equal(api_text("/versions/0/by"), "model");
	assert_int_equal(json_count(json_get(api.body, "changes")), 0);
	assert_int_equal(act(t, "reject", "{\"feedback\":\"no\"}"), 200);
	api_event(t, EVENT_PLAN_CREATED,
		  "{\"plan\":{\"version\":2,\"digest\":\"def\",\"goal\":\"g\",\"steps\":[]},\"by\":"
		  "\"person\"}");
	api_move(t, TASK_AWAITING_APPROVAL, NULL);
	if (kept.store)
		kept_commit();
	assert_int_equal(plan_get(t, "/plan"), 200);
	assert_string_equal(api_header("ETag"), "\"def\"");
	assert_string_equal(api_text("/versions/0/decision/decision"), "rejected");
	assert_string_equal(api_text("/versions/0/decision/feedback"), "no");
	assert_string_equal(api_text("/versions/1/by"), "person");
	assert_string_equal(api_text("/versions/1/digest"), "def");
	assert_string_equal(api_text("/changes/0/steps/removed/0"), "s1");
	assert_int_equal(plan_get(t, "/plan\r\nIf-None-Match: \"def\""), 304);
	assert_int_equal(plan_get(t, "/plan\r\nIf-None-Match: \"abc\""), 200);
}

static void plan__names_the_user_that_the_gateway_names(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api.http->options.user_header = "X-User";
	api_plan(t, "abc", 1);
	assert_int_equal(api_ask(api_line("POST", t, "/approve\r\nX-User: ann@example.org"), NULL), 200);
	assert_int_equal(plan_get(t, "/plan"), 200);
	assert_string_equal(api_text("/versions/0/decision/decision"), "approved");
	assert_string_equal(api_text("/versions/0/decision/user"), "ann@example.org");
}

static void plan__refuses_what_it_cannot_find(void **state)
{
	(void)state;
	assert_int_equal(api_ask("GET /v1/tasks/x/plan", NULL), 404);
	assert_int_equal(api_ask("GET /v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/plan", NULL), 404);
	assert_int_equal(api_ask("GET /v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/plan?x=1", NULL), 400);
}

static void plan__comes_from_the_archive(void **state)
{
	static const char id[] = "0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f";
	struct kept_task *k = kept_put(id, TASK_CANCELLED, 2);

	(void)state;
	assert_int_equal(api_ask("GET /v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/plan", NULL), 200);
	assert_true(json_is(json_get(api.body, "digest"), JSON_NULL));
	buf_printf(
		&k->sse,
		"id: 3\nevent: plan.created\ndata: {\"seq\":3,\"at\":\"2026-11-23T03:24:41.123Z\",\"plan\":"
		"{\"version\":1,\"digest\":\"old\",\"steps\":[]}}\n\n");
	k->last_seq = 3;
	assert_int_equal(api_ask("GET /v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/plan", NULL), 200);
	assert_string_equal(api_text("/digest"), "old");
	assert_string_equal(api_text("/task_id"), id);
}

static void plan__forgets_a_client_that_leaves(void **state)
{
	int fd;

	(void)state;
	kept_put("0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f", TASK_CANCELLED, 3);
	kept.held = true;
	fd = api_begin("GET /v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/plan", NULL);
	assert_int_equal(kept.pending, 1);
	rig_reset(fd);
	api_until_connections(0);
	assert_int_equal(kept.cancelled, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(plan__shows_its_versions),
		KEPT_TEST(plan__shows_its_versions),
		API_TEST(plan__names_the_user_that_the_gateway_names),
		API_TEST(plan__refuses_what_it_cannot_find),
		KEPT_TEST(plan__refuses_what_it_cannot_find),
		KEPT_TEST(plan__comes_from_the_archive),
		KEPT_TEST(plan__forgets_a_client_that_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
