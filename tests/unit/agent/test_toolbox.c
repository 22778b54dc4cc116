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

static void toolbox__shows_all_when_they_are_few(void **state)
{
	struct held_catalog c = catalog_make(3);
	struct toolbox t;
	(void)state;
	toolbox_init(&t, &c.catalog, "weather", NULL, 0, 3, false);
	assert_int_equal(t.count, 3);
	assert_non_null(toolbox_find(&t, "fs__tool02"));
	assert_null(toolbox_find(&t, FINISH_STEP));
	toolbox_release(&t);
}

static void toolbox__picks_hints_then_what_fits_then_the_rest(void **state)
{
	struct held_catalog c = catalog_make(TOOLS);
	const char *hints[] = {"fs__tool29", "fs__unknown"};
	struct toolbox t;
	(void)state;
	toolbox_init(&t, &c.catalog, "the weather of Oslo", hints, 2, 3, true);
	assert_int_equal(t.count, 4);
	assert_non_null(toolbox_find(&t, "fs__tool29"));
	assert_non_null(toolbox_find(&t, "fs__tool17"));
	assert_non_null(toolbox_find(&t, "fs__tool00"));
	assert_null(toolbox_find(&t, "fs__tool23"));
	/* in the order of the catalogue, for the providers' caches; finish_step last */
	for (size_t i = 1; i + 1 < t.count; i++)
		assert_true(strcmp(t.tools[i - 1].name, t.tools[i].name) < 0);
	assert_string_equal(t.tools[3].name, FINISH_STEP);
	assert_null(t.tools[3].server);
	toolbox_release(&t);
}

static void toolbox__never_loses_a_hint(void **state)
{
	struct held_catalog c = catalog_make(TOOLS);
	const char *hints[] = {"fs__tool01", "fs__tool05", "fs__tool09"};
	struct toolbox t;
	(void)state;
	toolbox_init(&t, &c.catalog, "weather", hints, 3, 2, false);
	assert_int_equal(t.count, 3);
	toolbox_release(&t);
}

static void toolbox__works_without_tools(void **state)
{
	struct held_catalog c = catalog_make(0);
	struct toolbox t;
	(void)state;
	toolbox_init(&t, &c.catalog, "", NULL, 0, 20, true);
	assert_int_equal(t.count, 1);
	assert_true(json_is(t.tools[0].schema, JSON_OBJECT));
	toolbox_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(toolbox__shows_all_when_they_are_few),
		cmocka_unit_test(toolbox__picks_hints_then_what_fits_then_the_rest),
		cmocka_unit_test(toolbox__never_loses_a_hint),
		cmocka_unit_test(toolbox__works_without_tools),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
