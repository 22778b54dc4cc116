/* SPDX-License-Identifier: Apache-2.0 */
/* Names of tools and the catalogue: letters, length, collisions, order, look-up, references. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { NAMES_MAX = 8 };

/* One text "server|tool" for each source, in the given order; entries live until the test ends. */
static size_t sources_make(struct catalog_source *s, struct tool_entry *t, char text[][200],
			   const char *const *pairs)
{
	size_t n = 0;
	for (; pairs[n]; n++) {
		strcpy(text[n], pairs[n]);
		char *bar = strchr(text[n], '|');
		*bar = '\0';
		t[n] = (struct tool_entry){.name = bar + 1, .description = text[n]};
		buf_add_str(&t[n].input_schema, "{\"type\":\"object\"}");
		s[n] = (struct catalog_source){
			.server = text[n], .tool = &t[n], .effect = {MCP_WRITES, "default"}};
	}
	return n;
}

static const char *exposed_of(const struct catalog_source *s, size_t n, const char *server, const char *tool)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(s[i].server, server) == 0 && strcmp(s[i].tool->name, tool) == 0)
			return s[i].exposed;
	}
	fail_msg("%s %s is gone", server, tool);
	return "";
}

static void schemas_release(struct tool_entry *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_release(&t[i].input_schema);
}

static void catalog_name__joins_and_cleans(void **state)
{
	struct catalog_source s[NAMES_MAX];
	struct tool_entry t[NAMES_MAX];
	char text[NAMES_MAX][200];
	const char *const pairs[] = {"files|read-it_2", "my.files|read/all", "a|\xc3\xa9", NULL};
	(void)state;
	size_t n = sources_make(s, t, text, pairs);
	catalog_name(s, n);
	assert_string_equal(exposed_of(s, n, "files", "read-it_2"), "files__read-it_2");
	assert_string_equal(exposed_of(s, n, "my.files", "read/all"), "my_files__read_all");
	const char *foreign = exposed_of(s, n, "a", "\xc3\xa9");
	assert_int_equal(strncmp(foreign, "a_____", 6), 0);
	assert_int_equal(strlen(foreign), 5 + 9); /* a part of a digest, whatever else the server has */
	schemas_release(t, n);
}

static void catalog_name__cut_names_differ_and_fit(void **state)
{
	struct catalog_source s[NAMES_MAX];
	struct tool_entry t[NAMES_MAX];
	char text[NAMES_MAX][200];
	const char *const pairs[] = {
		"server|this_is_a_tool_with_a_name_of_more_than_sixty_four_letters_in_all_variant_a",
		"server|this_is_a_tool_with_a_name_of_more_than_sixty_four_letters_in_all_variant_b",
		"server|exactly_sixty_four_letters_with_server_and_joint_in_it_56789", NULL};
	(void)state;
	size_t n = sources_make(s, t, text, pairs);
	catalog_name(s, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(strlen(s[i].exposed) <= MCP_TOOL_NAME_MAX);
		assert_true(i == 0 || strcmp(s[i - 1].exposed, s[i].exposed) < 0);
	}
	schemas_release(t, n);
}

static void catalog_name__does_not_depend_on_the_order(void **state)
{
	struct catalog_source s[NAMES_MAX], u[NAMES_MAX];
	struct tool_entry t[NAMES_MAX], v[NAMES_MAX];
	char text[NAMES_MAX][200], text2[NAMES_MAX][200];
	const char *const one[] = {"s|a.b", "s|a_b", "s|a b", "x|y__z", "x__y|z", NULL};
	const char *const two[] = {"x__y|z", "s|a b", "x|y__z", "s|a_b", "s|a.b", NULL};
	(void)state;
	size_t n = sources_make(s, t, text, one);
	sources_make(u, v, text2, two);
	catalog_name(s, n);
	catalog_name(u, n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(s[i].exposed, u[i].exposed);
		assert_string_equal(s[i].server, u[i].server);
		assert_string_equal(s[i].tool->name, u[i].tool->name);
		assert_true(i == 0 || strcmp(s[i - 1].exposed, s[i].exposed) < 0);
	}
	/* Whose true name it is keeps it. */
	assert_string_equal(exposed_of(s, n, "s", "a_b"), "s__a_b");
	assert_string_not_equal(exposed_of(s, n, "s", "a.b"), "s__a_b");
	schemas_release(t, n);
	schemas_release(v, n);
}

/* Two servers whose names meet: whether the other one is there changes neither's names. */
static void catalog_name__of_one_server_does_not_depend_on_another(void **state)
{
	struct catalog_source both[NAMES_MAX], one[NAMES_MAX];
	struct tool_entry t[NAMES_MAX], v[NAMES_MAX];
	char text[NAMES_MAX][200], text2[NAMES_MAX][200];
	const char *const all[] = {"x|y__z", "x__y|z", "x_|_y", "x|__y", "x__|y", NULL};
	(void)state;
	size_t n = sources_make(both, t, text, all);
	catalog_name(both, n);
	for (size_t i = 0; i < n; i++) {
		const char *const alone[] = {all[i], NULL};
		sources_make(one, v, text2, alone);
		catalog_name(one, 1);
		assert_string_equal(one[0].exposed, exposed_of(both, n, one[0].server, one[0].tool->name));
		assert_true(i == 0 || strcmp(both[i - 1].exposed, both[i].exposed) < 0);
		schemas_release(v, 1);
	}
	assert_string_equal(exposed_of(both, n, "x", "y__z"), "x__y__z");
	schemas_release(t, n);
}

static const struct mcp_catalog *catalog_make(const char *const *pairs)
{
	struct catalog_source s[NAMES_MAX];
	struct tool_entry t[NAMES_MAX];
	char text[NAMES_MAX][200];
	struct buf out = BUF_INIT;
	struct error e = {0};
	size_t n = sources_make(s, t, text, pairs);
	catalog_name(s, n);
	catalog_write(s, n, &out);
	const struct mcp_catalog *c = catalog_read(buf_slice(&out), 7, &e);
	assert_non_null(c);
	assert_true(slice_eq(c->text, buf_slice(&out)));
	buf_release(&out);
	schemas_release(t, n);
	return c;
}

static void mcp_catalog_find__takes_every_spelling(void **state)
{
	const char *const pairs[] = {"z|last", "my.files|read.all", "a|first", NULL};
	(void)state;
	const struct mcp_catalog *c = catalog_make(pairs);
	assert_int_equal(c->count, 3);
	assert_int_equal(c->version, 7);
	assert_string_equal(c->tools[0].name, "first");
	const struct mcp_tool *t = mcp_catalog_find(c, "my_files__read_all");
	assert_non_null(t);
	assert_ptr_equal(mcp_catalog_find(c, "my.files.read.all"), t);
	assert_ptr_equal(mcp_catalog_find(c, "my.files__read.all"), t);
	assert_string_equal(t->server, "my.files");
	assert_string_equal(t->name, "read.all");
	assert_true(slice_eq_str(t->input_schema, "{\"type\":\"object\"}"));
	assert_true(json_is(t->schema, JSON_OBJECT));
	assert_int_equal(t->output_schema.len, 0);
	assert_true(t->destructive && !t->open_world && !t->untrusted && !t->read_only && !t->idempotent);
	const char *const meeting[] = {"x__y|z", NULL};
	const struct mcp_catalog *other = catalog_make(meeting);
	assert_null(mcp_catalog_find(other, "x__y__z")); /* may be x's */
	assert_non_null(mcp_catalog_find(other, "x__y.z"));
	mcp_catalog_drop(other);
	assert_null(mcp_catalog_find(c, "a"));
	assert_null(mcp_catalog_find(c, ""));
	assert_null(mcp_catalog_find(c, "a__firs"));
	mcp_catalog_drop(c);
}

static void mcp_catalog__lives_until_the_last_reference(void **state)
{
	const char *const pairs[] = {"a|first", NULL};
	(void)state;
	const struct mcp_catalog *c = catalog_make(pairs);
	assert_ptr_equal(mcp_catalog_hold(c), c);
	mcp_catalog_drop(c);
	assert_non_null(mcp_catalog_find(c, "a__first"));
	mcp_catalog_drop(c);
	mcp_catalog_drop(NULL);
}

static void catalog_write__tells_the_effect_and_whence(void **state)
{
	struct tool_entry t = {.name = (char[]){"t"}, .description = (char[]){"d"}};
	struct catalog_source s[3] = {{.server = "a", .tool = &t, .effect = {MCP_READS, "annotation"}},
				      {.server = "b", .tool = &t, .effect = {MCP_WRITES_ONCE, "operator"}},
				      {.server = "c", .tool = &t, .effect = {MCP_WRITES, "default"}}};
	struct buf out = BUF_INIT;
	struct error e;
	(void)state;
	buf_add_str(&t.input_schema, "{}");
	catalog_name(s, 3);
	catalog_write(s, 3, &out);
	const struct mcp_catalog *c = catalog_read(buf_slice(&out), 1, &e);
	const struct mcp_tool *reads = mcp_catalog_find(c, "a__t"), *once = mcp_catalog_find(c, "b__t"),
			      *writes = mcp_catalog_find(c, "c__t");
	assert_true(reads->read_only && reads->idempotent && !reads->destructive);
	assert_true(!once->read_only && once->idempotent && once->destructive);
	assert_true(!writes->read_only && !writes->idempotent && writes->destructive);
	assert_non_null(strstr(buf_cstr(&out), "\"idempotent\":true,\"effect_source\":\"operator\""));
	mcp_catalog_drop(c);
	buf_release(&out);
	buf_release(&t.input_schema);
}

static void catalog_read__refuses_what_is_none(void **state)
{
	const char *const bad[] = {"",
				   "[]",
				   "{}",
				   "{\"tools\":{}}",
				   "{\"tools\":[{}]}",
				   "{\"tools\":[1]}",
				   "{\"tools\":[{\"name\":\"a\",\"server\":\"s\",\"tool\":\"t\"}]}",
				   "{\"tools\":["};
	struct error e;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_null(catalog_read(slice_str(bad[i]), 1, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(catalog_name__joins_and_cleans),
		cmocka_unit_test(catalog_name__cut_names_differ_and_fit),
		cmocka_unit_test(catalog_name__does_not_depend_on_the_order),
		cmocka_unit_test(catalog_name__of_one_server_does_not_depend_on_another),
		cmocka_unit_test(mcp_catalog_find__takes_every_spelling),
		cmocka_unit_test(mcp_catalog__lives_until_the_last_reference),
		cmocka_unit_test(catalog_write__tells_the_effect_and_whence),
		cmocka_unit_test(catalog_read__refuses_what_is_none),
	};
	return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
