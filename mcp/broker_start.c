/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local servers take turns in starting: a program that starts costs the machine more than one that runs, and
 * hundreds of them at once would all be too slow. Those over the limit wait in the order in which they came.
 * Remote servers cost nothing here and do not wait.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/broker_int.h"

static bool has_room(const struct mcp_broker *b)
{
	return !b->options.starts_max || b->starting < b->options.starts_max;
}

bool broker_start_enter(struct mcp_broker *b, struct server *s)
{
	ensure(!s->starting && !s->queued);
	if (s->options->transport != MCP_STDIO)
		return true;
	if (has_room(b) && !b->start_first) {
		s->starting = true;
		b->starting++;
		return true;
	}
	s->queued = true;
	s->gate_next = NULL;
	if (b->start_last)
		b->start_last->gate_next = s;
	else
		b->start_first = s;
	b->start_last = s;
	return false;
}

static void start_unlink(struct mcp_broker *b, struct server *s)
{
	struct server **at = &b->start_first, *before = NULL;
	while (*at != s) {
		before = *at;
		at = &before->gate_next;
	}
	*at = s->gate_next;
	if (b->start_last == s)
		b->start_last = before;
	s->queued = false;
}

static void starts_admit(void *arg)
{
	struct mcp_broker *b = arg;
	struct server *s;
	while ((s = b->start_first) && has_room(b)) {
		start_unlink(b, s);
		s->starting = true;
		b->starting++;
		server_start_admitted(s);
	}
}

void broker_start_leave(struct mcp_broker *b, struct server *s)
{
	if (s->queued)
		start_unlink(b, s);
	if (!s->starting)
		return;
	s->starting = false;
	b->starting--;
	if (b->start_first)
		loop_defer(b->loop, starts_admit, b);
}
