/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that a server runs as tasks: polled, cancelled, and ended once. */
#include "tests/unit/mcp/handshake_task_world.h"

static void task__is_polled_until_it_ends_and_then_asked_for_its_result(void **state)
{
	struct world w;
	(void)state;
	task_world(&w);
	assert_int_equal(w.ends, 0);
	world_pass(&w, 499);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_is(&w, ASKS("4", "tasks/get"));
	world_pass(&w, 60000); /* one at a time */
	sent_is(&w, "");
	say(&w, GOT("4", "working", ",\"pollInterval\":500"));
	world_pass(&w, 500);
	sent_is(&w, ASKS("5", "tasks/get"));
	say(&w, GOT("5", "completed", ""));
	sent_is(&w, ASKS("6", "tasks/result"));
	world_pass(&w, 60000);
	sent_is(&w, "");
	say(&w, "{\"id\":6,\"result\":{\"content\":[]}}");
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.answer.error.code, ERR_NONE);
	assert_string_equal(buf_cstr(&w.result), "{\"content\":[]}");
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__has_an_interval_within_bounds(void **state)
{
	struct world w;
	(void)state;
	task_world(&w);
	world_pass(&w, 500);
	say(&w, GOT("4", "working", ",\"pollInterval\":0"));
	buf_reset(&w.sent);
	world_pass(&w, 99);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_is(&w, ASKS("5", "tasks/get"));
	say(&w, GOT("5", "working", ",\"pollInterval\":99999999999999999999"));
	world_pass(&w, 29999);
	sent_is(&w, "");
	world_pass(&w, 1);
	sent_is(&w, ASKS("6", "tasks/get"));
	world_close(&w);
}

static void task__tells_progress_when_its_status_changes(void **state)
{
	struct world w;
	(void)state;
	task_world(&w);
	int before = w.progress;
	world_pass(&w, 500);
	say(&w, GOT("4", "working", ",\"statusMessage\":\"half\",\"pollInterval\":500"));
	assert_int_equal(w.progress, before + 1);
	world_pass(&w, 500);
	say(&w, GOT("5", "working", ",\"statusMessage\":\"half\",\"pollInterval\":500"));
	assert_int_equal(w.progress, before + 1);
	say(&w, "{\"method\":\"notifications/tasks/status\",\"params\":{" STATUS(
			"working", ",\"statusMessage\":\"all\"") "}}");
	assert_int_equal(w.progress, before + 2);
	world_close(&w);
}

static void task__is_cancelled_by_its_name(void **state)
{
	struct world w;
	(void)state;
	uint64_t id = task_world(&w);
	world_pass(&w, 500);
	buf_reset(&w.sent);
	session_cancel(w.session, id, "enough");
	sent_is(&w, ASKS("5", "tasks/cancel"));
	say(&w, GOT("4", "working", "")); /* crossed */
	say(&w, GOT("5", "cancelled", ""));
	world_pass(&w, 60000);
	sent_is(&w, "");
	assert_int_equal(w.ends, 0);
	assert_null(w.session->requests);
	world_close(&w);
}

static void task__that_a_server_does_not_cancel_is_left_alone(void **state)
{
	char line[128];
	struct world w;
	(void)state;
	world_with(&w, OFFERS, TASK_TOOL("a", "required"));
	for (size_t i = 0; i < 65; i++) {
		uint64_t id = call(&w, "{}");
		snprintf(line, sizeof(line),
			 "{\"id\":%llu,\"result\":{\"task\":{" STATUS("working", "") "}}}",
			 (unsigned long long)id);
		say(&w, line);
		buf_reset(&w.sent);
		session_cancel(w.session, id, "enough");
	}
	sent_is(&w, "");
	assert_int_equal(w.session->cancels, 64);
	say(&w, "{\"id\":4,\"result\":{}}");
	assert_int_equal(w.session->cancels, 63);
	world_close(&w);
}

static void task__cancelled_without_a_name_is_waited_for(void **state)
{
	struct world w;
	(void)state;
	world_with(&w, OFFERS, TASK_TOOL("a", "required"));
	uint64_t id = call(&w, "{}");
	buf_reset(&w.sent);
	session_cancel(w.session, id, "enough");
	sent_is(&w, "");
	say(&w, CREATED("working", ""));
	sent_is(&w, ASKS("4", "tasks/cancel"));
	say(&w, GOT("4", "cancelled", ""));
	assert_null(w.session->requests);
	session_cancel(w.session, call(&w, "{}"), "enough");
	world_pass(&w, 30000);
	assert_null(w.session->requests);
	assert_int_equal(w.session->nameless, 0);
	assert_int_equal(w.ends, 0);
	world_close(&w);
}

static void task__fails_with_what_is_wrong(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{GOT("4", "cancelled", ",\"statusMessage\":\"too dear\""), "too dear"},
		{GOT("4", "sleeping", ""), "\"sleeping\""},
		{"{\"id\":4,\"result\":{}}", "status \"\""},
		{"{\"id\":4,\"error\":{\"code\":-32602,\"message\":\"no such task\"}}", "tasks/get: "},
	};
	struct world w;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		task_world(&w);
		world_pass(&w, 500);
		say(&w, cases[i].line);
		assert_int_equal(w.ends, 1);
		assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
		assert_non_null(strstr(w.answer.error.msg, cases[i].words));
		assert_null(w.session->requests);
		world_close(&w);
	}
}

static void task__outlives_a_lost_answer_but_not_all_of_them(void **state)
{
	struct link_failure f = {.sent = false};
	struct world w;
	(void)state;
	task_world(&w);
	world_pass(&w, 500);
	for (f.id = 4; f.id < 13; f.id++) {
		static const int64_t pauses_ms[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
		assert_int_equal(w.ends, 0);
		if (f.id > 4) {
			buf_reset(&w.sent);
			world_pass(&w, pauses_ms[f.id - 5] - 1);
			sent_is(&w, "");
			world_pass(&w, 1);
			assert_non_null(strstr(buf_cstr(&w.sent), "tasks/get"));
		}
		err_set(&f.why, ERR_LOST, "cut");
		session_failed(w.session, &f);
	}
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.answer.error.code, ERR_LOST);
	assert_false(w.answer.unsent); /* the call itself was */
	world_close(&w);
	task_world(&w);
	world_pass(&w, 500);
	w.deaf = true;
	say(&w, GOT("4", "completed", ""));
	assert_int_equal(w.ends, 1);
	assert_null(w.session->requests);
	world_close(&w);
	task_world(&w); /* with its session */
	world_pass(&w, 500);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task__is_polled_until_it_ends_and_then_asked_for_its_result),
		cmocka_unit_test(task__has_an_interval_within_bounds),
		cmocka_unit_test(task__tells_progress_when_its_status_changes),
		cmocka_unit_test(task__is_cancelled_by_its_name),
		cmocka_unit_test(task__that_a_server_does_not_cancel_is_left_alone),
		cmocka_unit_test(task__cancelled_without_a_name_is_waited_for),
		cmocka_unit_test(task__fails_with_what_is_wrong),
		cmocka_unit_test(task__outlives_a_lost_answer_but_not_all_of_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
