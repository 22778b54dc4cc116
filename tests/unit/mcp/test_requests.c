/* SPDX-License-Identifier: Apache-2.0 */
/* Requests from the client half through the broker to a server and back: they share all with tool calls. */
#include "tests/unit/mcp/shelf_rig.h"

static void request__result_comes_back_whole(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	shelf_init(&r, "shelf");
	rig_start(&r);
	/* It waits for the server to start, as calls do. */
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://2\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(o.sent);
	assert_string_equal(buf_cstr(&o.result), "{\"contents\":[{\"uri\":\"shelf://2\",\"mimeType\":\"text/"
						 "plain\",\"text\":\"page 2\"}]}");
	rig_free(&r);
}

static void request__errors_say_what_they_are(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	shelf_init(&r, "broken");
	rig_start(&r);
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://9\"}", &o);
	assert_int_equal(o.error.code, ERR_NOT_FOUND);
	assert_non_null(strstr(o.error.msg, "Resource not found"));
	request_wait(&r, "resources/templates/list", "{}", &o);
	assert_int_equal(o.error.code, ERR_UNSUPPORTED);
	request_wait(&r, "tools/call", "{}", &o);
	assert_int_equal(o.error.code, ERR_UNSUPPORTED);
	assert_false(o.sent);
	request_wait(&r, "resources/read", "[]", &o);
	assert_int_equal(o.error.code, ERR_INVALID);
	request(&r, "nobody", "resources/read", "{}", 0, &o);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_NOT_FOUND);
	rig_free(&r);
}

static void request__prompt_that_is_not_there_is_told_from_bad_arguments(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	shelf_init(&r, "shelf");
	rig_start(&r);
	request_wait(&r, "prompts/get", "{\"name\":\"greet\",\"arguments\":{\"who\":\"Ada\"}}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_non_null(strstr(buf_cstr(&o.result), "\"text\":\"Ada\""));
	request_wait(&r, "prompts/get", "{\"name\":\"greet\"}", &o);
	assert_int_equal(o.error.code, ERR_FIELD);
	assert_non_null(strstr(o.error.msg, "who is required"));
	request_wait(&r, "prompts/get", "{\"name\":\"gone\"}", &o);
	assert_int_equal(o.error.code, ERR_NOT_FOUND);
	rig_free(&r);
}

/* As a model calls them: the result is a tool's. */
static void resource_tools__are_called_like_tools(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	shelf_init(&r, "shelf");
	rig_start(&r);
	/* Before the server has told what it has. */
	rig_call_wait(&r, "shelf", "read_resource", "{\"uri\":\"shelf://2\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_string_equal(buf_cstr(&o.result),
			    "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":"
			    "\"shelf://2\",\"mimeType\":\"text/plain\",\"text\":\"page 2\"}}]}");
	rig_call_wait(&r, "shelf", "read_resource", "{\"uri\":\"shelf://9\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(o.is_error);
	assert_non_null(strstr(buf_cstr(&o.result), "Resource not found"));
	rig_call_wait(&r, "shelf", "list_resources", "{\"query\":\"book 3\"}", &o);
	assert_non_null(strstr(buf_cstr(&o.result), "\"uri\":\"shelf://3\""));
	assert_null(strstr(buf_cstr(&o.result), "shelf://2"));
	const struct mcp_catalog *c = mcp_client_catalog(r.client);
	const struct mcp_tool *t = mcp_catalog_find(c, "shelf__read_resource");
	assert_non_null(t);
	assert_true(t->by_runtime && t->read_only && t->idempotent && !t->destructive);
	assert_false(mcp_catalog_find(c, "shelf__touch")->by_runtime);
	mcp_catalog_drop(c);
	rig_free(&r);
}

static void resource_tools__give_way_to_the_servers_own(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	shelf_init(&r, "taken");
	rig_start(&r);
	rig_call_wait(&r, "shelf", "read_resource", "{\"uri\":\"shelf://2\"}", &o);
	assert_non_null(strstr(buf_cstr(&o.result), "the server's own"));
	const struct mcp_catalog *c = mcp_client_catalog(r.client);
	assert_false(mcp_catalog_find(c, "shelf__read_resource")->by_runtime);
	assert_true(mcp_catalog_find(c, "shelf__list_resources")->by_runtime);
	mcp_catalog_drop(c);
	rig_free(&r);
}

static void request__ends_by_its_time_limit_and_by_cancel(void **state)
{
	struct rig r;
	struct outcome slow, o;
	(void)state;
	shelf_init(&r, "shelf");
	rig_start(&r);
	request(&r, "shelf", "resources/read", "{\"uri\":\"shelf://slow\"}", 50, &slow);
	rig_wait(&r, slow.ends);
	assert_int_equal(slow.error.code, ERR_TIMEOUT);
	assert_non_null(strstr(slow.error.msg, "resources/read of server shelf"));
	struct mcp_call *call =
		request(&r, "shelf", "resources/read", "{\"uri\":\"shelf://slow\"}", 0, &slow);
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://1\"}", &o);
	mcp_call_cancel(call);
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://1\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_int_equal(slow.ends, 0);
	rig_free(&r);
}

static void request__counts_among_the_calls_of_its_server(void **state)
{
	struct rig r;
	struct outcome o[3];
	(void)state;
	shelf_init(&r, "shelf");
	r.options.calls_per_server_max = 2;
	rig_start(&r);
	rig_settle(&r);
	for (int i = 0; i < 3; i++)
		request(&r, "shelf", "resources/read", "{\"uri\":\"shelf://slow\"}", 500, &o[i]);
	rig_wait(&r, o[2].ends);
	assert_int_equal(o[2].error.code, ERR_FULL);
	rig_wait(&r, o[0].ends && o[1].ends);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__result_comes_back_whole),
		cmocka_unit_test(request__errors_say_what_they_are),
		cmocka_unit_test(request__prompt_that_is_not_there_is_told_from_bad_arguments),
		cmocka_unit_test(resource_tools__are_called_like_tools),
		cmocka_unit_test(resource_tools__give_way_to_the_servers_own),
		cmocka_unit_test(request__ends_by_its_time_limit_and_by_cancel),
		cmocka_unit_test(request__counts_among_the_calls_of_its_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
