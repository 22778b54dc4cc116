/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run rebuilt from what there is of its task: the document gives prompt, plan and finished steps; the
 * events give the conversation of steps that were under way (replay.c). What the table does not have of them
 * any more, after a restart of the service say, is asked from the archive, without blocking: the run waits
 * for it before it goes on. A model call in flight is made again; what becomes of tool calls is doubt.c's.
 *
 * An archive that cannot answer now is asked again after a while: that is no reason to fail a task.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { READ_BYTES = 256 * 1024, ARCHIVE_AGAIN_MS = 1000 };

static enum err document_load(struct run *r, struct error *e);
static void fence_make(struct run *r);
static void plan_forget(struct run *r);
static enum resume events_load(struct run *r, struct error *e);
static enum err table_read(struct run *r, struct error *e);
static enum err events_replay(struct run *r, struct slice sse, struct error *e);
static void archive_ask(struct run *r);
static void archive_answered(const struct archive_answer *a, void *arg);

enum resume resume_pump(struct run *r)
{
	if (r->load_error.code == ERR_NONE && !r->documented)
		(void)document_load(r, &r->load_error);
	r->documented = true;
	if (r->load_error.code != ERR_NONE)
		return RESUME_FAILED;
	if (r->loading != NULL || clock_mono_ms() < r->load_again_mono_ms)
		return RESUME_WAITS;
	enum resume end = events_load(r, &r->load_error);
	if (end != RESUME_DONE)
		return end;
	int64_t since_ms = r->works_since_ms != 0 ? clock_wall_ms() - r->works_since_ms : 0;
	r->deadline_mono_ms -= r->worked_ms + (since_ms > 0 ? since_ms : 0);
	if (r->state == TASK_PLANNING && r->replans == 0)
		plan_forget(r);
	budget_loaded(r);
	/* Who asked is lost with the call that was under way. */
	if (!asks_hush(r, "the call that asked was lost"))
		return RESUME_WAITS;
	if (r->plan != NULL)
		doubts_settle(r);
	return RESUME_DONE;
}

/* --- helpers --- */

static enum approval approval_of(const char *text)
{
	return strcmp(text, "auto") == 0     ? APPROVAL_AUTO
	       : strcmp(text, "policy") == 0 ? APPROVAL_POLICY
					     : APPROVAL_REQUIRED;
}

static enum err document_load(struct run *r, struct error *e)
{
	struct task_head head;
	struct buf text = BUF_INIT;
	enum err code = task_doc_copy_newest(r->agent->store, r->lease.ref, &text, &head);
	if (code != ERR_NONE) {
		buf_release(&text);
		return err_set(e, code, "the task's document cannot be read");
	}
	struct json *doc = json_parse(text.data, text.len, JSON_DEPTH_MAX, e);
	buf_release(&text);
	if (doc == NULL)
		return ERR_JSON;
	r->state = head.state;
	r->id = head.id;
	r->last_seq = head.last_seq;
	r->load_durable_seq = head.durable_seq;
	/* A task nobody has touched has nothing to tell but its creation, and that only of an earlier one. */
	r->load_seq = head.last_seq == 1 && json_get(doc, "parent") == NULL ? 1 : 0;
	id_format(&head.id, r->task_id);
	r->prompt = xstrdup(json_get_text(doc, "prompt", ""));
	fence_make(r);
	budget_load(r, doc);
	r->approval = approval_of(json_get_text(doc, "approval", "required"));
	if (json_get(doc, "output_schema") != NULL)
		r->output_schema = json_copy(json_get(doc, "output_schema"));
	const struct json *plan = json_get(doc, "plan");
	if (json_is(plan, JSON_OBJECT)) {
		r->plan_version = (uint64_t)json_get_integer(plan, "version", 0);
		if (r->state == TASK_RUNNING || r->state == TASK_PLANNING || r->state == TASK_INPUT_REQUIRED)
			code = plan_adopt(r, plan, e);
	} else if (r->state == TASK_RUNNING) {
		code = err_set(e, ERR_INTERNAL, "the task is running but has no plan");
	}
	json_free(doc);
	return code;
}

/* Nothing that a tool server is told leads to it: ids of tasks are in the keys of their calls. */
static void fence_make(struct run *r)
{
	const char *marks = r->agent->options.marks;
	if (marks == NULL) {
		snprintf(r->fence, sizeof r->fence, "%016llx", (unsigned long long)random_u64());
		return;
	}
	char hex[SHA256_HEX_SIZE];
	char *both = xasprintf("%s\n%s", marks, r->prompt);
	sha256_hex(both, strlen(both), hex);
	snprintf(r->fence, sizeof r->fence, "%.*s", (int)sizeof r->fence - 1, hex);
	free(both);
}

enum err plan_adopt(struct run *r, const struct json *plan, struct error *e)
{
	const struct mcp_catalog *catalog = mcp_client_catalog(r->agent->mcp);
	r->plan = plan_load(plan, catalog, e);
	mcp_catalog_drop(catalog);
	if (r->plan == NULL)
		return e->code;
	for (const struct json *j = json_first(json_get(plan, "steps")); j != NULL; j = json_next(j)) {
		const char *status = json_get_text(j, "status", "");
		size_t i;
		if (plan_step_find(r->plan, json_get_text(j, "id", NULL), &i) == NULL)
			continue;
		if (strcmp(status, "completed") == 0) {
			r->steps[i].status = STEP_COMPLETED;
			free(r->steps[i].result);
			r->steps[i].result = xstrdup(json_get_text(j, "result", ""));
		} else if (strcmp(status, "skipped") == 0) {
			r->steps[i].status = STEP_SKIPPED;
		}
	}
	return ERR_NONE;
}

/* A plan of which nothing was carried out is not revised: another is made. */
static void plan_forget(struct run *r)
{
	for (size_t i = 0; i < PLAN_STEPS_MAX; i++) {
		ensure(r->steps[i].exec == NULL);
		free(r->steps[i].result);
		free(r->steps[i].error);
		r->steps[i] = (struct run_step){0};
	}
	plan_free(r->plan);
	r->plan = NULL;
}

static enum resume events_load(struct run *r, struct error *e)
{
	struct task_head head;
	for (;;) {
		if (task_head_get(r->agent->store, r->lease.ref, &head) != ERR_NONE) {
			err_set(e, ERR_GONE, "the task is no longer kept");
			return RESUME_FAILED;
		}
		if (r->load_seq >= head.last_seq)
			return RESUME_DONE;
		if (r->load_seq + 1 < head.first_seq && r->agent->archive == NULL) {
			err_set(e, ERR_GONE, "the task's events are no longer kept");
			return RESUME_FAILED;
		}
		if (r->load_seq + 1 < head.first_seq) {
			archive_ask(r);
			return RESUME_WAITS;
		}
		if (table_read(r, e) != ERR_NONE)
			return RESUME_FAILED;
	}
}

/* Some more of what the table has. No error when it has lost that meanwhile: the archive has it then. */
static enum err table_read(struct run *r, struct error *e)
{
	struct event_cursor cursor;
	struct buf sse = BUF_INIT;
	event_cursor_init_newest(&cursor, r->load_seq);
	enum err code = task_events_copy(r->agent->store, r->lease.ref, &cursor, READ_BYTES, &sse, NULL);
	if (code == ERR_NONE)
		code = events_replay(r, buf_slice(&sse), e);
	else if (code == ERR_GONE)
		code = ERR_NONE;
	else
		err_set(e, code, "the task's events cannot be read");
	buf_release(&sse);
	return code;
}

static enum err events_replay(struct run *r, struct slice sse, struct error *e)
{
	struct event_view view;
	while (event_next(&sse, &view)) {
		struct json *data = json_parse(view.data.ptr, view.data.len, JSON_DEPTH_MAX, e);
		if (data == NULL)
			return err_prefix(e, "event %llu", (unsigned long long)view.seq);
		event_replay(r, view.type, data);
		json_free(data);
		r->load_seq = view.seq;
	}
	return ERR_NONE;
}

static void archive_ask(struct run *r)
{
	r->loading = archive_events(r->agent->archive, &r->id, r->load_seq, READ_BYTES, archive_answered, r);
}

static void archive_answered(const struct archive_answer *a, void *arg)
{
	struct run *r = arg;
	uint64_t before = r->load_seq;
	r->loading = NULL;
	if (a->error.code == ERR_NOT_FOUND) {
		err_set(&r->load_error, ERR_GONE, "the task's events are no longer kept");
	} else if (a->error.code != ERR_NONE) {
		log_warn("the events of a task cannot be read now: its run waits",
			 LF_STR("task_id", r->task_id), LF_STR("error", a->error.msg));
		r->load_again_mono_ms = clock_mono_ms() + ARCHIVE_AGAIN_MS;
		run_timer_arm(r);
	} else if (events_replay(r, a->bytes, &r->load_error) == ERR_NONE && r->load_seq == before) {
		err_set(&r->load_error, ERR_INTERNAL, "the archive lacks the events after %llu",
			(unsigned long long)before);
	}
	run_wake(r);
}
