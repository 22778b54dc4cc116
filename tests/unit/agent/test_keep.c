/* SPDX-License-Identifier: Apache-2.0 */
/* What of a tool's result is kept where: in the event, as an artifact, in part. */
#include "base/base.h"
#include "run_rig.h"

enum { LARGE_BYTES = 100000 };

/* A turn whose one call answers with so many letters. */
static void large_call(struct world *w)
{
	struct buf arguments = BUF_INIT;
	buf_add_str(&arguments, "{\"text\":\"");
	for (int i = 0; i < LARGE_BYTES; i++)
		buf_add_char(&arguments, (char)('a' + i % 26));
	buf_add_str(&arguments, "\"}");
	model_calls(w, "fake__echo", buf_cstr(&arguments));
	buf_release(&arguments);
}

static void large_begin(struct world *w)
{
	model_plan(w, STEP("s1", "read"));
	large_call(w);
}

static void large_end(struct world *w)
{
	model_finish(w, "success", "done");
	model_text(w, "The end.");
}

static void assert_preview(struct world *w, const struct json *completed)
{
	assert_true(json_get_bool(completed, "truncated", false));
	assert_true(json_get_integer(completed, "result_bytes", 0) > LARGE_BYTES);
	const char *kept =
		json_get_text(json_at(json_get(json_get(completed, "result"), "content"), 0), "text", "");
	assert_true(strlen(kept) > w->options.tool_result_bytes_max / 2);
	assert_true(strlen(kept) < w->options.tool_result_bytes_max + 100);
	assert_says(kept, "bytes left out");
}

static void keep__without_an_archive_in_part(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	large_begin(&w);
	large_end(&w);
	task_give(&w, "call");
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_preview(&w, j);
	assert_null(json_get(j, "artifact"));
	json_free(j);
	world_close(&w);
}

static void keep__large_ones_are_artifacts(void **state)
{
	struct world w;
	char url[128], sha256[SHA256_HEX_SIZE];
	(void)state;
	world_open_as(&w, "echo", false, true);
	large_begin(&w);
	large_end(&w);
	w.archive.holds = true;
	task_give(&w, "call");
	world_wait(&w, w.archive.writes == 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 0);
	assert_true(run_busy(w.agent->runs, true));
	w.archive.holds = false;
	fake_archive_answer(&w.archive);
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0), *doc = task_doc(&w);
	const struct json *a = json_get(j, "artifact");
	assert_preview(&w, j);
	assert_int_equal(json_get_integer(a, "number", 0), 1);
	assert_int_equal(json_get_integer(a, "bytes", 0), w.archive.written.len);
	assert_int_equal(json_get_integer(j, "result_bytes", 0), w.archive.written.len);
	assert_string_equal(json_get_text(a, "media_type", ""), "application/json");
	sha256_hex(w.archive.written.data, w.archive.written.len, sha256);
	assert_string_equal(json_get_text(a, "sha256", ""), sha256);
	snprintf(url, sizeof url, "/v1/tasks/%s/artifacts/1", json_get_text(doc, "id", ""));
	assert_string_equal(json_get_text(a, "url", ""), url);
	/* the artifact is the whole of what the server sent */
	assert_string_equal(w.archive.last_type, "application/json");
	struct json *whole = json_parse(w.archive.written.data, w.archive.written.len, 0, NULL);
	const char *text = json_get_text(json_at(json_get(whole, "content"), 0), "text", "");
	assert_int_equal(strlen(text), LARGE_BYTES);
	json_free(whole);
	json_free(doc);
	json_free(j);
	world_close(&w);
}

static void keep__an_archive_that_fails_costs_the_rest_only(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "echo", false, true);
	large_begin(&w);
	large_end(&w);
	w.archive.fails = ERR_UNAVAILABLE;
	task_give(&w, "call");
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_int_equal(w.archive.writes, 1);
	assert_preview(&w, j);
	assert_null(json_get(j, "artifact"));
	json_free(j);
	world_close(&w);
}

static void keep__a_full_disk_is_waited_for(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "echo", false, true);
	large_begin(&w);
	large_end(&w);
	w.archive.holds = true;
	w.archive.fails = ERR_NO_SPACE;
	task_give(&w, "call");
	world_wait(&w, w.archive.writes == 1);
	store_health_set(w.keeper, STORE_NO_SPACE, "the disk is full");
	w.archive.holds = false;
	fake_archive_answer(&w.archive);
	for (int i = 0; i < 20; i++)
		loop_turn(w.loop, 1);
	assert_int_equal(w.archive.writes, 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 0);
	w.archive.fails = ERR_NONE;
	store_health_set(w.keeper, STORE_WORKS, "");
	world_wake(&w);
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_int_equal(w.archive.writes, 2);
	assert_int_equal(json_get_integer(json_get(j, "artifact"), "number", 0), 1);
	json_free(j);
	world_close(&w);
}

/* One for which there never is room, though there is for others. */
static void keep__a_full_disk_is_not_waited_for_without_end(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "echo", false, true);
	large_begin(&w);
	large_end(&w);
	w.archive.fails = ERR_NO_SPACE;
	task_give(&w, "call");
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_preview(&w, j);
	assert_null(json_get(j, "artifact"));
	json_free(j);
	world_close(&w);
}

/* As runs leave them that die before their events. */
static void keep__artifacts_nobody_names_are_passed_over(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "echo", false, true);
	large_begin(&w);
	large_end(&w);
	w.archive.conflicts = 2;
	task_give(&w, "call");
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	const struct json *a = json_get(j, "artifact");
	assert_int_equal(w.archive.writes, 3);
	assert_int_equal(w.archive.last.number, 3);
	assert_int_equal(json_get_integer(a, "number", 0), 3);
	assert_int_equal(json_get_integer(a, "bytes", 0), w.archive.written.len);
	json_free(j);
	world_close(&w);
}

static void keep__cancelled_while_it_is_written(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "echo", false, true);
	large_begin(&w);
	w.archive.holds = true;
	task_give(&w, "call");
	world_wait(&w, w.archive.writes == 1);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	agent_on_task(w.agent, w.ref);
	assert_int_equal(w.archive.cancelled, 1);
	assert_int_equal(agent_runs(w.agent), 0);
	world_close(&w);
}

/* Also by who takes the run over: a number that an event names is never used again. */
static void keep__numbers_go_on(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "echo", false, true);
	task_create_as(&w, "go on", "auto");
	assert_true(lease_next(w.other, &w.lease));
	event(&w, 0, NULL, TASK_PLANNING);
	event(&w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[" STEP("s1", "read") "]}}",
	      TASK_RUNNING);
	event(&w, EVENT_STEP_STARTED, "{\"step\":\"s1\"}", TASK_SAME);
	event(&w, EVENT_TOOL_COMPLETED, "{\"call\":\"c7\",\"step\":\"s1\",\"artifact\":{\"number\":4}}",
	      TASK_SAME);
	large_call(&w);
	large_end(&w);
	store_proc_died(w.created, 0);
	agent_on_work(w.agent);
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 1);
	assert_int_equal(json_get_integer(json_get(j, "artifact"), "number", 0), 5);
	json_free(j);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keep__without_an_archive_in_part),
		cmocka_unit_test(keep__large_ones_are_artifacts),
		cmocka_unit_test(keep__an_archive_that_fails_costs_the_rest_only),
		cmocka_unit_test(keep__a_full_disk_is_waited_for),
		cmocka_unit_test(keep__a_full_disk_is_not_waited_for_without_end),
		cmocka_unit_test(keep__artifacts_nobody_names_are_passed_over),
		cmocka_unit_test(keep__cancelled_while_it_is_written),
		cmocka_unit_test(keep__numbers_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
