/* SPDX-License-Identifier: Apache-2.0 */
/* POSTs with an Idempotency-Key: once, and the same answer each time, whoever meets the key and whoever died.
 */
#include "api_rig.h"
#include "http/api_int.h"

#define PROMPT "{\"prompt\":\"x\"}"

static const char *line_of(const char *path, const char *key)
{
	static char head[300];

	snprintf(head, sizeof(head), "POST %s\r\nContent-Type: application/json\r\nIdempotency-Key: %s", path,
		 key);
	return head;
}

static int post(const char *path, const char *key, const char *body)
{
	return api_ask(line_of(path, key), body);
}

static int act(struct api_task t, const char *verb, const char *key, const char *body)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", t.path, verb);
	return post(path, key, body);
}

/* As the server makes it. */
static struct request_key key_of(const char *path, const char *key, const char *body)
{
	struct request_key k;
	struct buf text = BUF_INIT;
	uint8_t digest[SHA256_BYTES];

	buf_add(&text, "POST", 5);
	buf_add(&text, path, strlen(path) + 1);
	buf_add_str(&text, key);
	sha256_bytes(text.data, text.len, digest);
	memcpy(k.key, digest, REQUEST_DIGEST);
	sha256_bytes(body, strlen(body), digest);
	memcpy(k.body, digest, REQUEST_DIGEST);
	buf_release(&text);
	return k;
}

/* The body of the last answer; the caller frees it. */
static char *body_copy(void)
{
	return xstrdup(strstr(buf_cstr(&rig.got), "\r\n\r\n") + 4);
}

static size_t tasks_count(void)
{
	struct task_ref refs[64];

	return task_list(api.other, &(struct task_query){.limit = 64}, refs);
}

/* Another worker claims the key, and perhaps carries its request out. */
static void other_claims(const struct request_key *k)
{
	enum request_status status;
	struct request_place place;
	struct error e;

	assert_int_equal(request_key_claim(api.other, k, &status, &place, &e), ERR_NONE);
	assert_int_equal(status, REQUEST_NEW);
}

/* Makes the task that this key asks for. */
static struct request_place other_creates(const struct request_key *k, bool begin)
{
	struct request_place place = {.at_ms = 1};
	char hex[REQUEST_HEX_SIZE], id[ID_TEXT_SIZE], data[300];
	struct task_ref ref;
	struct error e;

	id_new(&place.task);
	id_format(&place.task, id);
	request_key_hex(k, hex);
	snprintf(data, sizeof(data),
		 "{\"task_id\":\"%s\",\"prompt\":\"x\",\"approval\":\"auto\",\"metadata\":{},\"request\":\"%"
		 "s\"}",
		 id, hex);
	if (begin)
		request_key_begin(api.other, k, &place);
	assert_int_equal(task_create(api.other, &place.task, slice_str(data), &ref, &e), ERR_NONE);
	return place;
}

static void post__repeats_the_first_answer(void **state)
{
	char location[300], *body;
	struct api_task t;

	(void)state;
	assert_int_equal(post("/v1/tasks", "k1", PROMPT), 202);
	assert_string_equal(api_header("Idempotency-Replayed"), "");
	body = body_copy();
	snprintf(location, sizeof(location), "%s", api_header("Location"));
	t = api_task_of(api_text("/id"));
	api_move(t, TASK_PLANNING, NULL);
	api_move(t, TASK_CANCELLED, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(post("/v1/tasks", i ? "\"k1\"" : "k1", PROMPT), 202);
		assert_string_equal(api_header("Idempotency-Replayed"), "true");
		assert_string_equal(api_header("ETag"), "\"1\"");
		assert_string_equal(api_header("Location"), location);
		assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n") + 4, body);
	}
	assert_int_equal(tasks_count(), 1);
	assert_int_equal(post("/v1/tasks", "k2", PROMPT), 202);
	assert_int_equal(tasks_count(), 2);
	free(body);
}

static void post__acts_once(void **state)
{
	struct api_task t = api_task_new();
	char *body;

	(void)state;
	api_plan(t, "abc", 1);
	assert_int_equal(act(t, "approve", "k1", "{}"), 200);
	assert_string_equal(api_header("ETag"), "\"6\"");
	body = body_copy();
	api_move(t, TASK_COMPLETED, NULL);
	assert_int_equal(act(t, "approve", "k1", "{}"), 200);
	assert_string_equal(api_header("Idempotency-Replayed"), "true");
	assert_string_equal(api_header("ETag"), "\"6\"");
	assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n") + 4, body);
	free(body);
	/* A key belongs to its operation. */
	assert_int_equal(act(t, "cancel", "k1", "{}"), 409);
	assert_string_equal(api_text("/type"), "/problems/conflict");
}

static void post__refuses_another_body(void **state)
{
	(void)state;
	assert_int_equal(post("/v1/tasks", "k1", PROMPT), 202);
	assert_int_equal(post("/v1/tasks", "k1", "{\"prompt\":\"y\"}"), 409);
	assert_string_equal(api_text("/type"), "/problems/idempotency-conflict");
	assert_string_equal(api_text("/field"), "Idempotency-Key");
	assert_int_equal(tasks_count(), 1);
}

static void post__remembers_no_refused_request(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	assert_int_equal(post("/v1/tasks", "k1", "{\"prompt\":\"\"}"), 400);
	assert_int_equal(post("/v1/tasks", "k1", PROMPT), 202);
	assert_int_equal(act(t, "approve", "k1", "{}"), 409);
	api_plan(t, "abc", 1);
	assert_int_equal(act(t, "approve", "k1", "{}"), 200);
	assert_string_equal(api_header("Idempotency-Replayed"), "");
	assert_int_equal(post("/v1/tasks", "\"k", PROMPT), 400);
	assert_int_equal(post("/v1/tasks", "a\r\nIdempotency-Key: b", PROMPT), 400);
	assert_string_equal(api_text("/field"), "Idempotency-Key");
}

static void post__many_at_once_are_one(void **state)
{
	enum { MANY = 30 };
	int fds[MANY];
	char *body = NULL;

	(void)state;
	for (int i = 0; i < MANY; i++)
		fds[i] = api_begin(line_of("/v1/tasks", "k1"), PROMPT);
	kept_commit();
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(api_read(fds[i]), 202);
		if (!body)
			body = body_copy();
		assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n") + 4, body);
	}
	free(body);
	assert_int_equal(tasks_count(), 1);
}

static void post__waits_for_the_one_that_is_under_way(void **state)
{
	struct request_key k = key_of("/v1/tasks", "k1", PROMPT);
	struct request_place place;
	char id[ID_TEXT_SIZE];
	int fd;

	(void)state;
	other_claims(&k);
	fd = api_begin(line_of("/v1/tasks", "k1"), PROMPT);
	assert_true(api_silent(fd));
	place = other_creates(&k, true);
	request_key_settle(api.other, &k, &place, false);
	assert_int_equal(api_read(fd), 202);
	id_format(&place.task, id);
	assert_string_equal(api_text("/id"), id);
	assert_string_equal(api_header("Idempotency-Replayed"), "true");
}

static void post__carries_out_what_another_gave_up(void **state)
{
	struct request_key k = key_of("/v1/tasks", "k1", PROMPT);
	int fd, second;

	(void)state;
	other_claims(&k);
	fd = api_begin(line_of("/v1/tasks", "k1"), PROMPT);
	second = api_begin(line_of("/v1/tasks", "k1"), PROMPT);
	assert_true(api_silent(fd));
	request_key_drop(api.other, &k);
	assert_int_equal(api_read(fd), 202);
	assert_int_equal(api_read(second), 202);
	assert_int_equal(tasks_count(), 1);
}

static void post__does_not_wait_for_ever(void **state)
{
	struct request_key k = key_of("/v1/tasks", "k1", PROMPT);
	int fd, left;

	(void)state;
	other_claims(&k);
	fd = api_begin(line_of("/v1/tasks", "k1"), PROMPT);
	left = api_begin(line_of("/v1/tasks", "k1"), PROMPT);
	rig_reset(left);
	api_until_connections(1);
	rig_time_pass(10000);
	assert_int_equal(api_read(fd), 503);
	assert_non_null(strstr(api_text("/detail"), "another request with this key"));
	assert_int_equal(tasks_count(), 0);
}

static void post__finds_what_a_dead_worker_made(void **state)
{
	struct request_key k = key_of("/v1/tasks", "k1", PROMPT);
	struct request_place place;
	char id[ID_TEXT_SIZE];

	(void)state;
	other_claims(&k);
	place = other_creates(&k, true);
	store_proc_died(api.created, 1);
	assert_int_equal(post("/v1/tasks", "k1", PROMPT), 202);
	id_format(&place.task, id);
	assert_string_equal(api_text("/id"), id);
	assert_int_equal(tasks_count(), 1);
}

static void post__carries_out_what_a_dead_worker_had_only_begun(void **state)
{
	struct request_key k = key_of("/v1/tasks", "k1", PROMPT);
	struct request_place place = {.at_ms = 1};

	(void)state;
	other_claims(&k);
	id_new(&place.task);
	request_key_begin(api.other, &k, &place);
	store_proc_died(api.created, 1);
	assert_int_equal(post("/v1/tasks", "k1", PROMPT), 202);
	assert_string_equal(api_header("Idempotency-Replayed"), "");
	assert_int_equal(post("/v1/tasks", "k1", PROMPT), 202);
	assert_string_equal(api_header("Idempotency-Replayed"), "true");
	assert_int_equal(tasks_count(), 1);
}

/* The task is there, the request took no effect on it. */
static void post__tells_other_changes_from_its_own(void **state)
{
	struct api_task t = api_task_new();
	struct request_place place = {.after_seq = 1};
	struct request_key k;
	char path[100];

	(void)state;
	snprintf(path, sizeof(path), "%s/cancel", t.path);
	k = key_of(path, "k1", "{}");
	assert_true(id_parse(t.id, strlen(t.id), &place.task));
	other_claims(&k);
	request_key_begin(api.other, &k, &place);
	api_move(t, TASK_PLANNING, "{\"request\":\"00000000000000000000000000000000\"}");
	if (kept.store)
		kept_commit();
	store_proc_died(api.created, 1);
	assert_int_equal(act(t, "cancel", "k1", "{}"), 200);
	assert_string_equal(api_text("/status"), "cancelled");
	assert_string_equal(api_header("ETag"), "\"3\"");
}

static void post__says_when_what_it_made_is_no_longer_kept(void **state)
{
	struct error e;
	struct id id;

	(void)state;
	assert_int_equal(post("/v1/tasks", "k1", PROMPT), 202);
	assert_true(id_parse(api_text("/id"), 36, &id));
	api_move(api_task_of(api_text("/id")), TASK_CANCELLED, NULL);
	assert_int_equal(task_forget(api.other, &id, &e), ERR_NONE);
	assert_int_equal(post("/v1/tasks", "k1", PROMPT), 410);
	assert_string_equal(api_text("/field"), "Idempotency-Key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(post__repeats_the_first_answer),
		API_TEST(post__acts_once),
		KEPT_TEST(post__acts_once),
		API_TEST(post__refuses_another_body),
		KEPT_TEST(post__refuses_another_body),
		API_TEST(post__remembers_no_refused_request),
		KEPT_TEST(post__remembers_no_refused_request),
		KEPT_TEST(post__many_at_once_are_one),
		API_TEST(post__waits_for_the_one_that_is_under_way),
		API_TEST(post__carries_out_what_another_gave_up),
		API_TEST(post__does_not_wait_for_ever),
		API_TEST(post__finds_what_a_dead_worker_made),
		KEPT_TEST(post__finds_what_a_dead_worker_made),
		KEPT_TEST(post__carries_out_what_a_dead_worker_had_only_begun),
		API_TEST(post__tells_other_changes_from_its_own),
		KEPT_TEST(post__tells_other_changes_from_its_own),
		API_TEST(post__says_when_what_it_made_is_no_longer_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
