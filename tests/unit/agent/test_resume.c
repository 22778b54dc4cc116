/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs taken over: the events of a worker that died are written by hand, then an agent of another worker
 * takes the task. The model is the offline one, and there is no tool server: what must not be called again
 * cannot be.
 */
#include "base/base.h"
#include "agent/agent.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world {
	struct loop *loop;
	struct store *created, *dead, *s;
	struct llm *llm;
	struct mcp_client *mcp;
	struct agent *agent;
	struct task_ref ref;
	struct lease lease; /* of the worker that dies */
};

static void world_open(struct world *w)
{
	struct store_options so = {.bytes = 4 << 20,
				   .tasks_max = 8,
				   .procs_max = 2,
				   .task_events_max = 1000,
				   .task_bytes_max = 1 << 20,
				   .live_ring_bytes = 4096};
	struct agent_options ao = {.runs_max = 4,
				   .parallel_steps = 4,
				   .steps_max = 20,
				   .turns_max = 8,
				   .calls_max = 16,
				   .tools_offered_max = 20,
				   .task_ms_max = 60000,
				   .tool_result_bytes_max = 65536,
				   .tool_context_bytes_max = 10240};
	struct llm_options lo = {.api = LLM_OFFLINE, .concurrency_max = 4};
	struct mcp_client_options mo = {
		.frame_bytes_max = 1 << 20, .queue_bytes_max = 1 << 20, .call_ms_max = 1000};
	struct error e = {0};
	*w = (struct world){.loop = loop_new()};
	if (store_create(&so, &w->created, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_proc_started(w->created, 0, 1);
	store_proc_started(w->created, 1, 2);
	w->dead = store_attach(w->created, 0);
	w->s = store_attach(w->created, 1);
	w->llm = llm_new(w->loop, &lo);
	w->mcp = mcp_client_new(w->loop, &mo);
	w->agent = agent_new(w->loop, w->s, w->llm, w->mcp, &ao);
}

static void world_close(struct world *w)
{
	struct error e = {0};
	agent_free(w->agent);
	loop_turn(w->loop, 0);
	mcp_client_free(w->mcp);
	llm_free(w->llm);
	loop_turn(w->loop, 0);
	if (store_check(w->s, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_detach(w->dead);
	store_detach(w->s);
	store_destroy(w->created);
	loop_free(w->loop);
}

static void task_begin(struct world *w, const char *prompt)
{
	char text[ID_TEXT_SIZE], json[512];
	struct id id;
	struct error e;
	id_new(&id);
	id_format(&id, text);
	snprintf(json, sizeof json,
		 "{\"task_id\":\"%s\",\"prompt\":\"%s\",\"approval\":\"auto\",\"metadata\":{}}", text,
		 prompt);
	assert_int_equal(task_create(w->dead, &id, slice_str(json), &w->ref, &e), ERR_NONE);
	assert_true(lease_next(w->dead, &w->lease));
}

static void event(struct world *w, enum event_type type, const char *data, enum task_state to)
{
	struct task_event ev = {type, slice_str(data)};
	struct task_change c = {.events = &ev, .events_count = data != NULL, .to = to, .lease = &w->lease};
	struct error e = {0};
	if (task_move(w->dead, w->ref, &c, NULL, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

/* The other worker dies; ours works until the task is over. Returns the document. */
static struct json *take_over(struct world *w)
{
	struct task_head h;
	struct error e = {0};
	store_proc_died(w->created, 0);
	agent_on_work(w->agent);
	for (int i = 0; i < 200; i++) {
		loop_turn(w->loop, 0);
		assert_int_equal(task_head_get(w->s, w->ref, &h), ERR_NONE);
		if (task_state_terminal(h.state))
			break;
	}
	struct buf b = BUF_INIT;
	assert_int_equal(task_doc_copy(w->s, w->ref, &b, NULL), ERR_NONE);
	struct json *doc = json_parse(b.data, b.len, 0, &e);
	assert_non_null(doc);
	buf_release(&b);
	return doc;
}

static size_t events_count(struct world *w, enum event_type type)
{
	struct event_cursor c;
	struct buf b = BUF_INIT;
	struct event_view v;
	size_t n = 0;
	event_cursor_init(&c, 0);
	assert_int_equal(task_events_copy(w->s, w->ref, &c, 1 << 20, &b, NULL), ERR_NONE);
	for (struct slice rest = buf_slice(&b); event_next(&rest, &v);)
		n += v.type == type;
	buf_release(&b);
	return n;
}

/* A plan of one finished step and a second one that the worker was carrying out. */
static void run_begin(struct world *w)
{
	task_begin(w, "do it");
	event(w, 0, NULL, TASK_PLANNING);
	event(w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"do "
	      "it\",\"assumptions\":[],\"questions\":[],\"steps\":["
	      "{\"id\":\"s1\",\"title\":\"first\",\"objective\":\"first\",\"depends_on\":[],\"side_effects\":"
	      "\"read\"},"
	      "{\"id\":\"s2\",\"title\":\"second\",\"objective\":\"second\",\"depends_on\":[\"s1\"],"
	      "\"side_effects\":\"write\"}],\"final_output\":\"\"}}",
	      TASK_RUNNING);
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s1\",\"attempt\":1}", TASK_SAME);
	event(w, EVENT_STEP_COMPLETED, "{\"step\":\"s1\",\"result\":\"one\"}", TASK_SAME);
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s2\",\"attempt\":1}", TASK_SAME);
	event(w, EVENT_MODEL_STARTED, "{\"call\":\"c3\",\"role\":\"executor\",\"step\":\"s2\"}", TASK_SAME);
	event(w, EVENT_MODEL_COMPLETED,
	      "{\"call\":\"c3\",\"role\":\"executor\",\"step\":\"s2\",\"text\":\"\",\"calls\":[{\"id\":"
	      "\"m1\",\"name\":"
	      "\"x__write\",\"arguments\":\"{}\"}],\"stop\":\"tool\",\"usage\":{\"input_tokens\":1,\"output_"
	      "tokens\":1}}",
	      TASK_SAME);
}

static void resume__a_queued_task_is_run(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	/* no catalogue will ever come: planning does not wait for it for ever */
	clock_fake_set(1000000, 1700000000000);
	task_begin(&w, "Book me a flight to Paris");
	store_proc_died(w.created, 0);
	agent_on_work(w.agent);
	loop_turn(w.loop, 0);
	clock_fake_set(1000000 + 11000000, 1700000011000);
	struct json *doc = take_over(&w);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_non_null(strstr(json_get_text(doc, "result", ""), "language model"));
	json_free(doc);
	clock_fake_clear();
	world_close(&w);
}

static void resume__a_writing_call_in_flight_is_in_doubt(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	run_begin(&w);
	event(&w, EVENT_TOOL_STARTED,
	      "{\"call\":\"c4\",\"step\":\"s2\",\"model_call\":\"m1\",\"server\":\"x\",\"tool\":\"write\","
	      "\"arguments\":{},"
	      "\"read_only\":false}",
	      TASK_SAME);
	struct json *doc = take_over(&w);
	assert_string_equal(json_get_text(doc, "status", ""), "failed");
	assert_non_null(strstr(json_get_text(json_get(doc, "error"), "message", ""), "not known whether"));
	const struct json *steps = json_get(json_get(doc, "plan"), "steps");
	assert_string_equal(json_get_text(json_at(steps, 0), "result", ""), "one");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_STEP_IN_DOUBT), 1);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 2);
	json_free(doc);
	world_close(&w);
}

static void resume__a_call_that_ended_is_not_made_again(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	run_begin(&w);
	event(&w, EVENT_TOOL_STARTED,
	      "{\"call\":\"c4\",\"step\":\"s2\",\"model_call\":\"m1\",\"server\":\"x\",\"tool\":\"write\","
	      "\"arguments\":{},"
	      "\"read_only\":false}",
	      TASK_SAME);
	event(&w, EVENT_TOOL_COMPLETED,
	      "{\"call\":\"c4\",\"step\":\"s2\",\"model_call\":\"m1\",\"server\":\"x\",\"tool\":\"write\","
	      "\"is_error\":false,"
	      "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"written\"}]}}",
	      TASK_SAME);
	struct json *doc = take_over(&w);
	/* the model is asked for its next turn, with the answer in the conversation */
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_STEP_IN_DOUBT), 0);
	assert_true(events_count(&w, EVENT_MODEL_STARTED) >= 2);
	json_free(doc);
	world_close(&w);
}

static void resume__a_call_that_was_not_started_is_decided_anew(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	run_begin(&w);
	struct json *doc = take_over(&w);
	/* there is no such tool here: the model is told, nothing is called */
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
	assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 1);
	json_free(doc);
	world_close(&w);
}

static void cancel__drops_the_run_at_once(void **state)
{
	struct world w;
	struct error e = {0};
	(void)state;
	world_open(&w);
	task_begin(&w, "wait");
	store_proc_died(w.created, 0);
	agent_on_work(w.agent);
	assert_int_equal(agent_runs(w.agent), 1);
	struct task_change c = {.to = TASK_CANCELLED};
	assert_int_equal(task_move(w.s, w.ref, &c, NULL, &e), ERR_NONE);
	agent_on_task(w.agent, w.ref);
	assert_int_equal(agent_runs(w.agent), 0);
	loop_turn(w.loop, 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resume__a_queued_task_is_run),
		cmocka_unit_test(resume__a_writing_call_in_flight_is_in_doubt),
		cmocka_unit_test(resume__a_call_that_ended_is_not_made_again),
		cmocka_unit_test(resume__a_call_that_was_not_started_is_decided_anew),
		cmocka_unit_test(cancel__drops_the_run_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
