/* SPDX-License-Identifier: Apache-2.0 */
/* Tools, tool servers, health, problem types. */
#include "api_rig.h"

static void tools__is_the_catalogue_as_it_is(void **state)
{
	(void)state;
	api.tools = "{\"tools\":[{\"name\":\"a\"}]}";
	assert_int_equal(api_ask("GET /v1/tools", NULL), 200);
	assert_string_equal(api_text("/tools/0/name"), "a");
	api.tools = "";
	assert_int_equal(api_ask("GET /v1/tools", NULL), 200);
	assert_true(json_is(json_get(api.body, "tools"), JSON_ARRAY));
	assert_int_equal(api_ask("GET /v1/tools?x=1", NULL), 400);
}

static void servers__answers_when_the_supervisor_has(void **state)
{
	int fd;

	(void)state;
	api.servers = "{\"servers\":[{\"id\":\"files\"}]}";
	assert_int_equal(api_ask("GET /v1/servers", NULL), 200);
	assert_string_equal(api_text("/servers/0/id"), "files");
	api.servers_late = true;
	fd = api_client();
	api_send(fd, "GET /v1/servers", NULL);
	rig_turns(5);
	assert_non_null(api.servers_fn);
	api.servers_fn(slice_str(api.servers), NULL, api.servers_arg);
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), 200);
	close(fd);
}

static void servers__says_503_without_a_supervisor(void **state)
{
	(void)state;
	api.servers = NULL;
	assert_int_equal(api_ask("GET /v1/servers", NULL), 503);
	assert_non_null(strstr(api_text("/detail"), "no supervisor"));
	assert_string_equal(api_header("Retry-After"), "1");
}

static void servers__forgets_a_client_that_left(void **state)
{
	int fd;

	(void)state;
	api.servers_late = true;
	fd = api_client();
	api_send(fd, "GET /v1/servers", NULL);
	rig_turns(5);
	assert_non_null(api.servers_fn);
	rig_reset(fd);
	api_until_connections(0);
	assert_null(api.servers_fn);
}

static void livez__is_ok(void **state)
{
	(void)state;
	assert_int_equal(api_ask("GET /livez", NULL), 200);
	assert_string_equal(api_text("/status"), "ok");
	assert_string_equal(api_header("Cache-Control"), "no-store");
}

static void readyz__tells_starting_ready_draining(void **state)
{
	int fd;

	(void)state;
	api.settled = false;
	assert_int_equal(api_ask("GET /readyz", NULL), 503);
	assert_string_equal(api_text("/status"), "starting");
	assert_false(json_truth(json_pointer(api.body, "/checks/tool_servers_settled")));
	assert_true(json_truth(json_pointer(api.body, "/checks/accepting_tasks")));
	assert_string_equal(api_header("Retry-After"), "1");
	api.settled = true;
	assert_int_equal(api_ask("GET /readyz", NULL), 200);
	assert_string_equal(api_text("/status"), "ready");
	assert_string_equal(api_text("/store/backend"), "memory");
	assert_string_equal(api_text("/store/health"), "works");
	assert_non_null(strstr(api_text("/store/note"), "nothing is on disk"));
	fd = api_client();
	http_quiesce(api.http);
	rig_send(fd, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), 503);
	assert_string_equal(api_text("/status"), "draining");
	assert_true(json_truth(json_pointer(api.body, "/checks/tool_servers_settled")));
	assert_false(json_truth(json_pointer(api.body, "/checks/accepting_tasks")));
	assert_string_equal(api_header("Connection"), "close");
	close(fd);
}

static void problem__explains_every_type(void **state)
{
	(void)state;
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++) {
		char head[100];

		snprintf(head, sizeof(head), "GET /problems/%s", err_info((enum err)i)->slug);
		assert_int_equal(api_ask(head, NULL), 200);
		assert_string_equal(api_header("Content-Type"), "text/plain; charset=utf-8");
		assert_non_null(strstr(buf_cstr(&rig.got), err_info((enum err)i)->title));
	}
	assert_int_equal(api_ask("GET /problems/none", NULL), 404);
	assert_int_equal(api_ask("GET /problems/nonsense", NULL), 404);
}

static void root__leads_to_the_documentation(void **state)
{
	(void)state;
	assert_int_equal(api_ask("GET /", NULL), 308);
	assert_string_equal(api_header("Location"), "/docs");
}

static void readyz__tells_what_the_store_is_about(void **state)
{
	static const struct {
		enum store_health health;
		const char *why, *status;
		int code;
	} cases[] = {
		{STORE_STARTING, "", "starting", 503},
		{STORE_WORKS, "", "ready", 200},
		{STORE_NO_SPACE, "no space left on device", "no_space", 503},
		{STORE_AWAY, "the database cannot be opened", "away", 503},
		{STORE_BROKEN, "input/output error", "broken", 503},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		store_health_set(kept.store, cases[i].health, cases[i].why);
		assert_int_equal(api_read(api_begin("GET /readyz", NULL)), cases[i].code);
		assert_string_equal(api_text("/status"), cases[i].status);
		assert_string_equal(api_text("/store/backend"), "sqlite");
		assert_string_equal(api_text("/store/note"), "");
		assert_int_equal(json_truth(json_pointer(api.body, "/checks/store_works")),
				 cases[i].code == 200);
		assert_int_equal(json_truth(json_pointer(api.body, "/checks/accepting_tasks")),
				 cases[i].code == 200);
		assert_non_null(strstr(api_text("/checks/store_reason"), cases[i].why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(tools__is_the_catalogue_as_it_is),
		API_TEST(servers__answers_when_the_supervisor_has),
		API_TEST(servers__says_503_without_a_supervisor),
		API_TEST(servers__forgets_a_client_that_left),
		API_TEST(livez__is_ok),
		API_TEST(readyz__tells_starting_ready_draining),
		API_TEST(problem__explains_every_type),
		API_TEST(root__leads_to_the_documentation),
		KEPT_TEST(readyz__tells_what_the_store_is_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
