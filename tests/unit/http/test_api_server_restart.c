/* SPDX-License-Identifier: Apache-2.0 */
/* A tool server is started anew by request: what is asked of the supervisor, and each of its answers. */
#include "api_rig.h"

/* Sends it and waits until the stand-in for mcp has it. */
static int restart(const char *head, const char *body)
{
	int fd = api_client();

	api.servers_late = true;
	api_send(fd, head, body);
	for (int i = 0; i < 50 && !api.servers_fn; i++)
		rig_turns(1);
	assert_non_null(api.servers_fn);
	return fd;
}

static void answered(int fd, int status)
{
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), status);
	close(fd);
	api_until_connections(0);
}

static void restart__answers_with_the_server(void **state)
{
	(void)state;
	int fd = restart("POST /v1/servers/files/restart", NULL);
	assert_string_equal(api.restarted, "files");
	api.servers_fn(SLICE_LIT("{\"id\":\"files\",\"state\":\"draining\"}"), NULL, api.servers_arg);
	answered(fd, 202);
	assert_string_equal(api_text("/state"), "draining");
	assert_string_equal(api_header("Content-Type"), "application/json");
}

static void restart__takes_an_empty_object(void **state)
{
	(void)state;
	int fd = restart("POST /v1/servers/a-b/restart\r\nContent-Type: application/json", "{}");
	assert_string_equal(api.restarted, "a-b");
	api.servers_fn(SLICE_LIT("{}"), NULL, api.servers_arg);
	answered(fd, 202);
}

static void restart__says_what_is_in_the_way(void **state)
{
	static const struct {
		enum err code;
		int status;
	} CASES[] = {{ERR_NOT_FOUND, 404}, {ERR_CONFLICT, 409}, {ERR_UNAVAILABLE, 503}};
	struct error e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(CASES); i++) {
		int fd = restart("POST /v1/servers/files/restart", NULL);
		err_set(&e, CASES[i].code, "because of number %zu", i);
		void (*fn)(struct slice text, const struct error *e, void *arg) = api.servers_fn;
		api.servers_fn = NULL;
		fn((struct slice){0}, &e, api.servers_arg);
		answered(fd, CASES[i].status);
		assert_non_null(strstr(api_text("/detail"), "because of number"));
	}
}

static void restart__refuses_what_it_does_not_know(void **state)
{
	(void)state;
	assert_int_equal(api_ask("POST /v1/servers/files/restart?now=1", NULL), 400);
	assert_int_equal(api_post("/v1/servers/files/restart", "{\"now\":true}"), 400);
	assert_int_equal(api_ask("GET /v1/servers/files/restart", NULL), 405);
	assert_null(api.servers_fn);
}

static void restart__forgets_a_client_that_left(void **state)
{
	(void)state;
	int fd = restart("POST /v1/servers/files/restart", NULL);
	rig_reset(fd);
	api_until_connections(0);
	assert_null(api.servers_fn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(restart__answers_with_the_server),
		API_TEST(restart__takes_an_empty_object),
		API_TEST(restart__says_what_is_in_the_way),
		API_TEST(restart__refuses_what_it_does_not_know),
		API_TEST(restart__forgets_a_client_that_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
