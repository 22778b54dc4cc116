/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of the handshake wire (MCP 2025-11-25, basic/utilities/tasks). Which calls ask for one:
 * session_task_tools.c; the life of one: session_task.c. What is of this wire alone: the answer holds the
 * task in a member, and tasks/result is asked as soon as the task has ended or wants input. That is where the
 * server's question comes, and the final result, or the error that the call would have had.
 *
 * An error -32042 is no end: the addresses it lists are asked for, and then the call is made once more, as a
 * new task.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <string.h>

static void status_take(struct protocol_task *t, struct slice status);

void task_begin(struct session *s, uint64_t id)
{
	task_new(s, wire_find(s, id), status_take);
}

/* Its call rests until it is made again; then there is another task. */
static void begin_again(struct protocol_task *t)
{
	if (t->query)
		wire_forget(t->session, t->query);
	t->query = t->seen = 0;
	t->failures = 0;
	t->ended = false;
	buf_reset(&t->id);
	loop_timer_set(t->timer, -1);
}

static void result_answered(const struct answer *a, void *arg)
{
	struct protocol_task *t = arg;
	struct answer seen = *a;
	t->result = 0;
	if (task_asks_again(t, a))
		return;
	if (t->call->repeat && urls_take(t->session, t->call, a, &seen)) {
		begin_again(t);
		return;
	}
	if (seen.error.code)
		err_prefix(&seen.error, "tasks/result");
	task_end(t, &seen);
}

/* An object with status and pollInterval. */
static void status_take(struct protocol_task *t, struct slice status)
{
	struct error e;
	char word[32];
	fact_copy(status, "status", word, sizeof(word));
	task_times_take(t, scan_member(status, "pollInterval"), scan_member(status, "ttl"));
	task_progress(t, status);
	bool input = strcmp(word, "input_required") == 0;
	t->ended = strcmp(word, "completed") == 0 || strcmp(word, "failed") == 0;
	if (strcmp(word, "cancelled") == 0) {
		task_ended_by_server(t, status);
	} else if (!t->ended && !input && strcmp(word, "working") != 0) {
		task_status_unknown(word, &e);
		task_fail(t, &e);
	} else {
		loop_timer_set(t->timer, t->ended ? -1 : t->poll_ms);
		if ((t->ended || input) && !t->result)
			task_ask(t, "tasks/result", &t->result, result_answered);
	}
}

bool task_take(struct session *s, struct request *call, const struct answer *a)
{
	struct protocol_task *t = call->task;
	struct slice task = scan_member(a->result, "task");
	struct error e;
	if (a->error.code || !task.len)
		return false;
	if (task_name(t, scan_member(task, "taskId"), &e) != ERR_NONE) {
		task_fail(t, &e);
		return true;
	}
	if (t->cancelled) {
		task_cancel_send(s, &t->id);
		wire_forget(s, call->id);
		return true;
	}
	wire_rest(s, call);
	status_take(t, task);
	return true;
}

void task_status_received(struct session *s, struct slice params)
{
	struct request *call = task_call_of(s, scan_member(params, "taskId"));
	if (call && !call->task->ended)
		status_take(call->task, params);
}
