/* SPDX-License-Identifier: Apache-2.0 */
/* Accepted means durable: when answers to changes are sent, and what is said when a change cannot be stored.
 */
#include "api_rig.h"
#include "http/api_int.h"

#define CREATE "POST /v1/tasks\r\nContent-Type: application/json"
#define KEYED  CREATE "\r\nIdempotency-Key: k1"
#define PROMPT "{\"prompt\":\"x\"}"

static void hold__waits_for_the_commit(void **state)
{
	int fd = api_begin(CREATE, PROMPT);
	struct api_task t;

	(void)state;
	assert_true(api_silent(fd));
	kept_commit();
	assert_int_equal(api_read(fd), 202);
	t = api_task_of(api_text("/id"));
	assert_string_equal(api_header("ETag"), "\"1\"");
	fd = api_begin(api_line("POST", t, "/cancel"), NULL);
	assert_true(api_silent(fd));
	/* Meanwhile what is durable is shown. */
	assert_int_equal(api_read(api_begin(api_line("GET", t, ""), NULL)), 200);
	assert_string_equal(api_text("/status"), "queued");
	assert_string_equal(api_header("ETag"), "\"1\"");
	kept_commit();
	assert_int_equal(api_read(fd), 200);
	assert_string_equal(api_text("/status"), "cancelled");
	assert_string_equal(api_header("ETag"), "\"2\"");
}

static void hold__needs_no_follower_when_it_is_durable(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	assert_int_equal(kept.asked, 0);
	assert_int_equal(api_ask(api_line("POST", t, "/cancel"), NULL), 200);
	assert_string_equal(api_text("/status"), "cancelled");
}

/* What the answer shows is what was there right after the change, or newer; it is durable when it is shown.
 */
static void hold__shows_what_was_made(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_begin(api_line("POST", t, "/cancel"), NULL);

	(void)state;
	kept_commit();
	assert_int_equal(api_read(fd), 200);
	assert_int_equal(json_get_integer(api.body, "last_seq", 0), 2);
}

static void hold__says_when_the_disk_is_full(void **state)
{
	int fd = api_begin(CREATE, PROMPT), keyed = api_begin(KEYED, PROMPT);

	(void)state;
	assert_true(api_silent(fd));
	store_health_set(kept.store, STORE_NO_SPACE, "no space left on device");
	assert_int_equal(api_read(fd), 507);
	assert_string_equal(api_text("/type"), "/problems/no-space");
	assert_non_null(strstr(api_text("/detail"), "kept in memory and is stored when there is room again"));
	assert_non_null(strstr(api_text("/detail"), "no space left on device"));
	assert_non_null(strstr(api_text("/detail"), "look at the task"));
	assert_int_equal(api_read(keyed), 507);
	assert_non_null(strstr(api_text("/detail"), "repeat the request with the same Idempotency-Key"));
	/* Nothing new is begun. */
	fd = api_begin(CREATE, PROMPT);
	assert_int_equal(api_read(fd), 507);
	assert_non_null(strstr(api_text("/detail"), "nothing new is taken"));
	/* It recovers, and what was said is true. */
	store_health_set(kept.store, STORE_WORKS, "");
	kept_commit();
	fd = api_begin(KEYED, PROMPT);
	assert_int_equal(api_read(fd), 202);
	assert_string_equal(api_header("Idempotency-Replayed"), "true");
	assert_int_equal(kept.tasks_count, 2);
}

static void hold__says_when_the_store_has_failed(void **state)
{
	struct api_task t = api_task_new();
	int fd = api_begin(api_line("POST", t, "/cancel"), NULL);

	(void)state;
	assert_true(api_silent(fd));
	store_health_set(kept.store, STORE_BROKEN, "input/output error");
	assert_int_equal(api_read(fd), 503);
	assert_string_equal(api_header("Retry-After"), "1");
	assert_non_null(strstr(api_text("/detail"), "input/output error"));
	fd = api_begin(CREATE, PROMPT);
	assert_int_equal(api_read(fd), 503);
	/* Reads of what was durable go on. */
	fd = api_begin(api_line("GET", t, ""), NULL);
	assert_int_equal(api_read(fd), 200);
	assert_string_equal(api_text("/status"), "queued");
}

static void hold__gives_up_in_time(void **state)
{
	int fd = api_begin(CREATE, PROMPT), later;

	(void)state;
	rig_time_pass(5000);
	later = api_begin(CREATE, PROMPT);
	rig_time_pass(4999);
	assert_true(api_silent(fd));
	rig_time_pass(1);
	assert_int_equal(api_read(fd), 503);
	assert_string_equal(api_header("Retry-After"), "1");
	assert_non_null(strstr(api_text("/detail"), "10000 ms (store.ack_seconds)"));
	assert_true(api_silent(later));
	rig_time_pass(5000);
	assert_int_equal(api_read(later), 503);
}

static void hold__forgets_a_client_that_left(void **state)
{
	int fd = api_begin(CREATE, PROMPT);

	(void)state;
	rig_reset(fd);
	api_until_connections(0);
	kept_commit();
	rig_turns(5);
	assert_int_equal(kept.tasks_count, 1);
}

static void hold__is_answered_while_the_server_drains(void **state)
{
	int fd = api_begin(CREATE, PROMPT);

	(void)state;
	http_drain(api.http, 1000, NULL, NULL);
	assert_true(api_silent(fd));
	kept_commit();
	assert_int_equal(api_read(fd), 202);
	assert_string_equal(api_header("Connection"), "close");
}

static void hold__nothing_is_taken_before_the_tasks_are_restored(void **state)
{
	int fd;

	(void)state;
	store_health_set(kept.store, STORE_STARTING, "");
	fd = api_begin(CREATE, PROMPT);
	assert_int_equal(api_read(fd), 503);
	assert_non_null(strstr(api_text("/detail"), "starting"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEPT_TEST(hold__waits_for_the_commit),
		API_TEST(hold__needs_no_follower_when_it_is_durable),
		KEPT_TEST(hold__shows_what_was_made),
		KEPT_TEST(hold__says_when_the_disk_is_full),
		KEPT_TEST(hold__says_when_the_store_has_failed),
		KEPT_TEST(hold__gives_up_in_time),
		KEPT_TEST(hold__forgets_a_client_that_left),
		KEPT_TEST(hold__is_answered_while_the_server_drains),
		KEPT_TEST(hold__nothing_is_taken_before_the_tasks_are_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
