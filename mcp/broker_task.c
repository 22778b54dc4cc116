/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of tasks, which workers tell: instances that were theirs end with them. A worker may die before it
 * has told, so each that comes is asked about all tasks that have instances: the one that comes in its place
 * makes up for it.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/broker_int.h"
#include "ipc/ipc.h"

void broker_task_ended_received(struct worker *w, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	const char *task_id = unpack_text(&u);
	if (!unpack_end(&u) || !task_id) {
		worker_cut(w, "its TASK_ENDED cannot be read");
		return;
	}
	for (size_t i = 0; i < w->broker->pools_count; i++)
		pool_task_ended(w->broker->pools[i], task_id);
}

void broker_tasks_ask(struct worker *w)
{
	for (size_t i = 0; i < w->broker->pools_count; i++) {
		const struct pool *p = w->broker->pools[i];
		for (size_t k = 0; k < p->count; k++) {
			struct buf body = BUF_INIT;
			const struct server *s = p->instances[k];
			if (!s->task_id || !*s->task_id || s->retired)
				continue;
			pack_text(&body, s->task_id);
			worker_send(w, IPC_TASK_ASKED, 0, buf_slice(&body));
			buf_release(&body);
		}
	}
}
