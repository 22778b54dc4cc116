/* SPDX-License-Identifier: Apache-2.0 */
/* Which request reaches which handler, and what is said when none does. */
#include "api_rig.h"

static void route__reaches_every_handler(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	for (size_t i = 0; i < http_routes_count; i++) {
		const struct http_route *route = &http_routes[i];
		const char *hole = strchr(route->pattern, '{');
		char head[200];
		int status;

		if (strstr(route->pattern, "/stream"))
			continue;
		snprintf(head, sizeof(head), "%s %.*s%s%s", http_method_text(route->method),
			 hole ? (int)(hole - route->pattern) : 200, route->pattern, hole ? t.id : "",
			 hole ? strchr(hole, '}') + 1 : "");
		status = api_ask(head, NULL);
		/* Problems are looked up by name, so an id leads nowhere there, but by its handler's word. */
		if (strstr(route->pattern, "{slug}"))
			assert_non_null(strstr(api_text("/detail"), "no problem type"));
		else if (status == 404 || status == 405 || status >= 500)
			fail_msg("%s: %s", head, buf_cstr(&rig.got));
	}
}

static void route__says_404_for_paths_that_are_none(void **state)
{
	static const struct {
		const char *head, *detail;
	} cases[] = {
		{"GET /nothing", "/docs"},
		{"GET /v1", "/docs"},
		{"GET /v1/tasks/", "no slash at their end"},
		{"POST /v1/tasks/", "no slash at their end"},
		{"GET /livez/", "no slash at their end"},
		{"GET /v1//tasks", "/docs"},
		{"GET //", "no slash at their end"},
		{"GET /V1/tasks", "/docs"},
		{"GET /v1/tasks/a/stream/b", "/docs"},
		{"GET /v1/tasks/a%2fstream", "/docs"},
		{"GET /v1%2Ftasks", "/docs"},
		{"OPTIONS /nothing", "/docs"},
		{"DELETE /nothing", "/docs"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (api_ask(cases[i].head, NULL) != 404 || !strstr(api_text("/detail"), cases[i].detail))
			fail_msg("%s: %s", cases[i].head, buf_cstr(&rig.got));
		assert_string_equal(api_text("/type"), "/problems/not-found");
	}
}

static void route__says_405_and_what_is_allowed(void **state)
{
	static const struct {
		const char *head, *allow;
	} cases[] = {
		{"DELETE /v1/tasks", "GET, HEAD, POST, OPTIONS"},
		{"PUT /v1/tasks/x", "GET, HEAD, DELETE, OPTIONS"},
		{"GET /v1/tasks/x/approve", "POST, OPTIONS"},
		{"HEAD /v1/tasks/x/cancel", "POST, OPTIONS"},
		{"POST /livez", "GET, HEAD, OPTIONS"},
		{"BREW /docs", "GET, HEAD, OPTIONS"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(api_ask(cases[i].head, NULL), 405);
		assert_string_equal(api_header("Allow"), cases[i].allow);
	}
	assert_string_equal(api_text("/detail"), "/docs takes GET, HEAD, OPTIONS, not BREW");
}

static void route__answers_options(void **state)
{
	(void)state;
	assert_int_equal(api_ask("OPTIONS /v1/tasks", NULL), 204);
	assert_string_equal(api_header("Allow"), "GET, HEAD, POST, OPTIONS");
	assert_int_equal(api_ask("OPTIONS *", NULL), 204);
	assert_string_equal(api_header("Allow"), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
}

static void route__head_is_get_without_a_body(void **state)
{
	(void)state;
	assert_int_equal(api_ask("HEAD /livez", NULL), 200);
	assert_string_equal(api_header("Content-Length"), "15");
	assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n"), "\r\n\r\n");
}

static void pattern__placeholders_stand_for_one_segment(void **state)
{
	static const struct {
		const char *pattern, *path, *params[2];
		bool matches;
	} cases[] = {
		{"/", "/", {0}, true},
		{"/", "", {0}, false},
		{"/a", "/a", {0}, true},
		{"/a", "/a/", {0}, false},
		{"/a", "/ab", {0}, false},
		{"/ab", "/a", {0}, false},
		{"/a/{x}", "/a/b", {"b"}, true},
		{"/a/{x}", "/a/", {0}, false},
		{"/a/{x}", "/a", {0}, false},
		{"/a/{x}", "/a/b/c", {"b"}, false},
		{"/a/{x}/c", "/a/b/c", {"b"}, true},
		{"/a/{x}/{y}", "/a/b/c", {"b", "c"}, true},
		{"/{x}/{y}", "//c", {0}, false},
		{"/a/{x}", "/a/{x}", {"{x}"}, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice params[HTTP_PARAMS_MAX] = {0};

		if (http_pattern_matches(cases[i].pattern, cases[i].path, params) != cases[i].matches)
			fail_msg("%s %s", cases[i].pattern, cases[i].path);
		for (size_t k = 0; k < 2 && cases[i].matches; k++)
			assert_true(slice_eq(params[k], slice_str(cases[i].params[k])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(route__reaches_every_handler),
		API_TEST(route__says_404_for_paths_that_are_none),
		API_TEST(route__says_405_and_what_is_allowed),
		API_TEST(route__answers_options),
		API_TEST(route__head_is_get_without_a_body),
		cmocka_unit_test(pattern__placeholders_stand_for_one_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
