/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of a task as the server tells it (MCP extension io.modelcontextprotocol/tasks of 2026-07-28,
 * "Task Status Notifications"): a subscriptions/listen of the task's own, which lives as long as it does and
 * leaves that of the lists (session_listen.c) alone. It only makes things faster: as long as the server has
 * not acknowledged that it tells of this task, tasks/get is asked as if there were none, and after that still
 * now and then. A server that does not tell of tasks is not asked for that again; a stream that ends is not
 * opened again.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

enum { LISTENED_MAX = 64 /* tasks of one session, at a time; others are asked about */ };

static void ended(const struct answer *a, void *arg)
{
	struct protocol_task *t = arg;
	bool refused = a->rpc_code == RPC_METHOD_NOT_FOUND || a->rpc_code == RPC_INVALID_PARAMS ||
		       a->rpc_code == RPC_CAPABILITY_MISSING;
	t->session->tasks_untold = t->session->tasks_untold || refused;
	t->session->tasks_listened--;
	t->listen = 0;
	bool was_told = t->told;
	t->told = false;
	if (was_told && !t->query)
		task_poll_later(t);
}

void task_listen_start(struct protocol_task *t)
{
	struct session *s = t->session;
	struct buf params = BUF_INIT;
	struct request_handler h = {.on_end = ended, .arg = t};
	struct error e;
	if (s->tasks_untold || s->tasks_listened >= LISTENED_MAX)
		return;
	buf_add_str(&params, "{\"notifications\":{\"taskIds\":[");
	buf_add_slice(&params, buf_slice(&t->id));
	buf_add_str(&params, "]}}");
	t->listen = wire_request(s, "subscriptions/listen", buf_slice(&params), h, &e);
	s->tasks_listened += t->listen != 0;
	buf_release(&params);
}

void task_listen_stop(struct protocol_task *t)
{
	uint64_t id = t->listen;
	if (!id)
		return;
	t->listen = 0;
	t->told = false;
	t->session->tasks_listened--;
	if (t->session->closed)
		wire_forget(t->session, id);
	else
		session_cancel(t->session, id, "nobody waits for the task any more");
}

/* --- what it brings --- */

static struct protocol_task *task_of(const struct session *s, struct slice raw_id)
{
	uint64_t id = wire_id_number(raw_id);
	for (const struct request *r = id ? s->requests : NULL; r; r = r->next) {
		if (r->task && r->task->listen && wire_id_now(s, r->task->listen) == id)
			return r->task;
	}
	return NULL;
}

static bool granted(const struct protocol_task *t, struct slice notifications)
{
	struct slice ids = scan_member(notifications, "taskIds"), name, id;
	struct scan_iter it;
	bool found = false;
	if (!scan_open(ids, &it) || it.object)
		return false;
	while (!found && scan_next(&it, &name, &id))
		found = slice_eq(id, buf_slice(&t->id));
	return found;
}

static void acknowledged(struct protocol_task *t, struct slice params)
{
	if (t->told)
		return;
	t->told = granted(t, scan_member(params, "notifications"));
	if (!t->told) {
		t->session->tasks_untold = true;
		task_listen_stop(t);
	} else if (!t->query) {
		loop_timer_set(t->timer, 0); /* what changed before that was not told */
	}
}

/* What is being asked is answered by it; that answer might be older. */
static void status_told(struct protocol_task *t, struct slice params)
{
	if (!t->told)
		return;
	if (t->query)
		wire_forget(t->session, t->query);
	t->query = 0;
	t->take(t, params);
}

bool task_listen_takes(struct session *s, const struct scan_message *m)
{
	bool over = slice_eq_str(m->method, "notifications/cancelled");
	struct slice by_meta = scan_member(scan_member(m->params, "_meta"), SUBSCRIPTION_ID);
	struct protocol_task *t = task_of(s, over ? scan_member(m->params, "requestId") : by_meta);
	struct answer properly = {0};
	if (!t)
		return false;
	if (over) {
		wire_forget(s, t->listen);
		ended(&properly, t);
	} else if (slice_eq_str(m->method, "notifications/subscriptions/acknowledged")) {
		acknowledged(t, m->params);
	} else if (slice_eq_str(m->method, "notifications/tasks")) {
		status_told(t, m->params);
	}
	return true;
}
