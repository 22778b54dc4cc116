/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task of the modern wire wants to know while it runs (MCP extension io.modelcontextprotocol/tasks of
 * 2026-07-28, "Task Update Requests"). Each status lists all that is open, under keys that are never used
 * twice: a key that is new becomes an ask (session_ask.c) of the call, one that was asked or answered before
 * is left alone, and an ask whose key is no longer listed is over. Once nothing is being asked, all answers
 * that the server has not got go to it in one tasks/update, since it need not take a part of them. A lost one
 * is sent again with the next status.
 *
 * The call ends with an error, and the task is cancelled, when the server asks too often, when it asks for
 * something of no known kind, or when an ask is refused: this wire has no word for that.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdlib.h>

enum { INPUTS_MAX = 64 /* in one status */, KEY_BYTES_MAX = 1024 };

struct input {
	struct input *next;
	struct task_inputs *all;
	struct buf key;    /* as it came, between its quotes */
	struct buf answer; /* empty: it is being asked, or the server has it */
	bool asked;        /* and not answered yet */
	bool under_way;    /* in the update that is */
	bool listed;       /* by the last status */
};

struct task_inputs {
	struct protocol_task *task;
	struct input *list;
	int rounds; /* in which something new was asked */
	int lost;   /* updates in a row */
	uint64_t update;
	struct error refused; /* an ask was */
};

static void input_free(struct input *i)
{
	buf_release(&i->key);
	buf_release(&i->answer);
	free(i);
}

void task_inputs_free(struct protocol_task *t)
{
	struct task_inputs *all = t->inputs;
	if (!all)
		return;
	if (all->update)
		wire_forget(t->session, all->update);
	loop_defer_cancel(t->session->loop, all);
	for (struct input *i = all->list, *next; i; i = next) {
		next = i->next;
		input_free(i);
	}
	free(all);
	t->inputs = NULL;
}

/* --- the way back --- */

static void update_answered(const struct answer *a, void *arg)
{
	struct task_inputs *all = arg;
	bool lost = a->error.code == ERR_LOST || a->error.code == ERR_UNAVAILABLE;
	struct error e = a->error;
	all->update = 0;
	all->lost = lost ? all->lost + 1 : 0;
	for (struct input *i = all->list; i; i = i->next) {
		if (i->under_way && !lost)
			buf_reset(&i->answer);
		i->under_way = false;
	}
	if (lost && all->lost <= TASK_FAILURES_MAX) {
		task_poll_after_loss(all->task, all->lost);
	} else if (e.code) {
		err_prefix(&e, "tasks/update");
		task_abandon(all->task, &e);
	}
}

/* Member inputResponses; false: there is nothing to tell, or it is not the time. */
static bool responses_write(struct task_inputs *all, struct buf *out)
{
	for (const struct input *i = all->list; i; i = i->next) {
		if (i->asked)
			return false;
	}
	for (struct input *i = all->list; i; i = i->next) {
		if (!i->answer.len)
			continue;
		buf_add_str(out, out->len ? ",\"" : "\"inputResponses\":{\"");
		buf_add_slice(out, buf_slice(&i->key));
		buf_add_str(out, "\":");
		buf_add_slice(out, buf_slice(&i->answer));
		i->under_way = true;
	}
	if (out->len)
		buf_add_char(out, '}');
	return out->len > 0;
}

/* At the bottom of the loop: an answer is told from within its ask. */
static void update_send(void *arg)
{
	struct task_inputs *all = arg;
	struct protocol_task *t = all->task;
	struct buf responses = BUF_INIT;
	struct request_handler h = {.on_end = update_answered, .arg = all};
	struct error e = all->refused;
	if (!e.code && !all->update && responses_write(all, &responses))
		all->update = task_request(t->session, "tasks/update", &t->id, buf_slice(&responses), h, &e);
	buf_release(&responses);
	if (e.code)
		task_abandon(t, &e);
}

static void answered(const struct ask_reply *reply, void *arg)
{
	struct input *i = arg;
	struct task_inputs *all = i->all;
	i->asked = false;
	if (reply->result.len)
		buf_add_slice(&i->answer, reply->result);
	else if (!all->refused.code)
		err_set(&all->refused, ERR_UPSTREAM,
			"the server needs an answer to go on, which was refused: %.200s", reply->message);
	loop_defer(all->task->session->loop, update_send, all);
}

/* --- what is wanted --- */

static struct input *input_find(const struct task_inputs *all, struct slice key)
{
	struct input *i = all->list;
	while (i && !slice_eq(buf_slice(&i->key), key))
		i = i->next;
	return i;
}

static enum err keys_mark(struct task_inputs *all, struct slice requests, bool *news, struct error *e)
{
	struct scan_iter it;
	struct slice key, value;
	size_t count = 0;
	if (!scan_open(requests, &it) || !it.object)
		return err_set(e, ERR_UPSTREAM, "the inputRequests of the server's task are no object");
	while (scan_next(&it, &key, &value)) {
		struct input *i = input_find(all, key);
		*news = *news || !i;
		if (i)
			i->listed = true;
		if (++count > INPUTS_MAX)
			return err_set(e, ERR_UPSTREAM, "the server asks more than %d things at once",
				       INPUTS_MAX);
		if (key.len > KEY_BYTES_MAX)
			return err_set(e, ERR_UPSTREAM,
				       "a key of the server's inputRequests has %zu bytes, the limit is %d",
				       key.len, KEY_BYTES_MAX);
	}
	return ERR_NONE;
}

/* What was asked and is not listed any more is over, and its key is free; what the server has got may yet be
 * listed by a status that is older, and is remembered. */
static void unlisted_drop(struct task_inputs *all)
{
	for (struct input **at = &all->list; *at;) {
		struct input *i = *at;
		if (i->listed || i->under_way || (!i->asked && !i->answer.len)) {
			at = &i->next;
			continue;
		}
		*at = i->next;
		if (i->asked)
			ask_withdraw_of(all->task->session, i);
		input_free(i);
	}
}

static enum err input_add(struct task_inputs *all, struct slice key, struct slice asked, struct error *e)
{
	struct input *i = xcalloc(1, sizeof(*i));
	i->all = all;
	i->asked = i->listed = true;
	buf_add_slice(&i->key, key);
	i->next = all->list;
	all->list = i;
	return input_ask(all->task->session, all->task->call, asked, (struct ask_sink){answered, i}, e);
}

static enum err news_ask(struct task_inputs *all, struct slice requests, struct error *e)
{
	struct scan_iter it;
	struct slice key, value;
	enum err rc = ERR_NONE;
	int max = all->task->session->limits.input_rounds_max;
	if (all->rounds >= max)
		return err_set(e, ERR_UPSTREAM,
			       "the server required input %d times, the limit (tools.input_rounds)", max);
	all->rounds++;
	scan_open(requests, &it);
	while (!rc && scan_next(&it, &key, &value)) {
		if (!input_find(all, key))
			rc = input_add(all, key, value, e);
	}
	return rc;
}

enum err task_inputs_take(struct protocol_task *t, struct slice requests, struct error *e)
{
	struct task_inputs *all = t->inputs;
	bool news = false;
	if (!all && !requests.len)
		return ERR_NONE;
	if (!all) {
		all = t->inputs = xcalloc(1, sizeof(*all));
		all->task = t;
	}
	for (struct input *i = all->list; i; i = i->next)
		i->listed = false;
	enum err rc = requests.len ? keys_mark(all, requests, &news, e) : ERR_NONE;
	if (rc)
		return rc;
	unlisted_drop(all);
	if (news && news_ask(all, requests, e) != ERR_NONE)
		return e->code;
	loop_defer_cancel(t->session->loop, all);
	loop_defer(t->session->loop, update_send, all);
	return ERR_NONE;
}
