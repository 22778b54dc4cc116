/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asset/openapi.json and asset/docs.html against what the program really has: routes, states, event types,
 * errors. Whoever adds a row to a table and forgets the documents is told here.
 */
#include "api_rig.h"

#include <ctype.h>

static struct json *document(void)
{
	struct json *j;

	assert_int_equal(api_ask("GET /openapi.json", NULL), 200);
	j = api.body;
	api.body = NULL;
	return j;
}

/* Member `b` of member `a` of j; NULL when there is none. */
static const struct json *under(const struct json *j, const char *a, const char *b)
{
	return json_get(json_get(j, a), b);
}

static void openapi__has_every_route(void **state)
{
	struct json *j = document();

	(void)state;
	for (size_t i = 0; i < http_routes_count; i++) {
		const struct http_route *route = &http_routes[i];
		const struct json *operation;
		char method[16];

		snprintf(method, sizeof(method), "%s", http_method_text(route->method));
		for (char *p = method; *p; p++)
			*p = (char)tolower(*p);
		operation = json_get(under(j, "paths", route->pattern), method);
		if (strcmp(json_get_text(operation, "operationId", ""), route->operation) != 0 ||
		    strcmp(json_get_text(operation, "summary", ""), route->summary) != 0)
			fail_msg("%s %s is not as in route.def", method, route->pattern);
	}
	json_free(j);
}

static bool route_exists(const char *path, const char *method)
{
	for (size_t i = 0; i < http_routes_count; i++) {
		if (strcmp(http_routes[i].pattern, path) == 0 &&
		    strcasecmp(http_method_text(http_routes[i].method), method) == 0)
			return true;
	}
	return false;
}

/* Also: each placeholder of the path is a parameter, and errors are documented. */
static void openapi__has_nothing_but_routes(void **state)
{
	struct json *j = document();

	(void)state;
	for (const struct json *path = json_first(json_get(j, "paths")); path; path = json_next(path)) {
		for (const struct json *op = json_first(path); op; op = json_next(op)) {
			bool placeholder = strchr(json_name(path), '{') != NULL;

			if (!route_exists(json_name(path), json_name(op)))
				fail_msg("no route %s %s", json_name(op), json_name(path));
			assert_non_null(under(op, "responses", "default"));
			if (!placeholder)
				continue;
			assert_true(json_count(json_get(op, "parameters")) > 0);
			assert_non_null(under(op, "responses", "404"));
		}
	}
	json_free(j);
}

/* Every "$ref" leads somewhere. The text is searched, not the tree: no depth to mind. */
static void openapi__refers_to_what_is_there(void **state)
{
	static const char mark[] = "\"$ref\": \"#";
	struct json *j = document();
	const char *at = strstr(buf_cstr(&rig.got), "\r\n\r\n");
	int count = 0;

	(void)state;
	for (; (at = strstr(at, mark)) != NULL; count++) {
		char pointer[100];

		at += strlen(mark);
		snprintf(pointer, sizeof(pointer), "%.*s", (int)strcspn(at, "\""), at);
		if (!json_pointer(j, pointer))
			fail_msg("%s leads nowhere", pointer);
	}
	assert_true(count > 50);
	json_free(j);
}

static void openapi__knows_schemas_states_and_events(void **state)
{
	static const char *const schemas[] = {"Task", "Plan", "Step", "Problem", "TaskList", "Event"};
	struct json *j = document();
	const struct json *states = json_pointer(j, "/components/schemas/TaskStatus/enum");
	const char *events = json_text(json_pointer(j, "/components/schemas/Event/description"));

	(void)state;
	assert_string_equal(json_text(json_pointer(j, "/info/version")), AGENT_RUNTIME_VERSION);
	for (size_t i = 0; i < COUNT_OF(schemas); i++)
		assert_non_null(json_get(json_pointer(j, "/components/schemas"), schemas[i]));
	assert_int_equal(json_count(states), TASK_STATE_COUNT);
	for (int i = 0; i < TASK_STATE_COUNT; i++)
		assert_string_equal(json_text(json_at(states, (size_t)i)),
				    task_state_text((enum task_state)i));
	assert_non_null(events);
	for (int i = 0; i < EVENT_COUNT; i++) {
		if (!strstr(events, event_type_text((enum event_type)i)))
			fail_msg("%s is not named", event_type_text((enum event_type)i));
	}
	json_free(j);
}

/* The members of a real document are in the schema, and what the schema requires is in the document. */
static void openapi__task_is_as_the_store_makes_it(void **state)
{
	static const char *const pairs[][2] = {
		{"Task", ""},
		{"Plan", "/plan"},
		{"Step", "/plan/steps/0"},
		{"Usage", "/usage"},
	};
	struct json *j = document();
	struct api_task t = api_task_new();

	(void)state;
	api_plan(t, "abc", 1);
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 200);
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		const struct json *schema = json_get(json_pointer(j, "/components/schemas"), pairs[i][0]);
		const struct json *real = json_pointer(api.body, pairs[i][1]), *m;

		assert_true(json_count(json_get(schema, "required")) > 0);
		for (m = json_first(real); m; m = json_next(m)) {
			if (!under(schema, "properties", json_name(m)))
				fail_msg("%s has no %s", pairs[i][0], json_name(m));
		}
		for (m = json_first(json_get(schema, "required")); m; m = json_next(m)) {
			if (!json_get(real, json_text(m)))
				fail_msg("no %s in %s", json_text(m), buf_cstr(&rig.got));
		}
	}
	json_free(j);
}

static void docs__show_every_operation(void **state)
{
	(void)state;
	assert_int_equal(api_ask("GET /docs", NULL), 200);
	for (size_t i = 0; i < http_routes_count; i++) {
		char anchor[100];

		snprintf(anchor, sizeof(anchor), "id=\"%s\"", http_routes[i].operation);
		if (!strstr(buf_cstr(&rig.got), anchor))
			fail_msg("no section with %s", anchor);
	}
}

static void docs__load_nothing_from_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(api_ask("GET /docs", NULL), 200);
	assert_null(strstr(buf_cstr(&rig.got), "<script"));
	assert_null(strstr(buf_cstr(&rig.got), "src="));
	assert_null(strstr(buf_cstr(&rig.got), "<link"));
	assert_null(strstr(buf_cstr(&rig.got), "url("));
	assert_true(strncmp(api_header("Content-Security-Policy"), "default-src 'none'; ", 20) == 0);
	assert_true(rig.got.len < 24 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(openapi__has_every_route),
		API_TEST(openapi__has_nothing_but_routes),
		API_TEST(openapi__refers_to_what_is_there),
		API_TEST(openapi__knows_schemas_states_and_events),
		API_TEST(openapi__task_is_as_the_store_makes_it),
		API_TEST(docs__show_every_operation),
		API_TEST(docs__load_nothing_from_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
