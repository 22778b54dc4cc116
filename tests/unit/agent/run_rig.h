/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of runs share: a real store with two participants, a real broker with at most one scripted
 * tool server ("fake": echo{text} and sleep{ms} read, count{file} writes), and a model, either the offline
 * one or a scripted HTTP server that gives prepared answers in order. Participant 1 is the agent under test;
 * participant 0 is a person's worker: it creates, approves, cancels, and may have died with a run. In a world
 * that keeps, participant 2 is the keeper: world_commit is one transaction of it, into the fake archive.
 */
#ifndef TESTS_UNIT_AGENT_RUN_RIG_H
#define TESTS_UNIT_AGENT_RUN_RIG_H

#include "tests/unit/mcp/rig.h"
#include "tests/unit/llm/http_script.h"
#include "tests/unit/agent/fake_archive.h"
#include "agent/agent_int.h"
#include "store/store_db.h"

struct world {
	struct rig mcp;
	struct loop *loop; /* the rig's */
	struct script_server *model;
	struct script_reply replies[SCRIPT_REQUESTS_MAX];
	size_t replies_count;
	struct store *created, *other, *s, *keeper; /* keeper: NULL without */
	struct archive archive;
	struct llm *llm;
	struct agent_options options;
	struct agent *agent;
	struct task_ref ref;
	struct lease lease; /* of participant 0 */
	bool drained;
};

#include "tests/unit/agent/run_model.h"

static inline struct agent_options world_options(void)
{
	return (struct agent_options){.runs_max = 4,
				      .parallel_steps = 4,
				      .steps_max = 20,
				      .turns_max = 8,
				      .calls_max = 16,
				      .replans_max = 3,
				      .context_tokens_max = 100000,
				      .tools_offered_max = 20,
				      .answer_percent = 15,
				      .call_output_tokens = 1000,
				      .tools_wait_ms = 10000,
				      .task_ms_max = 60000,
				      .repeat_wait_ms = 20,
				      .tool_result_bytes_max = 65536,
				      .tool_result_parts_max = 3,
				      .tool_context_bytes_max = 10240};
}

static inline void world_store(struct world *w, uint32_t task_events_max, bool keeps)
{
	struct store_options so = {.bytes = 4 << 20,
				   .tasks_max = 8,
				   .procs_max = keeps ? 3 : 2,
				   .task_events_max = task_events_max,
				   .task_bytes_max = 1 << 20,
				   .live_ring_bytes = 4096,
				   .keeper = keeps};
	struct error e = {0};
	if (store_create(&so, &w->created, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	for (uint32_t i = 0; i < so.procs_max; i++)
		store_proc_started(w->created, i, (int)i + 1);
	w->other = store_attach(w->created, 0);
	w->s = store_attach(w->created, 1);
	if (!keeps)
		return;
	w->keeper = store_attach(w->created, 2);
	w->archive.loop = w->loop;
	store_health_set(w->keeper, STORE_WORKS, "");
}

static inline void agent_make(struct world *w)
{
	w->agent = agent_new(w->loop, w->s, w->llm, w->mcp.client, w->keeper != NULL ? &w->archive : NULL,
			     &w->options);
}

/* fake_mode: of tests/fake/mcp_fake, NULL for no tool server. The caller may change w->options before the
 * first task. offline: no scripted model. */
static inline void world_open_full(struct world *w, const char *const *fake_args, bool offline, bool keeps)
{
	struct llm_options lo = {.api = LLM_OFFLINE, .concurrency_max = 8};
	char url[64];
	*w = (struct world){.options = world_options()};
	rig_init(&w->mcp);
	w->loop = w->mcp.loop;
	if (fake_args != NULL) {
		if (access(rig_fake(), X_OK) != 0)
			fail_msg("%s is missing: make fakes", rig_fake());
		/* count writes where a test says; what confines servers is tested elsewhere. */
		rig_add(&w->mcp, "fake", rig_fake(), fake_args)->sandbox.off = true;
	}
	rig_start(&w->mcp);
	rig_settle(&w->mcp);
	world_store(w, 1000, keeps);
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
	w->llm = llm_new(w->loop, &(struct llm_setup){.providers = &lo, .providers_count = 1});
	agent_make(w);
}

static inline void world_open_as(struct world *w, const char *fake_mode, bool offline, bool keeps)
{
	static const char *args[2];
	args[0] = fake_mode;
	world_open_full(w, fake_mode != NULL ? args : NULL, offline, keeps);
}

/* A scripted model, and a tool server with these arguments (they must stay). */
static inline void world_open_args(struct world *w, const char *const *fake_args)
{
	world_open_full(w, fake_args, false, false);
}

static inline void world_open(struct world *w, const char *fake_mode, bool offline)
{
	world_open_as(w, fake_mode, offline, false);
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
	if (w->keeper != NULL) {
		store_detach(w->keeper);
		fake_archive_release(&w->archive);
	}
	store_destroy(w->created);
	if (w->model != NULL) {
		assert_int_equal(w->model->requests_count, w->replies_count);
		script_close(w->model);
	}
	for (size_t i = 0; i < w->replies_count; i++)
		free((void *)(uintptr_t)w->replies[i].bytes);
	rig_free(&w->mcp);
}

/* --- tasks --- */

/* budget: a JSON object; NULL: none. */
static inline void task_create_with(struct world *w, const char *prompt, const char *approval,
				    const char *budget)
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
	if (budget != NULL)
		jw_kv_raw(&j, "budget", budget, strlen(budget));
	jw_object_end(&j);
	if (task_create(w->other, &id, buf_slice(&b), &w->ref, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	buf_release(&b);
}

static inline void task_create_as(struct world *w, const char *prompt, const char *approval)
{
	task_create_with(w, prompt, approval, NULL);
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

/* What a person says of what the task waits for, as the route for it writes it, and the state after it. */
static inline void task_input_to(struct world *w, const char *id, const char *action, const char *content,
				 enum task_state to)
{
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	struct error e = {0};
	jw_object(&j);
	jw_kv_text(&j, "id", id);
	jw_kv_text(&j, "action", action);
	jw_kv_text(&j, "content", content);
	jw_kv_text(&j, "by", "person");
	jw_object_end(&j);
	struct task_event events[] = {{EVENT_TASK_INPUT, buf_slice(&b)},
				      {EVENT_TASK_PENDING, SLICE_LIT("{\"pending\":null}")}};
	struct task_change c = {.events = events, .events_count = 2, .to = to};
	if (task_move(w->other, w->ref, &c, NULL, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	buf_release(&b);
	agent_on_work(w->agent);
}

/* Of a call in doubt. */
static inline void task_input(struct world *w, const char *id, const char *action, const char *content)
{
	task_input_to(w, id, action, content, TASK_RUNNING);
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
	if (what & WAKE_HEALTH)
		agent_on_health(w->agent);
	if (what & (WAKE_WORK | WAKE_PEER_DIED))
		agent_on_work(w->agent);
	return what;
}

static inline void task_commit(const struct task_unsaved *t, void *arg)
{
	struct world *w = arg;
	buf_add_slice(&w->archive.events, t->events);
	unsaved_done(w->keeper, t->ref, t->last_seq, t->state, t->doc);
}

/* Everything that is new becomes durable, and the agent hears of it. */
static inline void world_commit(struct world *w)
{
	unsaved_take(w->keeper, 8, 1 << 20, task_commit, w);
	world_wake(w);
}

#define world_wait(w, condition) rig_wait(&(w)->mcp, condition)

/* The same in a world that keeps: the keeper commits all the while. */
#define world_wait_keeping(w, condition)                               \
	do {                                                           \
		int64_t until_ms = clock_mono_ms() + RIG_WAIT_MS;      \
		while (!(condition) && clock_mono_ms() < until_ms) {   \
			loop_turn((w)->loop, 5);                       \
			world_commit(w);                               \
		}                                                      \
		if (!(condition))                                      \
			fail_msg("waited in vain for %s", #condition); \
	} while (0)

static inline struct json *task_doc(struct world *w)
{
	struct buf b = BUF_INIT;
	struct error e = {0};
	assert_int_equal(task_doc_copy_newest(w->s, w->ref, &b, NULL), ERR_NONE);
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
	event_cursor_init_newest(&c, 0);
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

/* The service is started again: what is left of the task is what the keeper has committed. */
static inline void world_restart(struct world *w)
{
	struct buf doc = BUF_INIT;
	struct task_head h;
	struct error e = {0};
	assert_int_equal(task_doc_copy(w->s, w->ref, &doc, &h), ERR_NONE);
	agent_free(w->agent);
	loop_turn(w->loop, 0);
	store_detach(w->other);
	store_detach(w->s);
	store_detach(w->keeper);
	store_destroy(w->created);
	world_store(w, 1000, true);
	struct task_saved saved = {.id = h.id,
				   .state = h.state,
				   .last_seq = h.last_seq,
				   .created_ms = h.created_ms,
				   .updated_ms = h.updated_ms,
				   .doc = buf_slice(&doc)};
	if (task_restore(w->keeper, &saved, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	assert_true(task_find(w->s, &h.id, &w->ref));
	buf_release(&doc);
	agent_make(w);
}

/* One reading or writing step, in which the model makes these calls and then finishes. */
#define step_with(w, effect, ...)                     \
	do {                                          \
		model_plan((w), STEP("s1", effect));  \
		model_calls((w), __VA_ARGS__);        \
		model_finish((w), "success", "done"); \
		model_text((w), "The end.");          \
		task_give((w), "call");               \
		assert_ended((w), "completed", NULL); \
	} while (0)

#endif
