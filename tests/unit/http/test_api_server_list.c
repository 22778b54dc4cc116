/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of a tool server: what the supervisor is asked, and how its answers are told. */
#include "api_rig.h"

static int list(const char *head)
{
	int fd = api_client();

	api.servers_late = true;
	api.servers_fn = NULL;
	api_send(fd, head, NULL);
	for (int i = 0; i < 50 && !api.servers_fn; i++)
		rig_turns(1);
	assert_non_null(api.servers_fn);
	return fd;
}

static void answered(int fd, int status, const char *text, const struct error *e)
{
	void (*fn)(struct slice, const struct error *, void *) = api.servers_fn;

	api.servers_fn = NULL;
	fn(slice_str(text), e, api.servers_arg);
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), status);
	close(fd);
	api_until_connections(0);
}

static void list__asks_for_a_page_of_the_right_one(void **state)
{
	(void)state;
	int fd = list("GET /v1/servers/files/resources");
	assert_int_equal(api.listed, MCP_RESOURCES);
	assert_int_equal(api.listed_limit, 50);
	assert_string_equal(api.restarted, "files");
	assert_string_equal(api.listed_cursor, "none");
	answered(fd, 200, "{\"resources\":[{\"uri\":\"a:1\"}]}", NULL);
	assert_string_equal(api_text("/resources/0/uri"), "a:1");
	fd = list("GET /v1/servers/files/resource-templates?limit=200&cursor=1f.50");
	assert_int_equal(api.listed, MCP_RESOURCE_TEMPLATES);
	assert_int_equal(api.listed_limit, 200);
	assert_string_equal(api.listed_cursor, "1f.50");
	answered(fd, 200, "{}", NULL);
	fd = list("GET /v1/servers/files/prompts");
	assert_int_equal(api.listed, MCP_PROMPTS);
	answered(fd, 200, "{}", NULL);
}

static void list__says_what_is_in_the_way(void **state)
{
	static const struct {
		enum err code;
		int status;
		const char *field;
	} CASES[] = {{ERR_NOT_FOUND, 404, NULL},
		     {ERR_UNAVAILABLE, 503, NULL},
		     {ERR_FIELD, 400, "cursor"},
		     {ERR_GONE, 410, "cursor"},
		     {ERR_UPSTREAM, 502, NULL}};
	struct error e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(CASES); i++) {
		int fd = list("GET /v1/servers/files/prompts?cursor=x");
		err_set(&e, CASES[i].code, "because of number %zu", i);
		answered(fd, CASES[i].status, NULL, &e);
		assert_non_null(strstr(api_text("/detail"), "because of number"));
		if (CASES[i].field)
			assert_string_equal(api_text("/field"), CASES[i].field);
	}
}

static void list__refuses_what_it_does_not_know(void **state)
{
	(void)state;
	api.servers_fn = NULL;
	assert_int_equal(api_ask("GET /v1/servers/files/prompts?limit=0", NULL), 400);
	assert_int_equal(api_ask("GET /v1/servers/files/prompts?limit=201", NULL), 400);
	assert_int_equal(api_ask("GET /v1/servers/files/resources?page=2", NULL), 400);
	assert_int_equal(api_ask("POST /v1/servers/files/resources", NULL), 405);
	assert_null(api.servers_fn);
}

static void list__forgets_a_client_that_left(void **state)
{
	(void)state;
	int fd = list("GET /v1/servers/files/resources");
	rig_reset(fd);
	api_until_connections(0);
	assert_null(api.servers_fn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(list__asks_for_a_page_of_the_right_one),
		API_TEST(list__says_what_is_in_the_way),
		API_TEST(list__refuses_what_it_does_not_know),
		API_TEST(list__forgets_a_client_that_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
