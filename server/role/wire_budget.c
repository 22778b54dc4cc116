/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets from the configuration: of tasks to the HTTP interface, which keeps them with each task; of tenants
 * and of the service to the task table, which counts what a day has cost. */
#include "base/base.h"
#include "role/role_int.h"

#include <string.h>

#define CAPS(prefix)                                                                                     \
	{                                                                                                \
		.input_tokens = c->budgets.prefix##_input_tokens,                                        \
		.output_tokens = c->budgets.prefix##_output_tokens,                                      \
		.total_tokens = c->budgets.prefix##_total_tokens, .cost_nano = c->budgets.prefix##_cost, \
		.model_calls = c->budgets.prefix##_model_calls,                                          \
		.tool_calls = c->budgets.prefix##_tool_calls,                                            \
	}

void wire_budgets(const struct conf *c, struct store_options *o)
{
	static const struct budget_caps none;
	o->tenant_caps = (struct budget_caps)CAPS(tenant_day);
	o->service_caps = (struct budget_caps)CAPS(service_day);
	bool any = memcmp(&o->tenant_caps, &none, sizeof none) != 0 ||
		   memcmp(&o->service_caps, &none, sizeof none) != 0;
	o->budgets_max = any ? (uint32_t)c->budgets.tenants_max : 0;
}

void wire_task_budgets(const struct conf *c, struct http_budget *given, struct http_budget *most)
{
	*given = (struct http_budget){.caps = CAPS(task), .wall_seconds = c->budgets.task_wall_seconds};
	*most = (struct http_budget){.caps = CAPS(task_max)};
}

bool wire_prices_known(const struct conf *c)
{
	for (size_t i = 0; i < c->providers.count; i++)
		if (c->providers.list[i].api != CONF_LLM_OFFLINE && c->providers.list[i].prices.input < 0)
			return false;
	return true;
}
