/* SPDX-License-Identifier: Apache-2.0 */
/* Streams with a keeper: only what is durable, old events from the archive, no gap and no repetition between.
 */
#include "sse_rig.h"

static const char skipped[] = "{\"step\":\"a\",\"reason\":\"b\"}";

/* Its numbered events are exactly from..to, in order. */
static void assert_ids(const char *text, int from, int to)
{
	for (; (text = strstr(text, "id: ")) != NULL; text += 4) {
		if (text[-1] == '\n')
			assert_int_equal(atoi(text + 4), from++);
	}
	assert_int_equal(from, to + 1);
}

static struct id id_of(struct api_task t)
{
	struct id id;

	assert_true(id_parse(t.id, strlen(t.id), &id));
	return id;
}

static void forget(struct api_task t)
{
	struct id id = id_of(t);
	struct error e;

	assert_int_equal(task_forget(api.other, &id, &e), ERR_NONE);
}

static const char old_id[] = "0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f";

/* A task of 40 events that only the archive has. */
static struct api_task task_old(enum task_state state)
{
	struct api_task t = {0};

	kept_put(old_id, state, 40);
	snprintf(t.id, sizeof(t.id), "%s", old_id);
	snprintf(t.path, sizeof(t.path), "/v1/tasks/%s", old_id);
	return t;
}

/* The same in the table, without its events. */
static struct api_task task_restored(void)
{
	struct api_task t = task_old(TASK_PLANNING);

	kept_restore(&kept.tasks[kept.tasks_count - 1]);
	return api_task_of(t.id);
}

static void stream__shows_what_is_durable(void **state)
{
	struct api_task t = api_task_new();
	int fd;

	(void)state;
	begin();
	fd = stream(t, "");
	more(fd, "task.created");
	api_move(t, TASK_PLANNING, NULL);
	rig_turns(5);
	rig_take(fd);
	assert_null(strstr(buf_cstr(&rig.got), "planning"));
	/* What is only live is ahead of the disk. */
	live(t, "{\"text\":\"early\"}");
	more(fd, "early");
	assert_ids(unchunked(), 1, 1);
	kept_commit();
	more(fd, "planning");
	api_move(t, TASK_CANCELLED, NULL);
	rig_turns(5);
	rig_take(fd);
	assert_null(strstr(buf_cstr(&rig.got), "event: end"));
	kept_commit();
	more(fd, NULL);
	assert_true(rig.got_end);
	assert_ids(unchunked(), 1, 3);
	assert_non_null(strstr(unchunked(), "event: end\ndata: {\"status\":\"cancelled\"}"));
	close(fd);
	assert_int_equal(kept.asked, 0);
}

static void stream__begins_at_no_event_that_is_not_durable(void **state)
{
	struct api_task t = api_task_new();
	int fd;

	(void)state;
	api_move(t, TASK_PLANNING, NULL);
	fd = stream(t, "?after=2");
	assert_int_equal(api_read(fd), 400);
	assert_non_null(strstr(api_text("/detail"), "last event is 1"));
	kept_commit();
	begin();
	fd = stream(t, "?after=2");
	more(fd, ":\n\n");
	assert_non_null(strstr(buf_cstr(&rig.got), "200 OK"));
	rig_reset(fd);
	api_until_connections(0);
}

/* Accepted by nobody yet: it is not there. */
static void stream__knows_no_task_that_is_not_durable(void **state)
{
	int fd = api_begin("POST /v1/tasks\r\nContent-Type: application/json", "{\"prompt\":\"x\"}"), other;
	struct task_query q = {.limit = 1};
	struct task_ref ref;
	struct task_head head;
	struct api_task t = {0};

	(void)state;
	/* The list shows what is durable, so the id is looked for in what the keeper would take. */
	assert_int_equal(task_list(api.other, &q, &ref), 0);
	ref = (struct task_ref){0};
	for (ref.gen = 0; task_head_get(api.other, ref, &head) != ERR_NONE; ref.gen++)
		assert_true(ref.gen < 100);
	id_format(&head.id, t.id);
	snprintf(t.path, sizeof(t.path), "/v1/tasks/%s", t.id);
	other = stream(t, "");
	assert_int_equal(api_read(other), 404);
	other = api_begin(api_line("GET", t, ""), NULL);
	assert_int_equal(api_read(other), 404);
	kept_commit();
	assert_int_equal(api_read(fd), 202);
}

static void stream__reads_an_old_task_from_the_archive(void **state)
{
	static const int places[] = {0, 1, 17, 39, 40};
	struct api_task t = task_old(TASK_CANCELLED);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		char after[40];
		int fd;

		snprintf(after, sizeof(after), i % 2 ? "?after=%d" : "\r\nLast-Event-ID: %d", places[i]);
		begin();
		fd = stream(t, after);
		more(fd, NULL);
		assert_true(rig.got_end);
		assert_true(strncmp(unchunked(), ":\n\n", 3) == 0);
		assert_ids(unchunked() + 3, places[i] + 1, 40);
		assert_int_equal(rig_count(unchunked(), "event: end\n"), 1);
		close(fd);
		api_until_connections(0);
	}
	assert_int_equal(api_read(stream(t, "?after=41")), 400);
	assert_non_null(strstr(api_text("/detail"), "last event is 40"));
	begin();
	assert_int_equal(api_ask(api_line("HEAD", t, "/stream"), NULL), 200);
	assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n"), "\r\n\r\n");
}

static void stream__goes_over_from_archive_to_table(void **state)
{
	struct api_task t = task_restored();
	int fd, late;

	(void)state;
	begin();
	fd = stream(t, "");
	more(fd, "id: 40\n");
	api_event(t, EVENT_STEP_SKIPPED, skipped);
	kept_commit();
	more(fd, "id: 41\n");
	live(t, "{\"text\":\"live\"}");
	more(fd, "live");
	api_move(t, TASK_CANCELLED, NULL);
	kept_commit();
	more(fd, NULL);
	assert_true(rig.got_end);
	assert_ids(unchunked(), 1, 42);
	close(fd);
	api_until_connections(0);
	/* Half of what it asks for is in the table. */
	begin();
	late = stream(t, "?after=30");
	more(late, NULL);
	assert_ids(unchunked() + 3, 31, 42);
	assert_int_equal(rig_count(unchunked(), "event: end\n"), 1);
	close(late);
}

/* The reader is behind when its task leaves the table. */
static void stream__goes_on_when_its_task_makes_room(void **state)
{
	struct api_task t = api_task_new();
	char data[3000];
	int fd;

	(void)state;
	snprintf(data, sizeof(data), "{\"step\":\"s\",\"reason\":\"%02500d\"}", 1);
	for (int i = 0; i < 1200; i++)
		api_event(t, EVENT_STEP_SKIPPED, data);
	kept_commit();
	begin();
	fd = stream(t, "");
	rig_turns(5);
	api_move(t, TASK_CANCELLED, NULL);
	kept_commit();
	forget(t);
	more(fd, NULL);
	assert_true(rig.got_end);
	assert_true(kept.asked > 0);
	assert_ids(unchunked(), 1, 1202);
	assert_int_equal(rig_count(unchunked(), "event: end\n"), 1);
	close(fd);
}

static void stream__asks_for_one_piece_at_a_time(void **state)
{
	struct api_task t = task_old(TASK_CANCELLED);
	int fd;

	(void)state;
	kept.held = true;
	api.http->options.heartbeat_ms = 5000;
	begin();
	fd = stream(t, "");
	rig_turns(5);
	assert_int_equal(kept.asked, 1);
	kept_answer(NULL);
	more(fd, "id: 1\n");
	rig_turns(5);
	assert_int_equal(kept.asked, 2);
	/* Meanwhile it beats. */
	rig_time_pass(5000);
	more(fd, "3\r\n:\n\n\r\n");
	assert_int_equal(kept.asked, 2);
	rig_reset(fd);
	api_until_connections(0);
	assert_int_equal(kept.cancelled, 1);
}

static void stream__is_reset_when_the_archive_is_lost(void **state)
{
	struct api_task t = task_old(TASK_CANCELLED);
	int fd;

	(void)state;
	kept.held = true;
	begin();
	fd = stream(t, "");
	kept_answer(NULL);
	more(fd, "id: 1\n");
	rig_turns(5);
	kept.lost = true;
	kept_answer(NULL);
	more(fd, NULL);
	assert_true(rig.got_reset);
	assert_null(strstr(buf_cstr(&rig.got), "event: end"));
	close(fd);
	api_until_connections(0);
	kept.held = false;
	assert_int_equal(api_read(stream(t, "")), 503);
}

static void stream__from_the_archive_is_reset_when_the_server_drains(void **state)
{
	struct api_task t = task_old(TASK_CANCELLED);
	int fd, opening;

	(void)state;
	kept.held = true;
	begin();
	fd = stream(t, "");
	kept_answer(NULL);
	more(fd, "id: 1\n");
	opening = stream(t, "");
	rig_turns(5);
	http_drain(api.http, 1000, NULL, NULL);
	more(fd, NULL);
	assert_true(rig.got_reset);
	close(fd);
	api_until_connections(1);
	kept_answer(NULL);
	assert_int_equal(api_read(opening), 503);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEPT_TEST(stream__shows_what_is_durable),
		KEPT_TEST(stream__begins_at_no_event_that_is_not_durable),
		KEPT_TEST(stream__knows_no_task_that_is_not_durable),
		KEPT_TEST(stream__reads_an_old_task_from_the_archive),
		KEPT_TEST(stream__goes_over_from_archive_to_table),
		KEPT_TEST(stream__goes_on_when_its_task_makes_room),
		KEPT_TEST(stream__asks_for_one_piece_at_a_time),
		KEPT_TEST(stream__is_reset_when_the_archive_is_lost),
		KEPT_TEST(stream__from_the_archive_is_reset_when_the_server_drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
