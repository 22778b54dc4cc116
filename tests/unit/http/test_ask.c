/* SPDX-License-Identifier: Apache-2.0 */
/* A keeper that does not answer: every kind of request that asks it ends in time, and leaves nothing behind.
 */
#include "api_rig.h"

#define OLD "/v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f"

static void ask__ends_in_time(void **state)
{
	static const struct {
		const char *head, *body;
		int status;
	} cases[] = {
		{"GET " OLD, NULL, 503},
		{"DELETE " OLD, NULL, 503},
		{"GET " OLD "/stream", NULL, 503},
		{"GET " OLD "/artifacts/1", NULL, 503},
		{"POST " OLD "/cancel", NULL, 503},
		{"POST /v1/tasks\r\nContent-Type: application/json\r\nIdempotency-Key: a",
		 "{\"prompt\":\"x\"}", 503},
		/* The table is better than nothing. */
		{"GET /v1/tasks", NULL, 200},
	};

	(void)state;
	kept.held = true;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int fd = api_begin(cases[i].head, cases[i].body);

		rig_time_pass(9999);
		assert_true(api_silent(fd));
		assert_int_equal(kept.pending, 1);
		rig_time_pass(1);
		if (api_read(fd) != cases[i].status)
			fail_msg("%s: %s", cases[i].head, buf_cstr(&rig.got));
		if (cases[i].status == 503)
			assert_non_null(strstr(api_text("/detail"), "store.ack_seconds"));
		assert_int_equal(kept.pending, 0);
	}
	/* The key is free again. */
	kept.held = false;
	assert_int_equal(api_ask(cases[5].head, cases[5].body), 202);
	assert_string_equal(api_header("Idempotency-Replayed"), "");
}

/* What has begun is cut off: its client comes back. */
static void ask__a_stream_that_gets_no_more_is_reset(void **state)
{
	int fd;

	(void)state;
	kept_put(OLD + sizeof("/v1/tasks"), TASK_COMPLETED, 100);
	kept.held = true;
	fd = api_begin("GET " OLD "/stream", NULL);
	kept_answer(NULL);
	rig_read(fd, "id: 5\n");
	rig_turns(3);
	assert_int_equal(kept.pending, 1);
	rig_time_pass(10000);
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	assert_null(strstr(buf_cstr(&rig.got), "event: end"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEPT_TEST(ask__ends_in_time),
		KEPT_TEST(ask__a_stream_that_gets_no_more_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
