/* SPDX-License-Identifier: Apache-2.0 */
/* Who is believed about what a tool does. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void assert_effect(struct mcp_server_options o, bool read_only, bool idempotent,
			  enum mcp_effect effect, const char *source)
{
	struct tool_entry t = {.name = (char[]){"t"}, .read_only = read_only, .idempotent = idempotent};
	struct tool_effect got = tool_effect_of(&o, &t);
	assert_int_equal(got.effect, effect);
	assert_string_equal(got.source, source);
}

static void tool_effect_of__believes_as_far_as_it_is_told_to(void **state)
{
	struct mcp_server_options local = {.transport = MCP_STDIO}, remote = {.transport = MCP_REMOTE};
	(void)state;
	assert_effect(local, true, false, MCP_READS, "annotation");
	assert_effect(local, true, true, MCP_READS, "annotation");
	assert_effect(local, false, true, MCP_WRITES, "default");
	assert_effect(local, false, false, MCP_WRITES, "default");
	assert_effect(remote, true, true, MCP_WRITES, "default");
	local.trust = remote.trust = MCP_TRUST_ALL;
	assert_effect(local, false, true, MCP_WRITES_ONCE, "annotation");
	assert_effect(remote, true, false, MCP_READS, "annotation");
	assert_effect(remote, false, true, MCP_WRITES_ONCE, "annotation");
	assert_effect(remote, false, false, MCP_WRITES, "default");
	local.trust = MCP_TRUST_NONE;
	assert_effect(local, true, true, MCP_WRITES, "default");
}

static void tool_effect_of__the_operator_has_the_last_word(void **state)
{
	struct mcp_tool_effect said[] = {{"other", MCP_READS}, {"t", MCP_WRITES}};
	struct mcp_server_options o = {.trust = MCP_TRUST_ALL, .effects = said, .effects_count = 2};
	(void)state;
	assert_effect(o, true, true, MCP_WRITES, "operator");
	said[1].effect = MCP_WRITES_ONCE;
	o.trust = MCP_TRUST_NONE;
	assert_effect(o, false, false, MCP_WRITES_ONCE, "operator");
	said[1].effect = MCP_READS;
	assert_effect(o, false, false, MCP_READS, "operator");
}

static void assert_world(struct mcp_server_options o, bool closed_world, bool open, bool untrusted)
{
	struct tool_entry t = {.name = (char[]){"t"}, .closed_world = closed_world};
	struct tool_world got = tool_world_of(&o, &t);
	assert_int_equal(got.open, open);
	assert_int_equal(got.untrusted, untrusted);
}

/* What the kernel lets a server reach counts before what it says of itself. */
static void tool_world_of__is_open_unless_it_cannot_be_or_is_believed(void **state)
{
	struct mcp_server_options local = {.transport = MCP_STDIO}, remote = {.transport = MCP_REMOTE};
	(void)state;
	assert_world(local, false, false, false);
	local.sandbox.network = MCP_NETWORK_LOOPBACK;
	assert_world(local, false, true, true);
	assert_world(local, true, false, false);
	local.sandbox.off = true;
	assert_world(local, false, true, true);
	local.trust = MCP_TRUST_NONE;
	assert_world(local, true, true, true);
	assert_world(remote, true, true, true);
	remote.trust = MCP_TRUST_ALL;
	assert_world(remote, true, false, false);
	remote.output = MCP_OUTPUT_UNTRUSTED;
	assert_world(remote, true, false, true);
	local.output = MCP_OUTPUT_TRUSTED;
	assert_world(local, true, true, false);
}

static void tool_effects_check__tells_of_a_name_once(void **state)
{
	struct mcp_tool_effect said[] = {{"t", MCP_READS}, {"misspelt", MCP_READS}};
	struct mcp_server_options o = {.id = "s", .effects = said, .effects_count = 2};
	struct tool_entry t = {.name = (char[]){"t"}};
	struct tool_list l = {.tools = &t, .count = 1}, none = {0};
	bool told[2] = {false, false};
	(void)state;
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	tool_effects_check(&o, &l, told);
	assert_false(told[0]);
	assert_true(told[1]);
	tool_effects_check(&o, &none, told);
	assert_true(told[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_effect_of__believes_as_far_as_it_is_told_to),
		cmocka_unit_test(tool_effect_of__the_operator_has_the_last_word),
		cmocka_unit_test(tool_world_of__is_open_unless_it_cannot_be_or_is_believed),
		cmocka_unit_test(tool_effects_check__tells_of_a_name_once),
	};
	return cmocka_run_group_tests_name("effect", tests, NULL, NULL);
}
