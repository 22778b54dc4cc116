/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capability object that both wires tell a server (initialize of 2025-11-25; the envelope of 2026-07-28).
 * Made here alone, from what the session's owner answers to: a server must not use on us what is not in it.
 * The extension of tasks is told to servers that have it, and as long as it is not known whether they do.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

static void empty(struct jw *w, const char *name)
{
	jw_name(w, name);
	jw_object(w);
	jw_object_end(w);
}

void capabilities_write(const struct session *s, struct jw *w)
{
	const struct session_offers *o = &s->events.offers;
	jw_object(w);
	if (o->elicitation) {
		jw_name(w, "elicitation");
		jw_object(w);
		empty(w, "form");
		empty(w, "url");
		jw_object_end(w);
	}
	if (o->sampling) {
		jw_name(w, "sampling");
		jw_object(w);
		empty(w, "tools");
		jw_object_end(w);
	}
	if (o->roots)
		empty(w, "roots");
	if (s->task_extension) {
		jw_name(w, "extensions");
		jw_object(w);
		empty(w, TASK_EXTENSION);
		jw_object_end(w);
	}
	jw_object_end(w);
}

bool capability_answers(const struct session *s, struct slice method)
{
	const struct session_offers *o = &s->events.offers;
	return (o->elicitation && slice_eq_str(method, ASK_ELICITATION)) ||
	       (o->sampling && slice_eq_str(method, ASK_SAMPLING)) ||
	       (o->roots && slice_eq_str(method, ASK_ROOTS));
}
