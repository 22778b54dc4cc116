/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of runs share: a real store with two participants, a real broker with at most one scripted
 * tool server ("fake": echo{text} and sleep{ms} read, count{file} writes), and a model, either the offline
 * one or a scripted HTTP server that gives prepared answers in order. Participant 1 is the agent under test;
 * participant 0 is a person's worker: it creates, approves, cancels, and may have died with a run.
 */
#ifndef TESTS_UNIT_AGENT_RUN_RIG_H
#define TESTS_UNIT_AGENT_RUN_RIG_H

#include "tests/unit/mcp/rig.h"
#include "tests/unit/llm/http_script.h"
#include "agent/agent_int.h"

struct world {
	struct rig mcp;
	struct loop *loop; /* the rig's */
	struct script_server *model;
	struct script_reply replies[SCRIPT_REQUESTS_MAX];
	size_t replies_count;
	struct store *created, *other, *s;
	struct llm *llm;
	struct agent_options options;
	struct agent *agent;
	struct task_ref ref;
	struct lease lease; /* of participant 0 */
	bool drained;
};

static inline struct agent_options world_options(void)
{
	return (struct agent_options){.runs_max = 4,
				      .parallel_steps = 4,
				      .steps_max = 20,
				      .turns_max = 8,
				      .calls_max = 16,
				      .tools_offered_max = 20,
				      .tools_wait_ms = 10000,
				      .task_ms_max = 60000,
				      .tool_result_bytes_max = 65536,
				      .tool_context_bytes_max = 10240};
}

static inline void world_store(struct world *w, uint32_t task_events_max)
{
	struct store_options so = {.bytes = 4 << 20,
				   .tasks_max = 8,
				   .procs_max = 2,
				   .task_events_max = task_events_max,
				   .task_bytes_max = 1 << 20,
				   .live_ring_bytes = 4096};
	struct error e = {0};
	if (store_create(&so, &w->created, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_proc_started(w->created, 0, 1);
	store_proc_started(w->created, 1, 2);
	w->other = store_attach(w->created, 0);
	w->s = store_attach(w->created, 1);
}

/* fake_mode: of tests/fake/mcp_fake, NULL for no tool server. The caller may change w->options before the
 * first task. offline: no scripted model. */
static inline void world_open(struct world *w, const char *fake_mode, bool offline)
{
	static const char *args[2];
	struct llm_options lo = {.api = LLM_OFFLINE, .concurrency_max = 8};
	char url[64];
	*w = (struct world){.options = world_options()};
	rig_init(&w->mcp);
	w->loop = w->mcp.loop;
	args[0] = fake_mode;
	if (fake_mode != NULL) {
		if (access(rig_fake(), X_OK) != 0)
			fail_msg("%s is missing: make fakes", rig_fake());
		rig_add(&w->mcp, "fake", rig_fake(), args);
	}
	rig_start(&w->mcp);
	rig_settle(&w->mcp);
	world_store(w, 1000);
	if (!offline) {
		w->model = script_open(w->loop, w->replies, 0);
		snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", w->model->port);
		lo = (struct llm_options){.api = LLM_CHAT,
					  .base_url = url,
					  .model = "m",
					  .connect_ms = 2000,
					  .first_byte_ms = 10000,
					  .idle_ms = 10000,
					  .call_ms_max = 10000,
					  .response_bytes_max = 4 << 20,
					  .concurrency_max = 8};
	}
	w->llm = llm_new(w->loop, &lo);
	w->agent = agent_new(w->loop, w->s, w->llm, w->mcp.client, &w->options);
}

static inline void world_close(struct world *w)
{
	struct error e = {0};
	agent_free(w->agent);
	loop_turn(w->loop, 0);
	llm_free(w->llm);
	loop_turn(w->loop, 0);
	if (store_check(w->s, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_detach(w->other);
	store_detach(w->s);
	store_destroy(w->created);
	if (w->model != NULL) {
		assert_int_equal(w->model->requests_count, w->replies_count);
		script_close(w->model);
	}
	for (size_t i = 0; i < w->replies_count; i++)
		free((void *)(uintptr_t)w->replies[i].bytes);
	rig_free(&w->mcp);
}

/* --- what the model will answer --- */

static inline void model_raw(struct world *w, char *bytes)
{
	ensure(w->replies_count < SCRIPT_REQUESTS_MAX);
	w->replies[w->replies_count++] = (struct script_reply){bytes, SCRIPT_CLOSE};
	w->model->replies_count = w->replies_count;
}

/* message: the object of choices[0].message. */
static inline void model_message(struct world *w, const char *message, const char *finish)
{
	model_raw(w,
		  xasprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
			    "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":%s,\"finish_reason\":"
			    "\"%s\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}",
			    message, finish));
}

static inline void model_text(struct world *w, const char *text)
{
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	jw_object(&j);
	jw_kv_text(&j, "role", "assistant");
	jw_kv_text(&j, "content", text);
	jw_object_end(&j);
	model_message(w, buf_cstr(&b), "stop");
	buf_release(&b);
}

/* Pairs of name and arguments, NULL at the end. Ids are "t0", "t1", ... */
static inline void model_calls_stop(struct world *w, const char *finish, const char *const *pairs)
{
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	char id[16];
	jw_object(&j);
	jw_kv_text(&j, "role", "assistant");
	jw_name(&j, "tool_calls");
	jw_array(&j);
	for (int i = 0; pairs[i * 2] != NULL; i++) {
		snprintf(id, sizeof id, "t%d", i);
		jw_object(&j);
		jw_kv_text(&j, "id", id);
		jw_kv_text(&j, "type", "function");
		jw_name(&j, "function");
		jw_object(&j);
		jw_kv_text(&j, "name", pairs[i * 2]);
		jw_kv_text(&j, "arguments", pairs[i * 2 + 1]);
		jw_object_end(&j);
		jw_object_end(&j);
	}
	jw_array_end(&j);
	jw_object_end(&j);
	model_message(w, buf_cstr(&b), finish);
	buf_release(&b);
}
#define model_calls(w, ...) model_calls_stop((w), "tool_calls", (const char *[]){__VA_ARGS__, NULL, NULL})

static inline void model_finish(struct world *w, const char *status, const char *result)
{
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	jw_object(&j);
	jw_kv_text(&j, "status", status);
	jw_kv_text(&j, "result", result);
	jw_object_end(&j);
	model_calls(w, "finish_step", buf_cstr(&b));
	buf_release(&b);
}

/* A plan of steps given as JSON objects. */
static inline void model_plan(struct world *w, const char *steps)
{
	char *plan = xasprintf("{\"goal\":\"g\",\"assumptions\":[],\"questions\":[],\"steps\":[%s],"
			       "\"final_output\":\"a line\"}",
			       steps);
	model_text(w, plan);
	free(plan);
}

/* The messages of the n-th request (from 0), as JSON text: what the model was shown. */
static inline const char *model_shown(const struct world *w, size_t n)
{
	if (n >= w->model->requests_count)
		fail_msg("the model was asked %zu times only", w->model->requests_count);
	return strstr(w->model->requests[n], "\r\n\r\n") + 4;
}

/* --- tasks --- */

static inline void task_create_as(struct world *w, const char *prompt, const char *approval)
{
	char text[ID_TEXT_SIZE];
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	struct id id;
	struct error e = {0};
	id_new(&id);
	id_format(&id, text);
	jw_object(&j);
	jw_kv_text(&j, "task_id", text);
	jw_kv_text(&j, "prompt", prompt);
	jw_kv_text(&j, "approval", approval);
	jw_kv_raw(&j, "metadata", "{}", 2);
	jw_object_end(&j);
	if (task_create(w->other, &id, buf_slice(&b), &w->ref, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	buf_release(&b);
}

/* A task that runs without approval, given to the agent. */
static inline void task_give(struct world *w, const char *prompt)
{
	task_create_as(w, prompt, "auto");
	agent_on_work(w->agent);
}

/* A change by participant 0: with its lease, or a person's. */
static inline void task_change(struct world *w, enum event_type type, const char *data, enum task_state to,
			       const struct lease *l)
{
	struct task_event ev = {type, slice_str(data)};
	struct task_change c = {.events = &ev, .events_count = data != NULL, .to = to, .lease = l};
	struct error e = {0};
	if (task_move(w->other, w->ref, &c, NULL, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

/* The same while the task is participant 0's run. */
static inline void event(struct world *w, enum event_type type, const char *data, enum task_state to)
{
	task_change(w, type, data, to, &w->lease);
}

static inline struct task_head task_head(struct world *w)
{
	struct task_head h;
	assert_int_equal(task_head_get(w->s, w->ref, &h), ERR_NONE);
	return h;
}

static inline void task_woken(struct task_ref ref, void *arg)
{
	agent_on_task(((struct world *)arg)->agent, ref);
}

/* What a worker does when its descriptor becomes readable. */
static inline unsigned world_wake(struct world *w)
{
	unsigned what = wake_take(w->s, task_woken, w);
	if (what & (WAKE_WORK | WAKE_PEER_DIED))
		agent_on_work(w->agent);
	return what;
}

#define world_wait(w, condition) rig_wait(&(w)->mcp, condition)

static inline struct json *task_doc(struct world *w)
{
	struct buf b = BUF_INIT;
	struct error e = {0};
	assert_int_equal(task_doc_copy(w->s, w->ref, &b, NULL), ERR_NONE);
	struct json *doc = json_parse(b.data, b.len, 0, &e);
	assert_non_null(doc);
	buf_release(&b);
	return doc;
}

static inline struct json *task_end(struct world *w)
{
	world_wait(w, task_state_terminal(task_head(w).state));
	return task_doc(w);
}

/* The n-th event of a type (from 0) as JSON to be freed; NULL when there are not so many. */
static inline struct json *event_nth(struct world *w, enum event_type type, size_t n)
{
	struct event_cursor c;
	struct buf b = BUF_INIT;
	struct event_view v;
	struct json *found = NULL;
	event_cursor_init(&c, 0);
	assert_int_equal(task_events_copy(w->s, w->ref, &c, 4 << 20, &b, NULL), ERR_NONE);
	for (struct slice rest = buf_slice(&b); found == NULL && event_next(&rest, &v);)
		if (v.type == type && n-- == 0)
			found = json_parse(v.data.ptr, v.data.len, 0, NULL);
	buf_release(&b);
	return found;
}

static inline size_t events_count(struct world *w, enum event_type type)
{
	size_t n = 0;
	for (struct json *j; (j = event_nth(w, type, n)) != NULL; n++)
		json_free(j);
	return n;
}

static inline void assert_says(const char *text, const char *part)
{
	if (text == NULL || strstr(text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", text != NULL ? text : "(nothing)", part);
}

static inline void assert_silent(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("\"%s\" says \"%s\"", text, part);
}

/* The task ended in this state, for this reason (part of its error's message; NULL: not asked). */
static inline void assert_ended(struct world *w, const char *status, const char *why)
{
	struct json *doc = task_end(w);
	if (strcmp(json_get_text(doc, "status", ""), status) != 0)
		fail_msg("ended %s: %s", json_get_text(doc, "status", ""),
			 json_get_text(json_get(doc, "error"), "message", ""));
	if (why != NULL)
		assert_says(json_get_text(json_get(doc, "error"), "message", ""), why);
	json_free(doc);
}

/* Message of the n-th tool.failed. */
static inline void assert_call_refused(struct world *w, size_t n, const char *why)
{
	struct json *j = event_nth(w, EVENT_TOOL_FAILED, n);
	assert_non_null(j);
	assert_says(json_get_text(json_get(j, "error"), "message", NULL), why);
	json_free(j);
}

#define STEP(id, effect)                                                       \
	"{\"id\":\"" id "\",\"title\":\"title " id "\",\"objective\":\"do " id \
	"\",\"side_effects\":\"" effect "\"}"
#define STEP_AFTER(id, effect, deps, on_failure)                               \
	"{\"id\":\"" id "\",\"title\":\"title " id "\",\"objective\":\"do " id \
	"\",\"side_effects\":\"" effect "\",\"depends_on\":[" deps "],\"on_failure\":\"" on_failure "\"}"

#endif
