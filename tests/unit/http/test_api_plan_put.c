/* SPDX-License-Identifier: Apache-2.0 */
/* A person's plan takes the place of the one that waits. The rules of plans are the agent's: here a stand-in.
 */
#include "api_rig.h"

static int checks;

/* Takes what has no step "bad"; its digest is that of the goal's text. */
static enum err check(const struct json *given, const struct json *now, uint64_t version, struct buf *out,
		      struct error *e, void *arg)
{
	(void)arg;
	checks++;
	assert_true(json_is(now, JSON_OBJECT));
	if (strcmp(json_get_text(json_at(json_get(given, "steps"), 0), "id", ""), "bad") == 0)
		return err_set_field(e, ERR_FIELD, "/steps/0", "bad step");
	buf_printf(out,
		   "{\"version\":%llu,\"digest\":\"%s\",\"goal\":\"g\",\"steps\":[{\"id\":\"p1\",\"title\":"
		   "\"t\",\"objective\":\"o\"}]}",
		   (unsigned long long)version, json_get_text(given, "goal", ""));
	return ERR_NONE;
}

static int put(struct api_task t, const char *header, const char *body)
{
	char head[300];

	api.http->options.plans.check = check;
	snprintf(head, sizeof(head), "PUT %s/plan\r\nContent-Type: application/json%s", t.path, header);
	return api_ask(head, body);
}

static int act(struct api_task t, const char *verb, const char *body)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", t.path, verb);
	return api_post(path, body);
}

#define PLAN(digest) "{\"goal\":\"" digest "\",\"steps\":[{\"id\":\"p1\",\"objective\":\"o\"}]}"

static void put__makes_the_next_version(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_plan(t, "abc", 3);
	assert_int_equal(put(t, "\r\nIf-Match: \"abc\"", PLAN("new")), 200);
	assert_string_equal(api_text("/status"), "awaiting_approval");
	assert_string_equal(api_text("/plan/digest"), "new");
	assert_int_equal(json_get_integer(json_get(api.body, "plan"), "version", 0), 4);
	assert_string_equal(api_text("/plan/steps/0/id"), "p1");
	assert_int_equal(put(t, "\r\nIf-Match: \"abc\"", PLAN("newer")), 412);
	assert_non_null(strstr(api_text("/detail"), "its digest is new"));
	assert_int_equal(put(t, "\r\nIf-Match: *", PLAN("newer")), 200);
	assert_int_equal(act(t, "approve", "{\"plan_digest\":\"new\"}"), 409);
	assert_int_equal(act(t, "approve", "{\"plan_digest\":\"newer\"}"), 200);
	assert_int_equal(put(t, "\r\nIf-Match: *", PLAN("late")), 409);
}

static void put__needs_the_version_that_is_meant(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_plan(t, "abc", 1);
	checks = 0;
	assert_int_equal(put(t, "", PLAN("x")), 428);
	assert_string_equal(api_text("/field"), "If-Match");
	assert_int_equal(put(t, "\r\nIf-Match: abc", PLAN("x")), 400);
	assert_int_equal(put(t, "\r\nIf-Match: \"\"", PLAN("x")), 400);
	assert_int_equal(put(t, "\r\nIf-Match: \"abd\"", PLAN("x")), 412);
	assert_int_equal(checks, 0);
}

static void put__refuses_bad_plans(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_plan(t, "abc", 1);
	assert_int_equal(put(t, "\r\nIf-Match: *", "{\"steps\":[{\"id\":\"bad\"}]}"), 400);
	assert_string_equal(api_text("/field"), "/steps/0");
	assert_int_equal(put(t, "\r\nIf-Match: *", "{\"steps\":[],\"stepz\":1}"), 400);
	assert_string_equal(api_text("/field"), "/stepz");
	assert_int_equal(put(t, "\r\nIf-Match: *", "[]"), 400);
	assert_int_equal(api_ask(api_line("GET", t, ""), NULL), 200);
	assert_string_equal(api_text("/plan/digest"), "abc");
}

static void put__is_done_once_with_a_key(void **state)
{
	struct api_task t = api_task_new();

	(void)state;
	api_plan(t, "abc", 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(put(t, "\r\nIf-Match: \"abc\"\r\nIdempotency-Key: k", PLAN("new")), 200);
		assert_string_equal(api_text("/plan/digest"), "new");
		assert_string_equal(api_header("Idempotency-Replayed"), i > 0 ? "true" : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(put__makes_the_next_version),          KEPT_TEST(put__makes_the_next_version),
		API_TEST(put__needs_the_version_that_is_meant), API_TEST(put__refuses_bad_plans),
		API_TEST(put__is_done_once_with_a_key),         KEPT_TEST(put__is_done_once_with_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
