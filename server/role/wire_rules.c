/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's rules about tool calls, from the configuration to the agent. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdint.h>
#include <stdlib.h>

static const enum permit PERMIT[] = {
	[CONF_ALLOW] = PERMIT_ALLOW, [CONF_ASK] = PERMIT_ASK, [CONF_DENY] = PERMIT_DENY};

enum permit wire_permit(enum conf_decision d)
{
	return PERMIT[d];
}

struct agent_rule *wire_rules(const struct conf *c, struct agent_policy *p)
{
	struct agent_rule *rules = xcalloc(c->rules.count + 1, sizeof *rules);
	for (size_t i = 0; i < c->rules.count; i++) {
		const struct conf_rule *r = &c->rules.list[i];
		struct agent_rule_argument *arguments = xcalloc(r->arguments_count + 1, sizeof *arguments);
		for (size_t k = 0; k < r->arguments_count; k++)
			arguments[k] =
				(struct agent_rule_argument){r->arguments[k].name, r->arguments[k].pattern};
		rules[i] = (struct agent_rule){.server = r->server,
					       .tool = r->tool,
					       .effects = r->effects,
					       .arguments = arguments,
					       .arguments_count = r->arguments_count,
					       .decision = PERMIT[r->decision]};
	}
	*p = (struct agent_policy){rules, c->rules.count};
	return rules;
}

void wire_rules_release(struct agent_rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)rules[i].arguments);
	free(rules);
}
