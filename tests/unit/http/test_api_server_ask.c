/* SPDX-License-Identifier: Apache-2.0 */
/* Resources read, prompts filled in, arguments completed: what is asked of the server, and each of its
 * answers. */
#include "api_rig.h"

#define JSON_TYPE "\r\nContent-Type: application/json"

static int asked(const char *head, const char *body)
{
	int fd = api_client();

	api.servers_late = true;
	api.asked.on_end = NULL;
	api_send(fd, head, body);
	for (int i = 0; i < 50 && !api.asked.on_end; i++)
		rig_turns(1);
	assert_non_null(api.asked.on_end);
	return fd;
}

static void answered(int fd, int status, const struct mcp_call_end *end)
{
	struct mcp_call_handler h = api.asked;

	api.asked.on_end = NULL;
	h.on_end(end, h.arg);
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), status);
	close(fd);
	api_until_connections(0);
}

static void well(int fd, const char *result)
{
	struct mcp_call_end end = {.sent = true, .result = slice_str(result)};

	answered(fd, 200, &end);
}

static void badly(int fd, enum err code, bool sent, int status)
{
	struct mcp_call_end end = {.sent = sent};

	err_set(&end.error, code, "because of that");
	answered(fd, status, &end);
	assert_string_equal(api_text("/detail"), "because of that");
}

static void read__asks_the_server_and_answers_as_it_does(void **state)
{
	(void)state;
	int fd = asked("GET /v1/servers/files/resources/read?uri=a%3A%2F%2F%C3%A9%22", NULL);
	assert_string_equal(api.asked_method, "files resources/read");
	assert_string_equal(api.asked_params, "{\"uri\":\"a://\xc3\xa9\\\"\"}");
	well(fd, "{\"contents\":[{\"uri\":\"a:1\",\"text\":\"t\"}]}");
	assert_string_equal(api_text("/contents/0/text"), "t");
	assert_string_equal(api_header("Cache-Control"), "no-store");
}

static void read__errors_have_their_status(void **state)
{
	static const struct {
		enum err code;
		bool sent;
		int status;
	} CASES[] = {
		{ERR_NOT_FOUND, true, 404},    {ERR_UNSUPPORTED, true, 501}, {ERR_UPSTREAM, true, 502},
		{ERR_TOO_LARGE, true, 502},    {ERR_TOO_LARGE, false, 413},  {ERR_TIMEOUT, true, 504},
		{ERR_UNAVAILABLE, false, 503}, {ERR_LOST, true, 502},        {ERR_FULL, false, 503},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(CASES); i++)
		badly(asked("GET /v1/servers/files/resources/read?uri=a:1", NULL), CASES[i].code,
		      CASES[i].sent, CASES[i].status);
}

static void read__needs_a_uri(void **state)
{
	(void)state;
	assert_int_equal(api_ask("GET /v1/servers/files/resources/read", NULL), 400);
	assert_string_equal(api_text("/field"), "uri");
	assert_int_equal(api_ask("GET /v1/servers/files/resources/read?uri=", NULL), 400);
	assert_int_equal(api_ask("GET /v1/servers/files/resources/read?url=a:1", NULL), 400);
}

static void read__is_cancelled_when_the_client_leaves(void **state)
{
	(void)state;
	int fd = asked("GET /v1/servers/files/resources/read?uri=a:1", NULL);
	rig_reset(fd);
	api_until_connections(0);
	assert_null(api.asked.on_end);
}

static void prompt__is_named_by_path_or_body(void **state)
{
	(void)state;
	int fd = asked("POST /v1/servers/files/prompts/greet" JSON_TYPE, "{\"arguments\":{\"who\":\"Ada\"}}");
	assert_string_equal(api.asked_method, "files prompts/get");
	assert_string_equal(api.asked_params, "{\"name\":\"greet\",\"arguments\":{\"who\":\"Ada\"}}");
	well(fd, "{\"messages\":[]}");
	fd = asked("POST /v1/servers/files/prompts/plain", NULL);
	assert_string_equal(api.asked_params, "{\"name\":\"plain\"}");
	badly(fd, ERR_FIELD, true, 400);
	assert_string_equal(api_text("/field"), "/arguments");
	fd = asked("POST /v1/servers/files/prompts" JSON_TYPE, "{\"name\":\"git/commit\"}");
	assert_string_equal(api.asked_params, "{\"name\":\"git/commit\"}");
	badly(fd, ERR_NOT_FOUND, true, 404);
}

static void prompt__arguments_are_texts(void **state)
{
	static const struct {
		const char *path, *body, *field;
	} CASES[] = {
		{"/v1/servers/files/prompts/greet", "{\"arguments\":{\"who\":7}}", "/arguments"},
		{"/v1/servers/files/prompts/greet", "{\"arguments\":[]}", "/arguments"},
		{"/v1/servers/files/prompts/greet", "{\"name\":\"x\"}", "/name"},
		{"/v1/servers/files/prompts", "{\"arguments\":{}}", "/name"},
		{"/v1/servers/files/prompts", "{\"name\":7}", "/name"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(CASES); i++) {
		assert_int_equal(api_post(CASES[i].path, CASES[i].body), 400);
		assert_string_equal(api_text("/field"), CASES[i].field);
	}
}

#define REF "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"p\"}"

static void complete__passes_through(void **state)
{
	(void)state;
	const char *body =
		"{" REF ",\"argument\":{\"name\":\"a\",\"value\":\"\"},\"context\":{\"arguments\":{\"b\":"
		"\"c\"}}}";
	int fd = asked("POST /v1/servers/files/complete" JSON_TYPE, body);
	assert_string_equal(api.asked_method, "files completion/complete");
	assert_string_equal(api.asked_params, body);
	well(fd, "{\"completion\":{\"values\":[\"x\"],\"hasMore\":false},\"_meta\":{\"y\":\"z\"}}");
	assert_string_equal(api_text("/completion/values/0"), "x");
	assert_string_equal(api_text("/_meta/y"), "z");
}

static void complete__values_are_cut_at_a_hundred(void **state)
{
	const char *body = "{" REF ",\"argument\":{\"name\":\"a\",\"value\":\"\"}}";
	struct mcp_call_end none = {.sent = true, .result = SLICE_LIT("{\"completion\":{\"values\":7}}")};
	struct buf b = BUF_INIT;

	(void)state;
	buf_add_str(&b, "{\"completion\":{\"values\":[\"0\"");
	for (int i = 1; i < 101; i++)
		buf_printf(&b, ",\"%d\"", i);
	buf_add_str(&b, "],\"total\":101}}");
	well(asked("POST /v1/servers/files/complete" JSON_TYPE, body), buf_cstr(&b));
	assert_string_equal(api_text("/completion/values/99"), "99");
	assert_null(json_pointer(api.body, "/completion/values/100"));
	assert_true(json_truth(json_pointer(api.body, "/completion/hasMore")));
	buf_release(&b);
	answered(asked("POST /v1/servers/files/complete" JSON_TYPE, body), 502, &none);
}

static void complete__checks_what_is_asked(void **state)
{
	static const struct {
		const char *body, *field;
	} CASES[] = {
		{"{\"argument\":{\"name\":\"a\",\"value\":\"\"}}", "/ref"},
		{"{\"ref\":{\"type\":\"ref/"
		 "tool\",\"name\":\"x\"},\"argument\":{\"name\":\"a\",\"value\":\"\"}}",
		 "/ref"},
		{"{\"ref\":{\"type\":\"ref/"
		 "resource\",\"name\":\"x\"},\"argument\":{\"name\":\"a\",\"value\":\"\"}}",
		 "/ref"},
		{"{" REF ",\"argument\":{\"name\":\"a\"}}", "/argument"},
		{"{" REF ",\"argument\":\"a\"}", "/argument"},
		{"{" REF ",\"argument\":{\"name\":\"a\",\"value\":\"\"},\"context\":7}", "/context"},
		{"{" REF
		 ",\"argument\":{\"name\":\"a\",\"value\":\"\"},\"context\":{\"arguments\":{\"b\":1}}}",
		 "/context/arguments"},
		{"{" REF ",\"argument\":{\"name\":\"a\",\"value\":\"\"},\"more\":1}", "/more"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(CASES); i++) {
		assert_int_equal(api_post("/v1/servers/files/complete", CASES[i].body), 400);
		assert_string_equal(api_text("/field"), CASES[i].field);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(read__asks_the_server_and_answers_as_it_does),
		API_TEST(read__errors_have_their_status),
		API_TEST(read__needs_a_uri),
		API_TEST(read__is_cancelled_when_the_client_leaves),
		API_TEST(prompt__is_named_by_path_or_body),
		API_TEST(prompt__arguments_are_texts),
		API_TEST(complete__passes_through),
		API_TEST(complete__values_are_cut_at_a_hundred),
		API_TEST(complete__checks_what_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
