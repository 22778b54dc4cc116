/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model is told of its tool calls, and the events that say so: results stand between marks that nobody
 * outside can know, without what people do not see; failures say whether the call may have taken effect.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

void calls_failure_text(const char *message, bool doubt, struct buf *out)
{
	buf_printf(out, "Error: %s", message);
	if (doubt)
		buf_add_str(out,
			    ". It is not known whether the call took effect: find out before you repeat it.");
}

/* What came from outside stands between marks that nobody outside can know, and what the runtime says of it
 * behind. The offline rules read nothing into it. */
static void answer_said(const struct exec_call *c, const char *text, const char *warning, struct buf *out)
{
	const struct run *r = c->exec->run;
	bool outside = c->started || (c->tool != NULL && strcmp(c->name, READ_RESULT) == 0);
	if (outside && !agent_is_offline(r->agent, LLM_EXECUTOR))
		buf_put(out, "<data-", r->fence, ">\n", text, "\n</data-", r->fence, ">");
	else
		buf_add_str(out, text);
	if (c->permit.edited)
		buf_add_str(out, "\n[a person changed the arguments before the call was made]");
	if (warning != NULL)
		buf_printf(out, "\n[%s]", warning);
}

void calls_answer(struct exec_call *c, const char *text, const char *full, bool is_error)
{
	struct exec *x = c->exec;
	struct repeats_verdict v = repeats_note(&x->repeats, c->name, c->arguments, text, is_error);
	struct llm_message *m = &x->messages[c->message];
	struct buf clean = BUF_INIT, said = BUF_INIT;
	text_clean(slice_str(text), &clean);
	answer_said(c, buf_cstr(&clean), v.warning, &said);
	m->text = exec_keep(x, buf_cstr(&said));
	m->is_error = is_error;
	context_keep(x, c,
		     full != NULL            ? full
		     : said.len == clean.len ? m->text
					     : buf_cstr(&clean),
		     is_error);
	buf_release(&clean);
	buf_release(&said);
	if (v.stuck != NULL)
		x->stuck = v.stuck;
	c->state = CALL_DONE;
	x->run->tainted = x->run->tainted || c->untrusted;
}

void calls_answer_result(struct exec_call *c, struct result_view *v)
{
	const struct agent *a = c->exec->run->agent;
	struct buf shown = BUF_INIT, full = BUF_INIT;
	v->handle = agent_is_offline(a, LLM_EXECUTOR) ? NULL : c->id;
	v->reader = c->server != NULL ? toolbox_reader(&c->exec->box, c->server) : NULL;
	result_shown(v, exec_context_bytes_max(a), &shown, &full);
	calls_answer(c, buf_cstr(&shown), full.len > 0 ? buf_cstr(&full) : NULL, v->is_error);
	buf_release(&shown);
	buf_release(&full);
}

void call_head(struct record *rec, const struct exec_call *c)
{
	const char *server = c->server, *tool = c->server_tool;
	if (!c->started && c->tool != NULL && c->tool->server != NULL) {
		server = c->tool->server;
		tool = c->tool->server_tool;
	}
	record_begin(rec);
	jw_kv_text(&rec->w, "call", c->id);
	jw_kv_text(&rec->w, "step", c->exec->run->plan->steps[c->exec->step].id);
	jw_kv_text(&rec->w, "model_call", c->model_id);
	if (server != NULL)
		jw_kv_text(&rec->w, "server", server);
	jw_kv_text(&rec->w, "tool", tool != NULL ? tool : c->name);
	if (c->untrusted)
		jw_kv_bool(&rec->w, "untrusted", true);
}

void call_failed(struct exec_call *c, const struct error *why, bool sent)
{
	struct record rec;
	int64_t ms = c->started ? clock_wall_ms() - c->started_ms : 0;
	if (c->id[0] == '\0')
		run_call_name(c->exec->run, c->exec, c->id);
	sent = sent || c->was_sent;
	call_head(&rec, c);
	record_error(&rec, record_error_code(why), why->msg);
	if (!c->started)
		permit_write(c, &rec.w);
	jw_kv_bool(&rec.w, "sent", sent);
	jw_kv_int(&rec.w, "duration_ms", ms > 0 ? ms : 0);
	if (!record_event(c->exec->run, &rec, EVENT_TOOL_FAILED))
		return;
	struct buf text = BUF_INIT;
	calls_failure_text(why->msg, sent && !call_repeatable(c), &text);
	calls_answer(c, buf_cstr(&text), NULL, true);
	buf_release(&text);
}
