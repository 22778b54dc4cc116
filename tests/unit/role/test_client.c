/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client of `run` against a scripted server: answers good and bad, a stream that is cut and taken up
 * again, a stream that is refused. */
#include "base/base.h"
#include "tests/unit/llm/http_script.h"
#include "role/role_int.h"
#include "capture.h"

#define JSON_HEAD    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define STREAM_HEAD  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define EV(id, type) "id: " #id "\nevent: " type "\ndata: {\"seq\":" #id "}\n\n"
#define END          "event: end\ndata: {\"status\":\"completed\"}\n\n"

enum { PATIENCE_MS = 10000 };

struct world {
	struct loop *loop;
	struct script_server *server;
	struct client *client;
	int answers, lost;
	struct error e;
	struct buf heard; /* "type:seq " of each event */
	char *value;      /* member "v" of the last answer */
};

static void world_open(struct world *w, const struct script_reply *replies, size_t count)
{
	*w = (struct world){.loop = loop_new()};
	w->server = script_open(w->loop, replies, count);
	char *url = xasprintf("http://127.0.0.1:%d/", w->server->port);
	w->client = client_new(w->loop, url);
	free(url);
}

static void world_close(struct world *w)
{
	client_free(w->client);
	loop_turn(w->loop, 0);
	script_close(w->server);
	loop_free(w->loop);
	buf_release(&w->heard);
	free(w->value);
}

#define world_wait(w, condition)                                       \
	do {                                                           \
		int64_t until_ms = clock_mono_ms() + PATIENCE_MS;      \
		while (!(condition) && clock_mono_ms() < until_ms)     \
			loop_turn((w)->loop, 50);                      \
		if (!(condition))                                      \
			fail_msg("waited in vain for %s", #condition); \
	} while (0)

static void answered(const struct json *body, const struct error *e, void *arg)
{
	struct world *w = arg;
	w->answers++;
	w->e = *e;
	free(w->value);
	w->value = xstrdup(json_get_text(body, "v", NULL));
}

static void heard(const char *type, const struct json *data, struct slice text, void *arg)
{
	struct world *w = arg;
	assert_true(text.len > 0);
	buf_printf(&w->heard, "%s:%lld ", type, (long long)json_get_integer(data, "seq", 0));
}

static void lost(const struct json *body, const struct error *e, void *arg)
{
	struct world *w = arg;
	assert_null(body);
	w->lost++;
	w->e = *e;
}

static void ask_once(const char *reply, struct world *w)
{
	struct script_reply r = {reply, SCRIPT_CLOSE};
	world_open(w, &r, 1);
	client_ask(w->client, "POST", "/v1/tasks", SLICE_LIT("{\"a\":1}"), answered, w);
	assert_int_equal(w->answers, 0);
	world_wait(w, w->answers == 1);
}

static void client_ask__gives_the_answer(void **state)
{
	struct world w;
	(void)state;
	ask_once(JSON_HEAD "{\"v\":\"yes\"}", &w);
	assert_int_equal(w.e.code, ERR_NONE);
	assert_string_equal(w.value, "yes");
	assert_says(w.server->requests[0], "POST /v1/tasks HTTP/1.1\r\n");
	assert_says(w.server->requests[0], "Content-Type: application/json");
	assert_says(w.server->requests[0], "\r\n\r\n{\"a\":1}");
	world_close(&w);
}

static void client_ask__refusals_in_the_servers_words(void **state)
{
	static const struct {
		const char *reply;
		enum err code;
		const char *says;
	} cases[] = {
		{"HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n{\"title\":\"t\",\"detail\":\"it is "
		 "running\"}",
		 ERR_CONFLICT, "409: it is running"},
		{"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n<html>nothing here</html>",
		 ERR_NOT_FOUND, "404"},
		{"HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n{\"title\":\"too large\"}", ERR_INVALID,
		 "413: too large"},
		{"HTTP/1.1 503 Full\r\nConnection: close\r\n\r\n{\"detail\":\"later\"}", ERR_UNAVAILABLE,
		 "503: later"},
		{"HTTP/1.1 302 Found\r\nLocation: /x\r\nConnection: close\r\n\r\n", ERR_INVALID, "302"},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>Welcome to nginx</html>", ERR_UPSTREAM,
		 "not as an agent runtime does"},
		{"SSH-2.0-OpenSSH_9.2\r\n", ERR_NONE, "127.0.0.1"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		ask_once(cases[i].reply, &w);
		assert_int_not_equal(w.e.code, ERR_NONE);
		if (cases[i].code != ERR_NONE)
			assert_int_equal(w.e.code, cases[i].code);
		assert_says(w.e.msg, cases[i].says);
		world_close(&w);
	}
}

static void client_stream__takes_up_where_it_was_cut(void **state)
{
	static const struct script_reply replies[] = {
		{STREAM_HEAD EV(1, "task.created") EV(2, "task.state") "id: 3\nevent: hal", SCRIPT_CLOSE},
		{"", SCRIPT_CLOSE},
		{"HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n{}", SCRIPT_CLOSE},
		{STREAM_HEAD EV(3, "plan.created") "event: model.delta\ndata: {\"text\":\"x\"}\n\n" END,
		 SCRIPT_CLOSE},
	};
	struct world w;
	(void)state;
	world_open(&w, replies, COUNT_OF(replies));
	client_stream(w.client, "/v1/tasks/x/stream", heard, lost, &w);
	world_wait(&w, w.heard.len > 0 && strstr(buf_cstr(&w.heard), "end:") != NULL);
	assert_string_equal(buf_cstr(&w.heard),
			    "task.created:1 task.state:2 plan.created:3 model.delta:0 end:0 ");
	assert_silent(w.server->requests[0], "Last-Event-ID");
	for (int i = 1; i < 4; i++)
		assert_says(w.server->requests[i], "Last-Event-ID: 2\r\n");
	for (int i = 0; i < 10; i++)
		loop_turn(w.loop, 50);
	assert_int_equal(w.server->requests_count, 4); /* after the end nobody asks again */
	assert_int_equal(w.lost, 0);
	world_close(&w);
}

static void client_stream__what_is_gone_is_not_asked_for_again(void **state)
{
	static const struct script_reply replies[] = {
		{STREAM_HEAD EV(1, "task.created"), SCRIPT_CLOSE},
		{"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{}", SCRIPT_CLOSE},
	};
	struct world w;
	(void)state;
	world_open(&w, replies, COUNT_OF(replies));
	client_stream(w.client, "/v1/tasks/x/stream", heard, lost, &w);
	world_wait(&w, w.lost == 1);
	assert_says(w.e.msg, "404");
	world_close(&w);
}

/* Larger than what the reader takes from model servers: our own events may be. */
static void client_stream__large_events(void **state)
{
	struct world w;
	struct buf b = BUF_INIT;
	(void)state;
	buf_add_str(&b, STREAM_HEAD "id: 1\nevent: tool.completed\ndata: {\"seq\":1,\"text\":\"");
	for (size_t i = 0; i < (size_t)SSE_LINE_BYTES_MAX + 100; i++) {
		buf_add_char(&b, 'x');
		if (i % 100000 == 0)
			buf_add_char(&b, '\x01'); /* sent in pieces */
	}
	buf_add_str(&b, "\"}\n\n" END);
	struct script_reply reply = {buf_cstr(&b), SCRIPT_CLOSE};
	world_open(&w, &reply, 1);
	client_stream(w.client, "/v1/tasks/x/stream", heard, lost, &w);
	world_wait(&w, w.heard.len > 0);
	world_wait(&w, strstr(buf_cstr(&w.heard), "end:") != NULL);
	assert_says(buf_cstr(&w.heard), "tool.completed:1 ");
	world_close(&w);
	buf_release(&b);
}

static void client_free__in_the_middle_of_everything(void **state)
{
	static const struct script_reply replies[] = {
		{STREAM_HEAD EV(1, "task.created"), SCRIPT_KEEP},
		{JSON_HEAD "{\"v\":", SCRIPT_KEEP},
	};
	struct world w;
	(void)state;
	world_open(&w, replies, COUNT_OF(replies));
	client_stream(w.client, "/v1/tasks/x/stream", heard, lost, &w);
	world_wait(&w, w.heard.len > 0);
	client_ask(w.client, "GET", "/v1/tasks/x", (struct slice){NULL, 0}, answered, &w);
	world_wait(&w, w.server->requests_count == 2);
	world_close(&w);
	assert_int_equal(w.answers, 0);
	assert_int_equal(w.lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_ask__gives_the_answer),
		cmocka_unit_test(client_ask__refusals_in_the_servers_words),
		cmocka_unit_test(client_stream__takes_up_where_it_was_cut),
		cmocka_unit_test(client_stream__what_is_gone_is_not_asked_for_again),
		cmocka_unit_test(client_stream__large_events),
		cmocka_unit_test(client_free__in_the_middle_of_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
