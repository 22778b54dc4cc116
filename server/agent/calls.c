/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tool calls of one model turn. Read-only calls go out together; as soon as one of them may change
 * something, they go one after the other. A call that cannot be made (unknown tool, arguments that break the
 * schema, a writing tool in a step that was approved as reading) is answered to the model with what is wrong.
 * One call on its way is call_send.c's, what the model is told of it call_answer.c's.
 */
#include "base/base.h"
#include "agent/agent_int.h"
#include "base/schema.h"

#include <stdlib.h>
#include <string.h>

static void call_pump(struct exec_call *c);
static void call_begin(struct exec_call *c);
static bool call_refusal(struct exec_call *c, struct json **arguments, struct error *e);
static void call_permit(struct exec_call *c, const struct json *arguments);

/* Models may give one id twice: the first that was not started is meant. */
struct exec_call *call_unstarted(struct exec *x, const char *model_call)
{
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state == CALL_WAITING && !x->calls[i].started &&
		    strcmp(x->calls[i].model_id, model_call) == 0)
			return &x->calls[i];
	return NULL;
}

static bool call_reads(const struct exec_call *c)
{
	return c->started ? c->read_only : c->tool != NULL && c->tool->read_only;
}

void calls_pump(struct exec *x)
{
	bool together = true;
	for (size_t i = 0; i < x->calls_count; i++)
		together = together && call_reads(&x->calls[i]);
	for (size_t i = 0; i < x->calls_count && !run_over(x->run); i++) {
		if (finish_rides(&x->calls[i]))
			continue;
		call_pump(&x->calls[i]);
		if (run_over(x->run) || (x->calls[i].state != CALL_DONE && !together))
			return;
	}
	for (size_t i = 0; i < x->calls_count && !run_over(x->run); i++)
		if (x->calls[i].state == CALL_WAITING && finish_rides(&x->calls[i]))
			call_pump(&x->calls[i]);
}

bool calls_all_done(const struct exec *x)
{
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state != CALL_DONE)
			return false;
	return true;
}

bool calls_in_flight(const struct exec *x, bool people)
{
	/* What waits for a disk that takes nothing waits for nothing: it is made by whoever resumes the run.
	 */
	bool durable_soon = store_accepts(x->run->agent->store, NULL) == ERR_NONE;
	for (size_t i = 0; i < x->calls_count; i++) {
		enum call_state s = x->calls[i].state;
		if (!people && s == CALL_RUNNING && asks_person(&x->calls[i]))
			continue;
		bool waits = s == CALL_JOURNALED || (s == CALL_KEEPING && x->calls[i].keeping == NULL);
		if (s == CALL_RUNNING || s == CALL_READING || (s == CALL_KEEPING && !waits) ||
		    (waits && durable_soon))
			return true;
	}
	return false;
}

bool calls_journaled(const struct exec *x)
{
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state == CALL_JOURNALED)
			return true;
	return false;
}

int64_t calls_again_mono_ms(const struct exec *x)
{
	int64_t at = INT64_MAX;
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state == CALL_LOST && x->calls[i].again_mono_ms < at)
			at = x->calls[i].again_mono_ms;
	return at;
}

void calls_cancel(struct exec *x)
{
	for (size_t i = 0; i < x->calls_count; i++) {
		struct exec_call *c = &x->calls[i];
		if (c->mcp != NULL)
			mcp_call_cancel(c->mcp);
		asks_call_over(c);
		if (c->keeping != NULL)
			archive_cancel(c->keeping);
		call_result_free(c->result);
		c->mcp = NULL;
		c->keeping = NULL;
		c->result = NULL;
	}
}

/* --- helpers --- */

static void call_pump(struct exec_call *c)
{
	struct run *r = c->exec->run;
	bool begins = agent_begins(r->agent);
	if (c->state == CALL_WAITING && begins && !permits_hold_calls(r))
		call_begin(c);
	else if (c->state == CALL_LOST && begins && clock_mono_ms() >= c->again_mono_ms)
		call_again(c);
	if (c->state == CALL_KEEPING)
		result_keep_again(c);
	if (!run_over(r) && c->state == CALL_JOURNALED && (c->read_only || run_is_durable(r, c->seq)))
		call_send(c);
}

static void call_begin(struct exec_call *c)
{
	struct error e = {0};
	struct json *arguments = NULL;
	if (finish_rides(c))
		finish_ride(c);
	else if (call_refusal(c, &arguments, &e))
		call_failed(c, &e, false);
	else if (builtin_is(c->tool))
		builtin_call(c, arguments);
	else
		call_permit(c, arguments);
	json_free(arguments);
}

static void call_permit(struct exec_call *c, const struct json *arguments)
{
	struct error e;
	switch (permit_decide(c, arguments)) {
	case PERMIT_ALLOW:
		if (!inherit_reuse(c, arguments))
			call_start(c, arguments);
		break;
	case PERMIT_ASK:
		c->state = CALL_ASKING;
		run_wake(c->exec->run);
		break;
	case PERMIT_DENY:
		if (c->permit.by_person)
			err_set(&e, ERR_DENIED, "a person was asked about this call and denied it%s%s",
				c->permit.word != NULL ? ": " : "",
				c->permit.word != NULL ? c->permit.word : "");
		else
			err_set(&e, ERR_DENIED, "this call is denied: %s", c->permit.why);
		call_failed(c, &e, false);
		break;
	}
}

static bool call_refusal(struct exec_call *c, struct json **arguments, struct error *e)
{
	struct exec *x = c->exec;
	const struct plan_step *s = &x->run->plan->steps[x->step];
	if (c->tool == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no tool \"%s\" here; use one of the tools offered",
			       c->name);
	if (strcmp(c->name, FINISH_STEP) == 0) {
		finish_refusal(x, e);
		return true;
	}
	if (x->calls_made >= x->run->agent->options.calls_max)
		return err_set(e, ERR_FULL,
			       "this step has used its %d tool calls (agent.calls_max); call " FINISH_STEP
			       " now",
			       x->run->agent->options.calls_max);
	if (!c->tool->read_only && s->effect != STEP_EFFECT_WRITE)
		return err_set(
			e, ERR_CONFLICT,
			"this step was approved as reading only and %s may change things; call " FINISH_STEP
			" with status failed if it is needed",
			c->name);
	*arguments = json_parse(c->arguments, strlen(c->arguments), 0, e);
	if (*arguments == NULL)
		return err_prefix(e, "the arguments are not valid JSON");
	if (!json_is(*arguments, JSON_OBJECT))
		return err_set(e, ERR_FIELD, "the arguments must be a JSON object");
	enum err bad = schema_check_compiled(c->tool->schema, *arguments, e);
	return bad == ERR_FIELD && err_prefix(e, "the arguments do not fit the tool's schema");
}
