/* SPDX-License-Identifier: Apache-2.0 */
/* Which tools a model is shown. */
#include "base/base.h"
#include "agent/agent_int.h"
#include "held_catalog.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { TOOLS = 30 };
static char names[TOOLS][16], exposed[TOOLS][24];
static struct mcp_tool tools[TOOLS];

/* fs__tool00 ... fs__tool29; number 17 is about the weather, 23 about poems. */
static struct held_catalog catalog_make(size_t count)
{
	for (size_t i = 0; i < TOOLS; i++) {
		snprintf(names[i], sizeof names[i], "tool%02zu", i);
		snprintf(exposed[i], sizeof exposed[i], "fs__tool%02zu", i);
		tools[i] = (struct mcp_tool){.server = "fs",
					     .name = names[i],
					     .exposed = exposed[i],
					     .description = i == 17   ? "Weather forecast of a city"
							    : i == 23 ? "Writes poems"
								      : "Does nothing much",
					     .read_only = true};
	}
	return (struct held_catalog){{.version = 1, .count = count, .tools = tools}, {9}};
}

static struct toolbox box_of(struct held_catalog *c, const char *query, const char *const *hints, size_t n,
			     size_t max, bool own)
{
	struct tool_index *x = tool_index_new(&c->catalog);
	struct toolbox_want want = {.queries = {query, "anything at all"},
				    .queries_count = 2,
				    .hints = hints,
				    .hints_count = n,
				    .max = max,
				    .own = own};
	struct toolbox t;
	toolbox_init(&t, x, &want);
	tool_index_free(x);
	return t;
}

static void toolbox__shows_all_when_they_are_few(void **state)
{
	struct held_catalog c = catalog_make(3);
	(void)state;
	struct toolbox t = box_of(&c, "weather", NULL, 0, 3, false);
	assert_int_equal(t.count, 3);
	assert_non_null(toolbox_find(&t, "fs__tool02"));
	assert_null(toolbox_find(&t, FINISH_STEP));
	toolbox_release(&t);
	t = box_of(&c, "weather", NULL, 0, 3, true);
	assert_non_null(toolbox_find(&t, FINISH_STEP));
	assert_null(toolbox_find(&t, FIND_TOOLS)); /* there is nothing to be found */
	toolbox_release(&t);
}

/* The offline rules read by words of names: what reads resources is none of what they know. */
static void toolbox__tools_of_resources_are_not_for_the_offline_rules(void **state)
{
	struct held_catalog c = catalog_make(3);
	(void)state;
	tools[1].name = MCP_READ_RESOURCE;
	tools[1].by_runtime = true;
	struct toolbox t = box_of(&c, "read", NULL, 0, 3, false);
	assert_int_equal(t.count, 3);
	assert_string_equal(toolbox_reader(&t, "fs"), "fs__tool01");
	assert_null(toolbox_reader(&t, "other"));
	toolbox_release(&t);
	struct tool_index *x = tool_index_new(&c.catalog);
	struct toolbox_want want = {.queries = {"read"}, .queries_count = 1, .max = 3, .plain = true};
	toolbox_init(&t, x, &want);
	tool_index_free(x);
	assert_int_equal(t.count, 2);
	assert_null(toolbox_reader(&t, "fs"));
	toolbox_release(&t);
}

static void toolbox__pinned_ones_are_always_there(void **state)
{
	struct held_catalog c = catalog_make(TOOLS);
	struct tool_index *x = tool_index_new(&c.catalog);
	struct toolbox_want want = {.queries = {"the weather of Oslo"},
				    .queries_count = 1,
				    .pinned = " fs__tool29,fs__gone, ,fs__tool23 ",
				    .max = 3};
	struct toolbox t;
	(void)state;
	toolbox_init(&t, x, &want);
	assert_int_equal(t.count, 3);
	assert_non_null(toolbox_find(&t, "fs__tool29"));
	assert_non_null(toolbox_find(&t, "fs__tool23"));
	assert_non_null(toolbox_find(&t, "fs__tool17"));
	toolbox_release(&t);
	tool_index_free(x);
}

static void toolbox__picks_hints_then_what_fits_then_the_rest(void **state)
{
	struct held_catalog c = catalog_make(TOOLS);
	const char *hints[] = {"fs__tool29", "fs__unknown"};
	(void)state;
	struct toolbox t = box_of(&c, "the weather of Oslo", hints, 2, 3, true);
	assert_int_equal(t.count, 5);
	assert_non_null(toolbox_find(&t, "fs__tool29"));
	assert_non_null(toolbox_find(&t, "fs__tool17"));
	assert_non_null(toolbox_find(&t, "fs__tool00"));
	assert_null(toolbox_find(&t, "fs__tool23"));
	/* in the order of the catalogue, for the providers' caches; our own last */
	for (size_t i = 1; i < 3; i++)
		assert_true(strcmp(t.tools[i - 1].name, t.tools[i].name) < 0);
	assert_string_equal(t.tools[3].name, FIND_TOOLS);
	assert_string_equal(t.tools[4].name, FINISH_STEP);
	assert_null(t.tools[4].server);
	toolbox_release(&t);
}

static void toolbox__takes_the_best_of_each_query(void **state)
{
	struct held_catalog c = catalog_make(TOOLS);
	struct tool_index *x = tool_index_new(&c.catalog);
	struct toolbox_want want = {
		.queries = {"the weather of Oslo", "write a poem"}, .queries_count = 2, .max = 2};
	struct toolbox t;
	(void)state;
	toolbox_init(&t, x, &want);
	assert_int_equal(t.count, 2);
	assert_non_null(toolbox_find(&t, "fs__tool17"));
	assert_non_null(toolbox_find(&t, "fs__tool23"));
	toolbox_release(&t);
	tool_index_free(x);
}

static void toolbox_add__shows_what_was_found_behind_all_others(void **state)
{
	struct held_catalog c = catalog_make(TOOLS);
	(void)state;
	struct toolbox t = box_of(&c, "nothing", NULL, 0, 2, true);
	const struct llm_tool *first = t.tools;
	assert_true(toolbox_add(&t, "fs__tool17"));
	assert_true(toolbox_add(&t, "fs__tool17")); /* once is enough */
	assert_true(toolbox_add(&t, "fs__tool23"));
	assert_false(toolbox_add(&t, "fs__tool24")); /* no room */
	assert_true(toolbox_add(&t, "fs__tool23"));
	assert_false(toolbox_add(&t, "fs__unknown"));
	assert_int_equal(t.count, 6);
	assert_string_equal(t.tools[4].name, "fs__tool17");
	assert_ptr_equal(t.tools, first);
	toolbox_release(&t);
}

static void toolbox__never_loses_a_hint(void **state)
{
	struct held_catalog c = catalog_make(TOOLS);
	const char *hints[] = {"fs__tool01", "fs__tool05", "fs__tool09"};
	(void)state;
	struct toolbox t = box_of(&c, "weather", hints, 3, 2, false);
	assert_int_equal(t.count, 3);
	toolbox_release(&t);
}

static void toolbox__works_without_tools(void **state)
{
	struct held_catalog c = catalog_make(0);
	(void)state;
	struct toolbox t = box_of(&c, "", NULL, 0, 20, true);
	assert_int_equal(t.count, 1);
	assert_true(json_is(t.tools[0].schema, JSON_OBJECT));
	toolbox_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(toolbox__shows_all_when_they_are_few),
		cmocka_unit_test(toolbox__tools_of_resources_are_not_for_the_offline_rules),
		cmocka_unit_test(toolbox__pinned_ones_are_always_there),
		cmocka_unit_test(toolbox__picks_hints_then_what_fits_then_the_rest),
		cmocka_unit_test(toolbox__takes_the_best_of_each_query),
		cmocka_unit_test(toolbox_add__shows_what_was_found_behind_all_others),
		cmocka_unit_test(toolbox__never_loses_a_hint),
		cmocka_unit_test(toolbox__works_without_tools),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
