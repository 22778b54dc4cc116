/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a tool reads, writes, or may be called twice without harm. That decides what may run side by side,
 * what waits until its start is on the disk, and what is called again after a crash: so it is taken from who
 * can be held to it. The operator's word for a tool comes first, then the server's own hints as far as the
 * operator trusts them, and what nobody vouches for writes. And whether it can reach others than its server,
 * so that what it returns may have been written by anybody, and what it is given may get anywhere. Pure.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <string.h>

static struct tool_effect hinted(const struct mcp_server_options *o, const struct tool_entry *t)
{
	bool reads_believed =
		o->trust == MCP_TRUST_ALL || (o->trust == MCP_TRUST_LOCAL_READS && o->transport == MCP_STDIO);
	if (t->read_only && reads_believed)
		return (struct tool_effect){MCP_READS, "annotation"};
	if (t->idempotent && o->trust == MCP_TRUST_ALL)
		return (struct tool_effect){MCP_WRITES_ONCE, "annotation"};
	return (struct tool_effect){MCP_WRITES, "default"};
}

/* A confined server without network reaches nobody, whatever it says of itself. */
static bool reaches_out(const struct mcp_server_options *o, const struct tool_entry *t)
{
	bool local = o->transport == MCP_STDIO;
	bool believed = o->trust == MCP_TRUST_ALL || (o->trust == MCP_TRUST_LOCAL_READS && local);
	if (local && !o->sandbox.off && o->sandbox.network == MCP_NETWORK_NONE)
		return false;
	return !(believed && t->closed_world);
}

struct tool_world tool_world_of(const struct mcp_server_options *o, const struct tool_entry *t)
{
	bool open = reaches_out(o, t);
	return (struct tool_world){
		.open = open,
		.untrusted = o->output == MCP_OUTPUT_DEFAULT ? open : o->output == MCP_OUTPUT_UNTRUSTED};
}

struct tool_effect tool_effect_of(const struct mcp_server_options *o, const struct tool_entry *t)
{
	for (size_t i = 0; i < o->effects_count; i++)
		if (strcmp(o->effects[i].tool, t->name) == 0)
			return (struct tool_effect){o->effects[i].effect, "operator"};
	return hinted(o, t);
}

static bool is_offered(const struct tool_list *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->tools[i].name, name) == 0)
			return true;
	return false;
}

void tool_effects_check(const struct mcp_server_options *o, const struct tool_list *l, bool *told)
{
	for (size_t i = 0; i < o->effects_count; i++) {
		if (told[i] || is_offered(l, o->effects[i].tool))
			continue;
		told[i] = true;
		log_warn("the registry tells the effect of a tool that its server does not offer: look for a "
			 "misspelt name",
			 LF_STR("server", o->id), LF_STR("tool", o->effects[i].tool));
	}
}
