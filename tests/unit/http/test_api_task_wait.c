/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/tasks/{id}?wait=: when it answers, and that it is forgotten when its client goes. */
#include "api_rig.h"

/* Nothing has come to fd. */
static void assert_waits(int fd)
{
	buf_reset(&rig.got);
	rig_turns(5);
	rig_take(fd);
	assert_int_equal(rig.got.len, 0);
	assert_false(rig.got_end);
}

static void answered(int fd, int status, const char *task_status)
{
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), status);
	assert_string_equal(api_text("/status"), task_status);
	close(fd);
}

static void task_wait__answers_when_the_state_changes(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_client();

	(void)state;
	api_send(fd, api_line("GET", t, "?wait=30s"), NULL);
	assert_waits(fd);
	api_event(t, EVENT_STEP_SKIPPED, "{\"step\":\"a\",\"reason\":\"b\"}");
	assert_waits(fd);
	api_move(t, TASK_PLANNING, NULL);
	answered(fd, 200, "planning");
}

static void task_wait__until_the_end_passes_over_states_that_work(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_client();

	(void)state;
	api_send(fd, api_line("GET", t, "?wait=30s&until=end"), NULL);
	assert_waits(fd);
	api_move(t, TASK_PLANNING, NULL);
	assert_waits(fd);
	api_move(t, TASK_AWAITING_APPROVAL, NULL);
	answered(fd, 200, "awaiting_approval");
	api_until_connections(0);
	assert_int_equal(api_ask(api_line("GET", t, "?wait=30s&until=end"), NULL), 200); /* at once */
	api_until_connections(0);
	fd = api_client();
	api_send(fd, api_line("GET", t, "?until=change&wait=30s"), NULL);
	assert_waits(fd);
	api_move(t, TASK_RUNNING, NULL);
	answered(fd, 200, "running");
	api_until_connections(0);
	fd = api_client();
	api_send(fd, api_line("GET", t, "?wait=30s&until=end"), NULL);
	assert_waits(fd);
	api_move(t, TASK_COMPLETED, NULL);
	answered(fd, 200, "completed");
}

static void task_wait__answers_when_the_time_is_over(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_client();

	(void)state;
	api_send(fd, api_line("GET", t, "?wait=500ms"), NULL);
	rig_time_pass(499);
	assert_waits(fd);
	rig_time_pass(1);
	answered(fd, 200, "queued");
}

static void task_wait__answers_at_once_when_the_task_is_over(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_move(t, TASK_CANCELLED, NULL);
	assert_int_equal(api_ask(api_line("GET", t, "?wait=30s"), NULL), 200);
	assert_string_equal(api_text("/status"), "cancelled");
}

/* Whoever says what it has seen misses nothing between two waits. */
static void task_wait__answers_at_once_what_the_client_has_not_seen(void **state)
{
	struct api_task t = api_task_new();
	int fd;

	(void)state;
	api_move(t, TASK_PLANNING, NULL);
	assert_int_equal(api_ask(api_line("GET", t, "?wait=30s\r\nIf-None-Match: \"1\""), NULL), 200);
	assert_string_equal(api_text("/status"), "planning");
	fd = api_client();
	api_send(fd, api_line("GET", t, "?wait=1s\r\nIf-None-Match: \"2\""), NULL);
	assert_waits(fd);
	rig_time_pass(1000);
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), 304);
	close(fd);
}

static void task_wait__is_forgotten_with_its_client(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_client();

	(void)state;
	api_send(fd, api_line("GET", t, "?wait=30s"), NULL);
	assert_waits(fd);
	rig_reset(fd);
	api_until_connections(0);
	api_move(t, TASK_PLANNING, NULL);
	rig_time_pass(30000);
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 200);
}

static void task_wait__many_are_answered_by_one_change(void **state)
{
	struct api_task t = api_task_new();
	int fds[10];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = api_client();
		api_send(fds[i], api_line("GET", t, "?wait=1m"), NULL);
	}
	api_move(t, TASK_PLANNING, NULL);
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		answered(fds[i], 200, "planning");
}

static void task_wait__goes_on_while_quiesced_and_ends_with_the_drain(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_client(), late = api_client();

	(void)state;
	api_send(fd, api_line("GET", t, "?wait=30s"), NULL);
	http_quiesce(api.http);
	assert_waits(fd);
	http_drain(api.http, 1000, NULL, NULL);
	answered(fd, 200, "queued");
	close(late);
}

/* The state it waits for must be durable. */
static void wait__sees_what_is_durable(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_begin(api_line("GET", t, "?wait=30s"), NULL);

	(void)state;
	assert_true(api_silent(fd));
	api_move(t, TASK_PLANNING, NULL);
	assert_true(api_silent(fd));
	kept_commit();
	assert_int_equal(api_read(fd), 200);
	assert_string_equal(api_text("/status"), "planning");
	fd = api_begin(api_line("GET", t, "?wait=30s\r\nIf-None-Match: \"2\""), NULL);
	assert_true(api_silent(fd));
	api_event(t, EVENT_STEP_SKIPPED, "{\"step\":\"a\",\"reason\":\"b\"}");
	kept_commit();
	assert_true(api_silent(fd));
	rig_time_pass(30000);
	assert_int_equal(api_read(fd), 200);
	assert_string_equal(api_header("ETag"), "\"3\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(task_wait__answers_when_the_state_changes),
		API_TEST(task_wait__until_the_end_passes_over_states_that_work),
		API_TEST(task_wait__answers_when_the_time_is_over),
		API_TEST(task_wait__answers_at_once_when_the_task_is_over),
		API_TEST(task_wait__answers_at_once_what_the_client_has_not_seen),
		API_TEST(task_wait__is_forgotten_with_its_client),
		API_TEST(task_wait__many_are_answered_by_one_change),
		API_TEST(task_wait__goes_on_while_quiesced_and_ends_with_the_drain),
		KEPT_TEST(wait__sees_what_is_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
