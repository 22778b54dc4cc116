/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a call that a model wants may be made: by the operator's rules (policy.c), by what the plan said
 * beforehand, and by a person where neither is enough. Once output was read that anybody may have written,
 * calls that change something or reach out are asked about unless the plan named their tool for the step
 * before that; and so is a tool that is not described any more as it was when the plan was made. A rule that
 * denies wins over all, a person's word too. Nothing is written or sent here; asking is permit_ask.c's.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

static const struct mcp_tool *tool_of(const struct exec_call *c)
{
	return mcp_catalog_find(c->exec->box.catalog, c->name);
}

enum agent_effect permit_effect(const struct exec_call *c)
{
	if (c->tool->read_only)
		return AGENT_READS;
	return toolbox_idempotent(&c->exec->box, c->tool) ? AGENT_WRITES_ONCE : AGENT_WRITES;
}

/* The step was planned with this tool, by somebody who had not read what strangers wrote. */
static bool planned(const struct exec_call *c)
{
	const struct run *r = c->exec->run;
	const struct plan_step *s = &r->plan->steps[c->exec->step];
	for (size_t i = 0; i < s->hints_count && !r->plan_tainted; i++)
		if (strcmp(s->hints[i], c->name) == 0)
			return true;
	return false;
}

static bool digest_accepted(const struct run *r, const char *digest)
{
	for (const struct text_list *a = r->digests_accepted; a != NULL; a = a->next)
		if (strcmp(a->text, digest) == 0)
			return true;
	return false;
}

bool permit_tool_changed(const struct exec_call *c, char digest[TOOL_DIGEST_SIZE])
{
	const struct run *r = c->exec->run;
	const char *pinned = plan_tool_digest(r->plan, c->name);
	const struct mcp_tool *t = tool_of(c);
	if (pinned == NULL || t == NULL)
		return false;
	tool_digest(t, digest);
	return strcmp(pinned, digest) != 0 && !digest_accepted(r, digest);
}

/* A call that output of strangers may have led to. */
static bool strays(const struct exec_call *c)
{
	const struct mcp_tool *t = tool_of(c);
	bool reaches_out = t == NULL || t->open_world;
	return c->exec->run->tainted && (!c->tool->read_only || reaches_out) && !planned(c);
}

static enum permit by_rules(const struct exec_call *c, const struct json *arguments, size_t *rule)
{
	const struct run *r = c->exec->run;
	const struct agent_policy *p = &r->agent->options.policy;
	struct policy_call call = {c->tool->server, c->tool->server_tool, permit_effect(c), arguments};
	if (r->approval == APPROVAL_POLICY)
		return policy_decide(p, &call, rule);
	*rule = policy_denies(p, &call);
	return *rule != 0 ? PERMIT_DENY : PERMIT_ALLOW;
}

enum permit permit_decide(struct exec_call *c, const struct json *arguments)
{
	struct call_permit *d = &c->permit;
	char digest[TOOL_DIGEST_SIZE];
	if (d->by_person && d->denied)
		return PERMIT_DENY;
	enum permit p = by_rules(c, arguments, &d->rule);
	if (p == PERMIT_DENY) {
		d->by_person = false;
		d->denied = true;
		d->why = "a rule of agent.rules denies this call";
		return p;
	}
	if (d->by_person)
		return PERMIT_ALLOW;
	if (inherit_in_doubt(c, arguments)) {
		d->why = "an earlier task sent the same call and it is not known whether it took effect";
		return PERMIT_ASK;
	}
	if (permit_tool_changed(c, digest)) {
		d->why = "the tool is not described any more as it was when the plan was made";
		return PERMIT_ASK;
	}
	if (p == PERMIT_ASK) {
		d->why = d->rule != 0 ? "a rule of agent.rules says so"
				      : "it may change something and no rule of agent.rules allows it";
		return p;
	}
	if (d->rule != 0 || !strays(c))
		return PERMIT_ALLOW;
	d->why =
		"output that strangers may have written was read before, and the plan did not name this tool "
		"for the step";
	d->denied = c->exec->run->agent->options.tainted_calls == PERMIT_DENY;
	return c->exec->run->agent->options.tainted_calls;
}

void permit_write(const struct exec_call *c, struct jw *w)
{
	const struct call_permit *d = &c->permit;
	if (!d->by_person && !d->denied && d->rule == 0)
		return;
	jw_name(w, "decision");
	jw_object(w);
	jw_kv_text(w, "decision", d->denied ? "deny" : "allow");
	jw_kv_text(w, "by", d->by_person ? "person" : "policy");
	if (d->by_person && d->user != NULL)
		jw_kv_text(w, "user", d->user);
	if (!d->by_person && d->rule != 0)
		jw_kv_int(w, "rule", (int64_t)d->rule);
	jw_object_end(w);
}
