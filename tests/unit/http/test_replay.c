/* SPDX-License-Identifier: Apache-2.0 */
/* Repeated requests whose key or task is only in the archive: after a restart, after the task has made room.
 */
#include "api_rig.h"
#include "http/api_int.h"

#define PROMPT "{\"prompt\":\"x\"}"
#define KEYED  "POST /v1/tasks\r\nContent-Type: application/json\r\nIdempotency-Key: "

/* As after a restart: the archive has key k1 and its task, the mapping has neither. */
static struct id archive_knows(const char *id, const char *body)
{
	struct kept_task *t = &kept.tasks[kept.tasks_count++];
	struct request_unsaved *key = &kept.keys[kept.keys_count++];
	uint8_t digest[SHA256_BYTES];
	char hex[REQUEST_HEX_SIZE];
	struct error e;

	sha256_bytes("POST\0/v1/tasks\0k1", 17, digest);
	memcpy(key->key.key, digest, REQUEST_DIGEST);
	sha256_bytes(body, strlen(body), digest);
	memcpy(key->key.body, digest, REQUEST_DIGEST);
	request_key_hex(&key->key, hex);
	assert_true(id_parse(id, strlen(id), &t->id));
	key->place = (struct request_place){.task = t->id, .at_ms = 1};
	t->state = TASK_CANCELLED;
	t->last_seq = 2;
	buf_printf(&t->sse,
		   "id: 1\nevent: task.created\ndata: "
		   "{\"seq\":1,\"at\":\"2026-11-23T03:24:41.123Z\",\"task_id\":"
		   "\"%s\",\"prompt\":\"x\",\"approval\":\"auto\",\"metadata\":{},\"request\":\"%s\"}\n\n"
		   "id: 2\nevent: task.state\ndata: {\"seq\":2,\"at\":\"2026-11-23T03:24:42.123Z\",\"from\":"
		   "\"queued\",\"to\":\"cancelled\"}\n\n",
		   id, hex);
	assert_int_equal(task_fold(buf_slice(&t->sse), &t->doc, &e), ERR_NONE);
	return t->id;
}

static const char id_text[] = "0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f";

static void replay__gives_the_first_answer_after_a_restart(void **state)
{
	(void)state;
	archive_knows(id_text, PROMPT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(api_ask(KEYED "k1", PROMPT), 202);
		assert_string_equal(api_text("/id"), id_text);
		assert_string_equal(api_text("/status"), "queued");
		assert_string_equal(api_header("ETag"), "\"1\"");
		assert_string_equal(api_header("Idempotency-Replayed"), "true");
	}
	assert_int_equal(kept.tasks_count, 1);
}

static void replay__refuses_another_body_after_a_restart(void **state)
{
	(void)state;
	archive_knows(id_text, "{\"prompt\":\"another\"}");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(api_ask(KEYED "k1", PROMPT), 409);
		assert_string_equal(api_text("/type"), "/problems/idempotency-conflict");
	}
	assert_int_equal(api_ask(KEYED "k1", "{\"prompt\":\"another\"}"), 202);
	assert_string_equal(api_text("/id"), id_text);
}

/* Nothing is begun while it cannot be told whether it was done before. */
static void replay__does_nothing_when_the_archive_is_lost(void **state)
{
	(void)state;
	kept.lost = true;
	assert_int_equal(api_ask(KEYED "k1", PROMPT), 503);
	assert_non_null(strstr(api_text("/detail"), "cannot be told whether this Idempotency-Key was used"));
	assert_int_equal(kept.tasks_count, 0);
	kept.lost = false;
	assert_int_equal(api_ask(KEYED "k1", PROMPT), 202);
	assert_int_equal(kept.tasks_count, 1);
}

static void replay__a_key_is_free_again_when_its_client_left_early(void **state)
{
	int fd;

	(void)state;
	kept.held = true;
	fd = api_begin(KEYED "k1", PROMPT);
	assert_int_equal(kept.pending, 1);
	rig_reset(fd);
	api_until_connections(0);
	assert_int_equal(kept.cancelled, 1);
	kept.held = false;
	assert_int_equal(api_ask(KEYED "k1", PROMPT), 202);
	assert_string_equal(api_header("Idempotency-Replayed"), "");
}

/* Key in the table, task in the archive. */
static void replay__reads_a_task_that_has_made_room(void **state)
{
	struct api_task t;
	struct error e;
	struct id id;

	(void)state;
	assert_int_equal(api_ask(KEYED "k1", PROMPT), 202);
	t = api_task_of(api_text("/id"));
	api_move(t, TASK_CANCELLED, NULL);
	kept_commit();
	assert_true(id_parse(t.id, strlen(t.id), &id));
	assert_int_equal(task_forget(api.other, &id, &e), ERR_NONE);
	assert_int_equal(api_ask(KEYED "k1", PROMPT), 202);
	assert_string_equal(api_text("/id"), t.id);
	assert_string_equal(api_header("ETag"), "\"1\"");
	assert_true(kept.asked > 1);
}

/* Restored: in the table without its events. */
static void replay__reads_the_events_of_a_restored_task(void **state)
{
	char location[100];

	(void)state;
	archive_knows(id_text, PROMPT);
	kept_restore(&kept.tasks[0]);
	assert_int_equal(api_ask(KEYED "k1", PROMPT), 202);
	assert_string_equal(api_text("/status"), "queued");
	snprintf(location, sizeof(location), "/v1/tasks/%s", id_text);
	assert_string_equal(api_header("Location"), location);
}

/* Whoever wants to change an old task hears that it is over, not that it never was. */
static void post__knows_old_tasks(void **state)
{
	char head[200];

	(void)state;
	archive_knows(id_text, PROMPT);
	snprintf(head, sizeof(head), "POST /v1/tasks/%s/cancel", id_text);
	assert_int_equal(api_ask(head, NULL), 409);
	assert_non_null(strstr(api_text("/detail"), "cancelled already"));
	assert_int_equal(api_ask("POST /v1/tasks/0193a5c2-7b1e-7c3d-8f00-000000000000/cancel", NULL), 404);
	assert_non_null(strstr(api_text("/detail"), "store.retention_days"));
	assert_int_equal(api_ask("POST /v1/tasks/x/cancel", NULL), 404);
	assert_non_null(strstr(api_text("/detail"), "no task id"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEPT_TEST(replay__gives_the_first_answer_after_a_restart),
		KEPT_TEST(replay__refuses_another_body_after_a_restart),
		KEPT_TEST(replay__does_nothing_when_the_archive_is_lost),
		KEPT_TEST(replay__a_key_is_free_again_when_its_client_left_early),
		KEPT_TEST(replay__reads_a_task_that_has_made_room),
		KEPT_TEST(replay__reads_the_events_of_a_restored_task),
		KEPT_TEST(post__knows_old_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
