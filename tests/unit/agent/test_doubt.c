/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that a process died with: the tool server while the worker lives (the mode exit-after of the fake),
 * or the worker, whose events are written by hand before the agent takes the task over.
 */
#include "base/base.h"
#include "run_rig.h"

/* One step that makes these calls, without the turns after it. */
#define step_begins(w, effect, ...)                  \
	do {                                         \
		model_plan((w), STEP("s1", effect)); \
		model_calls((w), __VA_ARGS__);       \
		task_give((w), "call");              \
	} while (0)

static void step_ends(struct world *w)
{
	model_finish(w, "success", "done");
	model_text(w, "The end.");
}

/* Of the n-th event of a type: a member's text. Valid until the next call. */
static const char *event_text(struct world *w, enum event_type type, size_t n, const char *member)
{
	static char text[256];
	struct json *j = event_nth(w, type, n);
	snprintf(text, sizeof text, "%s", json_get_text(j, member, "(none)"));
	json_free(j);
	return text;
}

static void lost__a_reading_one_is_made_again(void **state)
{
	static const char *args[] = {"exit-after", "1", NULL};
	struct world w;
	(void)state;
	world_open_args(&w, args);
	step_begins(&w, "read", "fake__echo", "{\"text\":\"a\"}", "fake__echo", "{\"text\":\"b\"}");
	step_ends(&w);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 0);
	assert_true(events_count(&w, EVENT_TOOL_REPEATED) >= 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_UNSENT), 0);
	struct json *j = event_nth(&w, EVENT_TOOL_REPEATED, 0);
	assert_int_equal(json_get_integer(j, "attempt", 0), 2);
	assert_string_equal(json_get_text(j, "call", ""), event_text(&w, EVENT_TOOL_STARTED, 1, "call"));
	json_free(j);
	world_close(&w);
}

static void lost__so_many_times_and_no_more(void **state)
{
	static const char *args[] = {"exit-after", "0", NULL};
	struct world w;
	(void)state;
	world_open_args(&w, args);
	step_begins(&w, "read", "fake__echo", "{\"text\":\"a\"}");
	step_ends(&w);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_REPEATED), 3);
	assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 1);
	struct json *j = event_nth(&w, EVENT_TOOL_FAILED, 0);
	assert_true(json_get_bool(j, "sent", false));
	json_free(j);
	assert_silent(model_shown(&w, 2), "not known whether");
	world_close(&w);
}

/* Begins a task whose writing call is in doubt, because its server died with it. */
static void doubt_begin(struct world *w)
{
	static const char *args[] = {"exit-after", "0", NULL};
	world_open_args(w, args);
	step_begins(w, "write", "fake__count", "{\"file\":\"/nonexistent/x\"}");
	world_wait(w, task_head(w).state == TASK_INPUT_REQUIRED);
}

static void doubt__is_put_to_a_person(void **state)
{
	struct world w;
	(void)state;
	doubt_begin(&w);
	assert_int_equal(agent_runs(w.agent), 0);
	assert_false(task_head(&w).leased);
	assert_int_equal(events_count(&w, EVENT_STEP_IN_DOUBT), 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_REPEATED), 0);
	struct json *doc = task_doc(&w);
	const struct json *p = json_get(doc, "pending");
	assert_string_equal(json_get_text(doc, "status", ""), "input_required");
	assert_string_equal(json_get_text(json_at(json_get(json_get(doc, "plan"), "steps"), 0), "status", ""),
			    "in_doubt");
	assert_string_equal(json_get_text(p, "id", ""), event_text(&w, EVENT_TOOL_STARTED, 0, "call"));
	assert_string_equal(json_get_text(p, "kind", ""), "in_doubt");
	assert_string_equal(json_get_text(p, "step", ""), "s1");
	assert_string_equal(json_get_text(p, "server", ""), "fake");
	assert_string_equal(json_get_text(p, "tool", ""), "count");
	assert_string_equal(json_get_text(json_get(p, "arguments"), "file", ""), "/nonexistent/x");
	assert_int_equal(json_count(json_get(p, "actions")), 4);
	assert_says(json_get_text(p, "question", ""), "count of fake was called in step s1");
	int64_t at_ms;
	assert_true(clock_parse(json_get_text(p, "started_at", ""), &at_ms));
	json_free(doc);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	world_close(&w);
}

static void word__completed_goes_on_with_what_was_told(void **state)
{
	struct world w;
	(void)state;
	doubt_begin(&w);
	char *id = xstrdup(event_text(&w, EVENT_TOOL_STARTED, 0, "call"));
	step_ends(&w);
	task_input(&w, id, "completed", "it counted to seven");
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 1);
	assert_string_equal(event_text(&w, EVENT_TOOL_COMPLETED, 0, "by"), "person");
	assert_string_equal(event_text(&w, EVENT_TOOL_COMPLETED, 0, "call"), id);
	assert_string_equal(event_text(&w, EVENT_STEP_RESUMED, 0, "action"), "completed");
	assert_says(model_shown(&w, 2), "it counted to seven");
	free(id);
	world_close(&w);
}

static void word__skip_is_told_to_the_model(void **state)
{
	struct world w;
	(void)state;
	doubt_begin(&w);
	char *id = xstrdup(event_text(&w, EVENT_TOOL_STARTED, 0, "call"));
	step_ends(&w);
	task_input(&w, id, "skip", NULL);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 1);
	struct json *j = event_nth(&w, EVENT_TOOL_FAILED, 0);
	assert_string_equal(json_get_text(json_get(j, "error"), "code", ""), "skipped");
	json_free(j);
	assert_says(model_shown(&w, 2), "decided to skip it");
	assert_silent(model_shown(&w, 2), "not known whether");
	free(id);
	world_close(&w);
}

static void word__fail_ends_the_step(void **state)
{
	struct world w;
	(void)state;
	doubt_begin(&w);
	char *id = xstrdup(event_text(&w, EVENT_TOOL_STARTED, 0, "call"));
	task_input(&w, id, "fail", NULL);
	assert_ended(&w, "failed", "a person decided that the step fails");
	struct json *j = event_nth(&w, EVENT_STEP_FAILED, 0);
	assert_string_equal(json_get_text(json_get(j, "error"), "code", ""), "outcome-unknown");
	json_free(j);
	free(id);
	world_close(&w);
}

/* The same call again; when that is lost, too, the question comes again. */
static void word__retry_makes_the_same_call(void **state)
{
	struct world w;
	(void)state;
	doubt_begin(&w);
	char *id = xstrdup(event_text(&w, EVENT_TOOL_STARTED, 0, "call"));
	char pending[PENDING_ID_SIZE];
	snprintf(pending, sizeof pending, "%s", id);
	for (size_t n = 1; n <= 5; n++) {
		rig_wait(&w.mcp, rig_state_is(&w.mcp, "ready"));
		task_input(&w, pending, "retry", NULL);
		world_wait(&w, events_count(&w, EVENT_STEP_IN_DOUBT) == n + 1);
		assert_int_equal(events_count(&w, EVENT_TOOL_REPEATED), n);
		assert_int_equal(events_count(&w, EVENT_STEP_RESUMED), n);
		assert_string_equal(event_text(&w, EVENT_TOOL_REPEATED, n - 1, "call"), id);
		/* each question has a name of its own */
		snprintf(pending, sizeof pending, "%s.%zu", id, n + 1);
	}
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	/* a word about something else, the first question, is none */
	task_input(&w, id, "skip", NULL);
	world_wait(&w, events_count(&w, EVENT_STEP_IN_DOUBT) == 7);
	step_ends(&w);
	task_input(&w, pending, "completed", NULL);
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 2), "has made sure that the call took effect");
	free(id);
	world_close(&w);
}

/* --- the worker died --- */

/* What a worker left that had started one call of fake__count, with these members in tool.started. */
static void worker_left(struct world *w, struct counted *counted, const char *members)
{
	task_create_as(w, "do it", "auto");
	assert_true(lease_next(w->other, &w->lease));
	event(w, 0, NULL, TASK_PLANNING);
	event(w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[" STEP("s1",
											  "write") "]}}",
	      TASK_RUNNING);
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s1\"}", TASK_SAME);
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	buf_add_str(&b, "{\"call\":\"c3\",\"role\":\"executor\",\"step\":\"s1\",\"text\":\"\",\"calls\":[{"
			"\"id\":\"m1\",\"name\":\"fake__count\",\"arguments\":");
	jw_text(&j, counted->arguments);
	buf_add_str(&b, "}],\"stop\":\"tool\"}");
	event(w, EVENT_MODEL_COMPLETED, buf_cstr(&b), TASK_SAME);
	buf_release(&b);
	char *started =
		xasprintf("{\"call\":\"c4\",\"step\":\"s1\",\"model_call\":\"m1\",\"server\":\"fake\","
			  "\"tool\":\"count\",\"arguments\":%s,%s}",
			  counted->arguments, members);
	event(w, EVENT_TOOL_STARTED, started, TASK_SAME);
	free(started);
}

static void worker_dies(struct world *w)
{
	store_proc_died(w->created, 0);
	store_proc_started(w->created, 0, 5);
	agent_on_work(w->agent);
}

/* The file has these many lines, each with the one key of the call. */
static void assert_called(struct world *w, struct counted *counted, int times)
{
	struct json *doc = task_doc(w);
	struct buf all = BUF_INIT;
	for (int i = 0; i < times; i++)
		buf_printf(&all, "called %s:c4\n", json_get_text(doc, "id", ""));
	assert_string_equal(counted_text(counted), buf_cstr(&all));
	buf_release(&all);
	json_free(doc);
}

#define WRITES     "\"read_only\":false,\"idempotent\":false"
#define IDEMPOTENT "\"read_only\":false,\"idempotent\":true"

static void died__what_may_be_repeated_is(void **state)
{
	static const struct {
		const char *members, *more;
		enum event_type type;
	} cases[] = {{IDEMPOTENT, NULL, 0},
		     {"\"read_only\":true", NULL, 0},
		     {WRITES, "{\"call\":\"c4\",\"step\":\"s1\"}", EVENT_TOOL_UNSENT}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		struct counted counted;
		counted_open(&counted);
		world_open(&w, "echo", false);
		worker_left(&w, &counted, cases[i].members);
		if (cases[i].more != NULL)
			event(&w, cases[i].type, cases[i].more, TASK_SAME);
		step_ends(&w);
		worker_dies(&w);
		assert_ended(&w, "completed", NULL);
		assert_called(&w, &counted, 1);
		assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
		assert_int_equal(events_count(&w, EVENT_TOOL_REPEATED), 1);
		assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 1);
		world_close(&w);
		counted_close(&counted);
	}
}

/* Workers that die each time count as well: the number is in the events. */
static void died__no_more_often_than_that(void **state)
{
	struct world w;
	struct counted counted;
	(void)state;
	counted_open(&counted);
	world_open(&w, "echo", false);
	worker_left(&w, &counted, IDEMPOTENT);
	for (int i = 0; i < 3; i++)
		event(&w, EVENT_TOOL_REPEATED, "{\"call\":\"c4\",\"step\":\"s1\"}", TASK_SAME);
	step_ends(&w);
	worker_dies(&w);
	assert_ended(&w, "completed", NULL);
	assert_called(&w, &counted, 0);
	assert_call_refused(&w, 0, "the worker that made the call ended");
	world_close(&w);
	counted_close(&counted);
}

static void died__a_writing_one_is_in_doubt(void **state)
{
	struct world w;
	struct counted counted;
	(void)state;
	counted_open(&counted);
	world_open(&w, "echo", false);
	worker_left(&w, &counted, WRITES);
	worker_dies(&w);
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	assert_called(&w, &counted, 0);
	/* the word comes, and the next worker dies before it acts on it */
	struct lease l;
	agent_free(w.agent);
	loop_turn(w.loop, 0);
	w.agent = agent_new(w.loop, w.s, w.llm, w.mcp.client, NULL, &w.options);
	w.agent->draining = true;
	task_input(&w, "c4", "retry", NULL);
	assert_true(lease_next(w.other, &l));
	w.agent->draining = false;
	step_ends(&w);
	worker_dies(&w);
	assert_ended(&w, "completed", NULL);
	assert_called(&w, &counted, 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	world_close(&w);
	counted_close(&counted);
}

/* A start that was not durable when its worker died was not followed by the call. */
static void died__before_it_could_send(void **state)
{
	struct world w;
	struct counted counted;
	(void)state;
	counted_open(&counted);
	world_open_as(&w, "echo", false, true);
	worker_left(&w, &counted, WRITES);
	step_ends(&w);
	worker_dies(&w);
	world_wait(&w, agent_runs(w.agent) == 1 && w.agent->runs->watched);
	assert_called(&w, &counted, 0);
	world_wait_keeping(&w, task_state_terminal(task_head(&w).state));
	assert_ended(&w, "completed", NULL);
	assert_called(&w, &counted, 1);
	assert_int_equal(events_count(&w, EVENT_STEP_IN_DOUBT), 0);
	world_close(&w);
	counted_close(&counted);
}

static void died__after_it_may_have_sent(void **state)
{
	struct world w;
	struct counted counted;
	(void)state;
	counted_open(&counted);
	world_open_as(&w, "echo", false, true);
	worker_left(&w, &counted, WRITES);
	world_commit(&w);
	worker_dies(&w);
	world_wait(&w, task_head(&w).state == TASK_INPUT_REQUIRED);
	assert_called(&w, &counted, 0);
	world_close(&w);
	counted_close(&counted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost__a_reading_one_is_made_again),
		cmocka_unit_test(lost__so_many_times_and_no_more),
		cmocka_unit_test(doubt__is_put_to_a_person),
		cmocka_unit_test(word__completed_goes_on_with_what_was_told),
		cmocka_unit_test(word__skip_is_told_to_the_model),
		cmocka_unit_test(word__fail_ends_the_step),
		cmocka_unit_test(word__retry_makes_the_same_call),
		cmocka_unit_test(died__what_may_be_repeated_is),
		cmocka_unit_test(died__no_more_often_than_that),
		cmocka_unit_test(died__a_writing_one_is_in_doubt),
		cmocka_unit_test(died__before_it_could_send),
		cmocka_unit_test(died__after_it_may_have_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
