/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tasks this worker runs. Leases are taken while there is room; what is left stays in the store for
 * others. The agent is told of changes by the worker and never asks: when nothing happens, nothing runs.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

static bool task_is_over(const char *task_id, void *arg);
static void catalog_changed(void *arg);
static struct run *run_find(const struct agent *a, struct task_ref ref);
static void last_words_check(struct agent *a);
static void drain_check(struct agent *a);

static void last_word_free(struct agent *a, struct last_word **at)
{
	struct last_word *w = *at;
	*at = w->next;
	task_unwatch(a->store, w->ref);
	free(w);
}

struct agent *agent_new(struct loop *l, struct store *s, struct llm *m, struct mcp_client *c,
			struct archive *archive, const struct agent_options *o)
{
	struct agent *a = xcalloc(1, sizeof *a);
	*a = (struct agent){.loop = l, .store = s, .llm = m, .mcp = c, .archive = archive, .options = *o};
	mcp_client_on_change(c, catalog_changed, a);
	mcp_client_on_task_asked(c, task_is_over, a);
	return a;
}

void agent_free(struct agent *a)
{
	a->draining = true;
	a->drained = NULL;
	while (a->runs != NULL)
		run_drop(a->runs, true);
	while (a->last_words != NULL)
		last_word_free(a, &a->last_words);
	mcp_client_on_change(a->mcp, NULL, NULL);
	mcp_client_on_task_asked(a->mcp, NULL, NULL);
	for (struct text_list *t; (t = a->unchecked) != NULL; free(t))
		a->unchecked = t->next;
	tool_index_free(a->tool_index);
	a->tool_index = NULL;
	loop_defer(a->loop, free, a);
}

void agent_on_work(struct agent *a)
{
	struct lease l;
	while (agent_begins(a) && a->runs_count < (size_t)a->options.runs_max && lease_next(a->store, &l))
		run_start(a, &l);
}

void agent_on_task(struct agent *a, struct task_ref ref)
{
	struct task_head head;
	struct run *r = run_find(a, ref);
	last_words_check(a);
	if (r == NULL)
		return;
	bool gone = task_head_get(a->store, ref, &head) != ERR_NONE;
	if (gone || task_state_terminal(head.state) || !head.leased || head.lease_epoch != r->lease.epoch)
		run_drop(r, false);
	else if (r->watched || r->ask_shown != NULL)
		run_wake(r); /* more of it is durable, or a person has answered */
}

void agent_on_health(struct agent *a)
{
	for (struct run *r = a->runs; r != NULL; r = r->next)
		run_wake(r);
	last_words_check(a);
	agent_on_work(a);
}

void agent_drain(struct agent *a, loop_fn *fn, void *arg)
{
	a->draining = true;
	a->drained = fn;
	a->drained_arg = arg;
	/* What we were woken for and will not take now: whoever has room must hear of it. */
	lease_decline(a->store);
	for (struct run *r = a->runs; r != NULL; r = r->next)
		run_wake(r);
	drain_check(a);
}

size_t agent_runs(const struct agent *a)
{
	return a->runs_count;
}

bool agent_begins(const struct agent *a)
{
	return !a->draining && store_accepts(a->store, NULL) == ERR_NONE;
}

struct tool_index *agent_tool_index(struct agent *a)
{
	const struct mcp_catalog *c = mcp_client_catalog(a->mcp);
	if (a->tool_index == NULL || tool_index_catalog(a->tool_index) != c) {
		tool_index_free(a->tool_index);
		a->tool_index = tool_index_new(c);
	}
	mcp_catalog_drop(c);
	return a->tool_index;
}

bool agent_is_offline(const struct agent *a, enum llm_role r)
{
	return llm_is_offline(a->llm, r);
}

void agent_run_ended(struct agent *a, const struct run *r)
{
	if (!a->draining || r->last_seq == 0 || task_watch(a->store, r->lease.ref) != ERR_NONE)
		return;
	struct last_word *w = xcalloc(1, sizeof *w);
	*w = (struct last_word){.next = a->last_words, .ref = r->lease.ref, .seq = r->last_seq};
	a->last_words = w;
}

void agent_task_check(struct agent *a, struct task_ref ref)
{
	struct task_head head;
	char task_id[ID_TEXT_SIZE];
	if (task_head_get(a->store, ref, &head) != ERR_NONE || !task_state_terminal(head.state))
		return;
	id_format(&head.id, task_id);
	mcp_client_task_ended(a->mcp, task_id);
}

void agent_run_freed(struct agent *a)
{
	last_words_check(a);
	drain_check(a);
	agent_on_work(a);
}

/* --- helpers --- */

/* Of those that have left the table only finished ones have. */
static bool task_is_over(const char *task_id, void *arg)
{
	struct agent *a = arg;
	struct task_head head;
	struct task_ref ref;
	struct id id;
	if (!id_parse(task_id, strlen(task_id), &id))
		return true;
	if (!task_find(a->store, &id, &ref) || task_head_get(a->store, ref, &head) != ERR_NONE)
		return store_accepts(a->store, NULL) == ERR_NONE; /* else it may be that it is not back yet */
	return task_state_terminal(head.state);
}

static void catalog_changed(void *arg)
{
	struct agent *a = arg;
	for (struct run *r = a->runs; r != NULL; r = r->next)
		run_wake(r);
}

static struct run *run_find(const struct agent *a, struct task_ref ref)
{
	for (struct run *r = a->runs; r != NULL; r = r->next)
		if (r->lease.ref.slot == ref.slot && r->lease.ref.gen == ref.gen)
			return r;
	return NULL;
}

/* What cannot become durable is not waited for. */
static void last_words_check(struct agent *a)
{
	bool takes = store_accepts(a->store, NULL) == ERR_NONE;
	struct task_head head;
	if (a->last_words == NULL)
		return;
	for (struct last_word **at = &a->last_words; *at != NULL;) {
		struct last_word *w = *at;
		if (takes && task_head_get(a->store, w->ref, &head) == ERR_NONE && head.durable_seq < w->seq)
			at = &w->next;
		else
			last_word_free(a, at);
	}
	drain_check(a);
}

static void drain_check(struct agent *a)
{
	loop_fn *fn = a->drained;
	if (!a->draining || fn == NULL || a->runs != NULL || a->last_words != NULL)
		return;
	a->drained = NULL;
	fn(a->drained_arg);
}
