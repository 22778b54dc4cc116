/* SPDX-License-Identifier: Apache-2.0 */
/* Runs resumed after a restart of the service: the table has the task's document, the archive its events. */
#include "base/base.h"
#include "run_rig.h"

/* A step whose model was about to be asked again, all of it durable, before the service is started again. */
static void restart_begin(struct world *w)
{
	world_open_as(w, "echo", false, true);
	task_create_as(w, "do it", "auto");
	assert_true(lease_next(w->other, &w->lease));
	event(w, 0, NULL, TASK_PLANNING);
	event(w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[" STEP(
		      "s1", "read") "," STEP_AFTER("s2", "write", "\"s1\"", "retry") "]}}",
	      TASK_RUNNING);
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s1\",\"attempt\":1}", TASK_SAME);
	event(w, EVENT_STEP_COMPLETED, "{\"step\":\"s1\",\"result\":\"one\"}", TASK_SAME);
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s2\",\"attempt\":1}", TASK_SAME);
	event(w, EVENT_MODEL_COMPLETED,
	      "{\"call\":\"c3\",\"role\":\"executor\",\"step\":\"s2\",\"text\":\"\",\"calls\":[{\"id\":"
	      "\"m1\","
	      "\"name\":\"x__write\",\"arguments\":\"{}\"}],\"stop\":\"tool\"}",
	      TASK_SAME);
	event(w, EVENT_TOOL_FAILED,
	      "{\"call\":\"c4\",\"step\":\"s2\",\"model_call\":\"m1\",\"tool\":\"x\",\"error\":{\"message\":"
	      "\"was not to be\"}}",
	      TASK_SAME);
	world_commit(w);
	world_restart(w);
}

/* After a restart of the service the table has the document only: the events are the archive's. */
static void resume__reads_old_events_from_the_archive(void **state)
{
	struct world w;
	(void)state;
	restart_begin(&w);
	assert_int_equal(task_head(&w).first_seq, task_head(&w).last_seq + 1);
	model_finish(&w, "success", "done");
	model_text(&w, "The end.");
	w.archive.holds = true;
	agent_on_work(w.agent);
	world_wait(&w, w.archive.asked == 1);
	for (int i = 0; i < 10; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(w.model->requests_count, 0);
	assert_false(run_busy(w.agent->runs, true));
	w.archive.holds = false;
	fake_archive_answer(&w.archive);
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(doc, "result", ""), "The end.");
	assert_says(model_shown(&w, 0), "was not to be");
	assert_says(model_shown(&w, 0), "one");
	json_free(doc);
	world_close(&w);
}

/* An archive that cannot answer now is no reason to fail a task; one that has nothing is. */
static void resume__asks_the_archive_again(void **state)
{
	struct world w;
	(void)state;
	restart_begin(&w);
	model_finish(&w, "success", "done");
	model_text(&w, "The end.");
	w.archive.fails = ERR_UNAVAILABLE;
	agent_on_work(w.agent);
	world_wait(&w, w.archive.asked == 1 && w.archive.calls == NULL);
	struct run *r = w.agent->runs;
	assert_non_null(r);
	assert_true(r->load_again_mono_ms > clock_mono_ms());
	w.archive.fails = ERR_NONE;
	r->load_again_mono_ms = 0;
	run_wake(r);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(w.archive.asked, 2);
	world_close(&w);
}

static void resume__without_its_events_it_fails(void **state)
{
	struct world w;
	(void)state;
	restart_begin(&w);
	w.archive.fails = ERR_NOT_FOUND;
	agent_on_work(w.agent);
	assert_ended(&w, "failed", "no longer kept");
	world_close(&w);
}

static void resume__a_run_dropped_meanwhile_asks_no_more(void **state)
{
	struct world w;
	(void)state;
	restart_begin(&w);
	w.archive.holds = true;
	agent_on_work(w.agent);
	world_wait(&w, w.archive.asked == 1);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	agent_on_task(w.agent, w.ref);
	assert_int_equal(w.archive.cancelled, 1);
	assert_int_equal(agent_runs(w.agent), 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resume__reads_old_events_from_the_archive),
		cmocka_unit_test(resume__asks_the_archive_again),
		cmocka_unit_test(resume__without_its_events_it_fails),
		cmocka_unit_test(resume__a_run_dropped_meanwhile_asks_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
