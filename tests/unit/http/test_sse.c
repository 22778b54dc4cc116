/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of events over a real store: replay, following, resuming, live events, ends of both kinds. */
#include "sse_rig.h"

static void stream__sends_its_first_byte_and_all_events_at_once(void **state)
{
	struct api_task t = api_task_new();
	int fd;

	(void)state;
	api_plan(t, "abc", 1);
	begin();
	fd = stream(t, "");
	more(fd, "awaiting_approval\"");
	assert_non_null(strstr(buf_cstr(&rig.got), "HTTP/1.1 200 OK\r\n"));
	assert_string_equal(api_header("Content-Type"), "text/event-stream");
	assert_string_equal(api_header("Cache-Control"), "no-store");
	assert_string_equal(api_header("X-Accel-Buffering"), "no");
	assert_true(strncmp(unchunked(), ":\n\nid: 1\nevent: task.created\ndata: {\"seq\":1,", 44) == 0);
	assert_int_equal(rig_count(unchunked(), "\nid: "), 4);
	assert_null(strchr(unchunked(), '\r'));
	assert_null(strstr(unchunked(), "event: end"));
	rig_reset(fd);
	api_until_connections(0);
}

static void stream__follows_to_a_clean_end(void **state)
{
	struct api_task t = api_task_new();
	const char *text;
	int fd;

	(void)state;
	begin();
	fd = stream(t, "");
	more(fd, "task.created");
	api_move(t, TASK_PLANNING, NULL);
	more(fd, "\"to\":\"planning\"");
	api_move(t, TASK_CANCELLED, "{\"reason\":\"x\"}");
	more(fd, NULL);
	assert_true(rig.got_end);
	text = unchunked();
	assert_string_equal(strstr(text, "event: end"), "event: end\ndata: {\"status\":\"cancelled\"}\n\n");
	assert_true(strstr(text, "id: 3\n") < strstr(text, "event: end"));
	assert_non_null(strstr(buf_cstr(&rig.got), "\r\n0\r\n\r\n"));
	close(fd);
}

static void stream__resumes_after_the_event_that_was_seen(void **state)
{
	static const struct {
		const char *more;
		int first;
	} cases[] = {
		{"?after=0", 1},
		{"?after=2", 3},
		{"\r\nLast-Event-ID: 3", 4},
		{"?after=1\r\nLast-Event-ID: 2", 3},
		{"?after=4", 5},
	};
	struct api_task t = api_task_new();
	int fd;

	(void)state;
	api_plan(t, "abc", 1);
	api_move(t, TASK_REJECTED, NULL);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char want[60];

		snprintf(want, sizeof(want), ":\n\nid: %d\n", cases[i].first);
		begin();
		fd = stream(t, cases[i].more);
		more(fd, NULL);
		if (strncmp(unchunked(), want, strlen(want)) != 0 || !strstr(unchunked(), "event: end"))
			fail_msg("%s: %s", cases[i].more, buf_cstr(&rig.got));
		close(fd);
		api_until_connections(0);
	}
	begin();
	fd = stream(t, "\r\nLast-Event-ID: 5");
	more(fd, NULL);
	close(fd);
	assert_string_equal(unchunked(), ":\n\nevent: end\ndata: {\"status\":\"rejected\"}\n\n");
}

static void stream__refuses_places_that_are_none(void **state)
{
	static const struct {
		const char *more, *field;
	} cases[] = {
		{"?after=x", "after"},
		{"?after=-1", "after"},
		{"?after=", "after"},
		{"?after=18446744073709551616", "after"},
		{"?after=1&after=2", "after"},
		{"\r\nLast-Event-ID: 1x", "Last-Event-ID"},
		{"?before=1", "before"},
		{"?after=2", "after"},
		{"\r\nLast-Event-ID: 2", "Last-Event-ID"},
	};
	struct api_task t = api_task_new();
	char head[200];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		snprintf(head, sizeof(head), "GET %s/stream%s", t.path, cases[i].more);
		assert_int_equal(api_ask(head, NULL), 400);
		assert_string_equal(api_text("/field"), cases[i].field);
	}
	assert_non_null(strstr(api_text("/detail"), "last event is 1"));
	assert_int_equal(api_ask("GET /v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/stream", NULL), 404);
}

static void stream__sends_a_long_past_in_pieces(void **state)
{
	struct api_task t = api_task_new();
	char data[3000];
	int fd;

	(void)state;
	snprintf(data, sizeof(data), "{\"step\":\"s\",\"reason\":\"%02500d\"}", 1);
	for (int i = 0; i < 200; i++)
		api_event(t, EVENT_STEP_SKIPPED, data);
	api_move(t, TASK_CANCELLED, NULL);
	begin();
	fd = stream(t, "");
	more(fd, NULL);
	assert_int_equal(rig_count(unchunked(), "event: step.skipped\n"), 200);
	assert_int_equal(rig_count(unchunked(), "event: end\n"), 1);
	close(fd);
}

static void stream__many_follow_one_task(void **state)
{
	enum { MANY = 20 };
	struct api_task t = api_task_new();
	int fds[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		begin();
		fds[i] = stream(t, i % 2 ? "?after=1" : "");
		more(fds[i], i % 2 ? ":\n\n" : "task.created");
	}
	api_move(t, TASK_PLANNING, NULL);
	api_move(t, TASK_COMPLETED, NULL);
	for (int i = 0; i < MANY; i++) {
		begin();
		more(fds[i], NULL);
		assert_int_equal(rig_count(buf_cstr(&rig.got), "\nid: 2\n"), 1);
		assert_int_equal(rig_count(buf_cstr(&rig.got), "id: 3\n"), 1);
		assert_int_equal(rig_count(buf_cstr(&rig.got), "event: end\n"), 1);
		close(fds[i]);
	}
	api_until_connections(0);
}

static void stream__gives_live_events_behind_what_is_numbered(void **state)
{
	struct api_task t = api_task_new();
	const char *text;
	int fd;

	(void)state;
	begin();
	fd = stream(t, "");
	more(fd, "task.created");
	api_move(t, TASK_PLANNING, NULL);
	live(t, "{\"text\":\"one\"}");
	live(t, "{\"text\":\"two\"}");
	more(fd, "two");
	text = unchunked();
	assert_true(strstr(text, "id: 2\n") <
		    strstr(text, "event: model.delta\ndata: {\"text\":\"one\"}\n\n"));
	assert_true(strstr(text, "one") < strstr(text, "two"));
	close(fd);
}

static void stream__a_slow_reader_loses_live_events_only(void **state)
{
	struct api_task t = api_task_new();
	char data[3000];
	int fd;

	(void)state;
	snprintf(data, sizeof(data), "{\"step\":\"s\",\"reason\":\"%02500d\"}", 1);
	begin();
	fd = stream(t, "");
	more(fd, "task.created");
	for (int i = 0; i < 1200; i++) {
		api_event(t, EVENT_STEP_SKIPPED, data);
		if (i % 100 == 0)
			rig_turns(3);
	}
	live(t, "{\"text\":\"unseen\"}");
	rig_turns(5);
	assert_true(TAILQ_FIRST(&api.http->conns->all)->out.len < HTTP_OUT_LOW + 20000);
	api_move(t, TASK_CANCELLED, NULL);
	more(fd, NULL);
	assert_int_equal(rig_count(buf_cstr(&rig.got), "event: step.skipped\n"), 1200);
	assert_null(strstr(buf_cstr(&rig.got), "unseen"));
	assert_non_null(strstr(buf_cstr(&rig.got), "event: end\n"));
	close(fd);
}

static void stream__beats_while_it_is_quiet(void **state)
{
	struct api_task t = api_task_new();
	int fd;

	(void)state;
	begin();
	fd = stream(t, "");
	more(fd, "task.created");
	begin();
	rig_time_pass(14999);
	rig_take(fd);
	assert_int_equal(rig.got.len, 0);
	rig_time_pass(1);
	more(fd, "3\r\n:\n\n\r\n");
	begin();
	rig_time_pass(15000);
	more(fd, ":\n\n");
	rig_reset(fd);
	api_until_connections(0);
}

static void stream__is_reset_when_the_server_drains(void **state)
{
	struct api_task t = api_task_new();
	int fd;

	(void)state;
	begin();
	fd = stream(t, "");
	more(fd, "task.created");
	http_drain(api.http, 1000, NULL, NULL);
	more(fd, NULL);
	assert_true(rig.got_reset);
	assert_null(strstr(buf_cstr(&rig.got), "event: end"));
	close(fd);
}

static int start_small(void **state)
{
	(void)state;
	return api_start_sized(16);
}

/* The reader is behind when its task is finished and dropped. */
static void stream__is_reset_when_its_task_is_dropped(void **state)
{
	struct api_task t = api_task_new();
	char data[3000];
	int fd;

	(void)state;
	snprintf(data, sizeof(data), "{\"step\":\"s\",\"reason\":\"%02500d\"}", 1);
	for (int i = 0; i < 1200; i++)
		api_event(t, EVENT_STEP_SKIPPED, data);
	begin();
	fd = stream(t, "");
	rig_turns(5);
	api_move(t, TASK_CANCELLED, NULL);
	for (int i = 0; i < 16; i++)
		assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"x\"}"), 202);
	begin();
	more(fd, NULL);
	assert_true(rig.got_reset);
	assert_null(strstr(buf_cstr(&rig.got), "event: end"));
	close(fd);
	api_until_connections(0);
}

static void stream__head_has_no_body(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_client();

	(void)state;
	begin();
	api_send(fd, api_line("HEAD", t, "/stream"), NULL);
	more(fd, NULL);
	assert_string_equal(api_header("Content-Type"), "text/event-stream");
	assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n"), "\r\n\r\n");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(stream__sends_its_first_byte_and_all_events_at_once),
		API_TEST(stream__follows_to_a_clean_end),
		API_TEST(stream__resumes_after_the_event_that_was_seen),
		API_TEST(stream__refuses_places_that_are_none),
		API_TEST(stream__sends_a_long_past_in_pieces),
		API_TEST(stream__many_follow_one_task),
		API_TEST(stream__gives_live_events_behind_what_is_numbered),
		API_TEST(stream__a_slow_reader_loses_live_events_only),
		API_TEST(stream__beats_while_it_is_quiet),
		API_TEST(stream__is_reset_when_the_server_drains),
		cmocka_unit_test_setup_teardown(stream__is_reset_when_its_task_is_dropped, start_small,
						api_stop),
		API_TEST(stream__head_has_no_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
