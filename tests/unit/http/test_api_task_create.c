/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/tasks: what is taken, what is refused, and where the answer says the fault is. */
#include "api_rig.h"

#define LONG_50 "01234567890123456789012345678901234567890123456789"

static void task_create__answers_with_the_document(void **state)
{
	char location[100];

	(void)state;
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"read \\\"it\\\"\\n\",\"approval\":\"auto\","
					       "\"metadata\":{\"a\": [1, 2]}}"),
			 202);
	assert_string_equal(api_text("/status"), "queued");
	assert_string_equal(api_text("/prompt"), "read \"it\"\n");
	assert_string_equal(api_text("/approval"), "auto");
	assert_int_equal(json_count(json_pointer(api.body, "/metadata/a")), 2);
	assert_int_equal(json_get_integer(api.body, "last_seq", 0), 1);
	assert_string_equal(api_header("ETag"), "\"1\"");
	assert_string_equal(api_header("Content-Type"), "application/json");
	snprintf(location, sizeof(location), "/v1/tasks/%s", api_text("/id"));
	assert_string_equal(api_header("Location"), location);
	assert_int_equal(api_text("/id")[14], '7');
}

static void task_create__keeps_the_schema_of_the_result(void **state)
{
	(void)state;
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"x\",\"output_schema\":{\"type\": \"string\"}}"),
			 202);
	assert_string_equal(api_text("/output_schema/type"), "string");
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"x\"}"), 202);
	assert_null(json_pointer(api.body, "/output_schema"));
}

/* The offline rules write text only: that is said at once, not when the task has failed. */
static void task_create__no_model_no_schema(void **state)
{
	static const struct http_model offline[API_MODELS] = {
		{.provider = "offline", .model = "builtin-rules", .api = "offline", .roles = 7}};

	(void)state;
	api.http->options.models = offline;
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"x\",\"output_schema\":{\"type\": \"string\"}}"),
			 400);
	assert_string_equal(api_text("/field"), "/output_schema");
	assert_non_null(strstr(api_text("/detail"), "needs a language model"));
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"x\"}"), 202);
}

static void task_create__takes_defaults_from_the_options(void **state)
{
	(void)state;
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"x\"}"), 202);
	assert_string_equal(api_text("/approval"), "required");
	assert_true(json_is(json_pointer(api.body, "/metadata"), JSON_OBJECT));
	api.http->options.approval = "auto";
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"x\"}"), 202);
	assert_string_equal(api_text("/approval"), "auto");
}

static void task_create__refuses_bad_bodies(void **state)
{
	static const struct {
		const char *body;
		int status;
		const char *type, *field, *detail;
	} cases[] = {
		{"", 400, "invalid-json", "", "empty"},
		{"{", 400, "invalid-json", "", "line 1"},
		{"{\n\"prompt\": tru}", 400, "invalid-json", "", "line 2"},
		{"{\"prompt\":\"a\"} x", 400, "invalid-json", "", "column"},
		{"{\"prompt\":\"a\",\"prompt\":\"b\"}", 400, "invalid-json", "", "prompt"},
		{"{\"prompt\":\"\xff\"}", 400, "invalid-json", "", "UTF-8"},
		{"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", 400, "invalid-json", "", "16"},
		{"[]", 400, "invalid-field", "", "a JSON object, not array"},
		{"{}", 400, "invalid-field", "/prompt", "missing"},
		{"{\"prompt\":5}", 400, "invalid-field", "/prompt", "not number"},
		{"{\"prompt\":null}", 400, "invalid-field", "/prompt", "not null"},
		{"{\"prompt\":\"\"}", 400, "invalid-field", "/prompt", "empty"},
		{"{\"prompt\":\" \\n\\t\"}", 400, "invalid-field", "/prompt", "empty"},
		{"{\"prompt\":\"a\",\"promt\":1,\"x/y\":2}", 400, "invalid-field", "/promt",
		 "\"promt\", \"x/y\"; known here: \"prompt\", \"approval\", \"metadata\", "
		 "\"output_schema\" and \"budget\""},
		{"{\"prompt\":\"a\",\"output_schema\":true}", 400, "invalid-field", "/output_schema",
		 "not boolean"},
		{"{\"prompt\":\"a\",\"output_schema\":{\"type\":7}}", 400, "invalid-field", "/output_schema",
		 "cannot be used"},
		{"{\"prompt\":\"a\",\"output_schema\":{\"$ref\":\"http://x/y\"}}", 400, "invalid-field",
		 "/output_schema", "cannot be used"},
		{"{\"prompt\":\"a\",\"output_schema\":{\"title\":\"" LONG_50 LONG_50 "\"}}", 400,
		 "invalid-field", "/output_schema", "limits.output_schema_bytes"},
		{"{\"x/~y\":2}", 400, "invalid-field", "/x~1~0y", "x/~y"},
		{"{\"Prompt\":\"a\"}", 400, "invalid-field", "/Prompt", "unknown field"},
		{"{\"prompt\":\"a\",\"approval\":\"never\"}", 400, "invalid-field", "/approval", "required"},
		{"{\"prompt\":\"a\",\"approval\":true}", 400, "invalid-field", "/approval", "auto"},
		{"{\"prompt\":\"a\",\"metadata\":[]}", 400, "invalid-field", "/metadata", "not array"},
		{"{\"prompt\":\"a\",\"metadata\":{\"a\":\"" LONG_50 LONG_50 "\"}}", 400, "invalid-field",
		 "/metadata", "limits.metadata_bytes"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int status = api_post("/v1/tasks", cases[i].body);
		char type[100];

		snprintf(type, sizeof(type), "/problems/%s", cases[i].type);
		if (status != cases[i].status || strcmp(api_text("/type"), type) != 0 ||
		    strcmp(api_text("/field"), cases[i].field) != 0 ||
		    !strstr(api_text("/detail"), cases[i].detail))
			fail_msg("%s: %s", cases[i].body, buf_cstr(&rig.got));
		assert_string_equal(api_header("Content-Type"), "application/problem+json");
	}
	assert_int_equal(store_counter(api.store, COUNTER_TASKS_CREATED), 0);
}

static void task_create__bounds_the_prompt(void **state)
{
	char body[1100];

	(void)state;
	snprintf(body, sizeof(body), "{\"prompt\":\"%01000d\"}", 7);
	assert_int_equal(api_post("/v1/tasks", body), 202);
	snprintf(body, sizeof(body), "{\"prompt\":\"%01001d\"}", 7);
	assert_int_equal(api_post("/v1/tasks", body), 400);
	assert_string_equal(api_text("/field"), "/prompt");
	assert_non_null(strstr(api_text("/detail"), "1001"));
	assert_non_null(strstr(api_text("/detail"), "limits.prompt_bytes"));
}

static void task_create__wants_json(void **state)
{
	static const struct {
		const char *lines;
		int status;
	} cases[] = {
		{"", 415},
		{"\r\nContent-Type: text/plain", 415},
		{"\r\nContent-Type: application/jsonx", 415},
		{"\r\nContent-Type: application/json\r\nContent-Encoding: gzip", 415},
		{"\r\nContent-Type: application/json; charset=utf-8", 202},
		{"\r\nContent-Type: Application/JSON ;x=y", 202},
		{"\r\nContent-Type: application/json;charset=\"UTF-8\"; x=y", 202},
		{"\r\nContent-Type: application/json;", 202},
		{"\r\nContent-Type: application/json; charset=iso-8859-1", 415},
		{"\r\nContent-Type: application/json; x=y; Charset = utf-16", 415},
		{"\r\nContent-Type: application/json; charset=", 415},
		{"\r\nContent-Type: application/json\r\nContent-Encoding: identity", 202},
	};
	char head[200];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		snprintf(head, sizeof(head), "POST /v1/tasks%s", cases[i].lines);
		assert_int_equal(api_ask(head, "{\"prompt\":\"a\"}"), cases[i].status);
	}
	assert_int_equal(
		api_ask("POST /v1/tasks?x=1\r\nContent-Type: application/json", "{\"prompt\":\"a\"}"), 400);
	assert_string_equal(api_text("/field"), "x");
}

static int start_small(void **state)
{
	(void)state;
	return api_start_sized(16);
}

static void task_create__says_when_the_table_is_full(void **state)
{
	struct api_task first = {0};

	(void)state;
	for (int i = 0; i < 16; i++) {
		struct api_task t = api_task_new();

		if (i == 0)
			first = t;
	}
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"a\"}"), 503);
	assert_string_equal(api_header("Retry-After"), "1");
	assert_non_null(strstr(api_text("/detail"), "store.tasks_max"));
	api_move(first, TASK_CANCELLED, NULL);
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"a\"}"), 202);
	assert_int_equal(api_ask(api_line("GET", first, ""), NULL), 404);
}

static void task_create__takes_nothing_while_the_server_stops(void **state)
{
	int fd = api_client();

	(void)state;
	http_quiesce(api.http);
	rig_send(fd, "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
		     "Content-Length: 14\r\n\r\n{\"prompt\":\"a\"}");
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), 503);
	assert_string_equal(api_text("/type"), "/problems/unavailable");
	assert_string_equal(api_header("Retry-After"), "1");
	assert_int_equal(task_list(api.store, &(struct task_query){.limit = 1}, &(struct task_ref){0}), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(task_create__answers_with_the_document),
		API_TEST(task_create__keeps_the_schema_of_the_result),
		API_TEST(task_create__no_model_no_schema),
		API_TEST(task_create__takes_defaults_from_the_options),
		API_TEST(task_create__refuses_bad_bodies),
		API_TEST(task_create__bounds_the_prompt),
		API_TEST(task_create__wants_json),
		API_TEST(task_create__takes_nothing_while_the_server_stops),
		cmocka_unit_test_setup_teardown(task_create__says_when_the_table_is_full, start_small,
						api_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
