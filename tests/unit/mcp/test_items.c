/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of lists: what is kept, what is left out alone, where it ends. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static enum err add(struct item_list *l, const char *result)
{
	struct error e;
	return item_list_add(l, slice_str(result), 100, 10000, &e);
}

static void items__are_kept_as_they_came(void **state)
{
	struct item_list l = {.kind = MCP_RESOURCES};
	(void)state;
	assert_int_equal(add(&l, "{\"resources\":[{\"uri\":\"a://1\",\"name\":\"one\", \"x\":{\"y\":[1.50]}},"
				 "{\"name\":\"two\",\"uri\":\"A+b-c.d:\",\"title\":\"\\ud800\"}]}"),
			 ERR_NONE);
	assert_int_equal(add(&l, "{\"resources\":[{\"uri\":\"a://3\",\"name\":\"\"}]}"), ERR_NONE);
	assert_int_equal(l.count, 3);
	assert_int_equal(l.faults.count, 0);
	assert_string_equal(buf_cstr(&l.items[0].raw),
			    "{\"uri\":\"a://1\",\"name\":\"one\", \"x\":{\"y\":[1.50]}}");
	/* Half of a surrogate pair is no text. */
	assert_non_null(strstr(buf_cstr(&l.items[1].raw), "\\ufffd"));
	assert_ptr_equal(item_find(&l, "a://3"), &l.items[2]);
	assert_null(item_find(&l, "a://4"));
	item_list_release(&l);
	assert_int_equal(l.kind, MCP_RESOURCES);
	assert_int_equal(l.bytes, 0);
}

static void items__bad_ones_are_left_out_alone(void **state)
{
	static const struct {
		enum mcp_list kind;
		const char *member, *entry, *reason;
	} bad[] = {
		{MCP_RESOURCES, "resources", "7", "not an object"},
		{MCP_RESOURCES, "resources", "null", "not an object"},
		{MCP_RESOURCES, "resources", "{\"name\":\"n\"}", "uri is missing"},
		{MCP_RESOURCES, "resources", "{\"name\":\"n\",\"uri\":5}", "uri is number"},
		{MCP_RESOURCES, "resources", "{\"name\":\"n\",\"uri\":\"\"}", "uri is missing"},
		{MCP_RESOURCES, "resources", "{\"name\":\"n\",\"uri\":\"/etc/passwd\"}", "no scheme"},
		{MCP_RESOURCES, "resources", "{\"name\":\"n\",\"uri\":\"9a:x\"}", "no scheme"},
		{MCP_RESOURCES, "resources", "{\"uri\":\"a:n\"}", "name is missing"},
		{MCP_RESOURCES, "resources", "{\"name\":\"n\",\"uri\":\"a:n\",\"mimeType\":[]}",
		 "mimeType is array"},
		{MCP_RESOURCES, "resources", "{\"name\":\"n\",\"uri\":\"a:good\"}", "the same uri"},
		{MCP_RESOURCES, "resources", "{\"name\":\"n\",\"name\":\"n\",\"uri\":\"a:n\"}", "name"},
		{MCP_RESOURCE_TEMPLATES, "resourceTemplates", "{\"name\":\"n\",\"uri\":\"a:n\"}",
		 "uriTemplate is missing"},
		{MCP_PROMPTS, "prompts", "{\"title\":\"n\"}", "name is missing"},
		{MCP_PROMPTS, "prompts", "{\"name\":\"n\",\"arguments\":{}}", "arguments is object"},
		{MCP_PROMPTS, "prompts", "{\"name\":\"n\",\"arguments\":[{\"name\":1}]}",
		 "argument has no name"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct item_list l = {.kind = bad[i].kind};
		char *text =
			xasprintf("{\"%s\":[{\"name\":\"good\",\"uri\":\"a:good\",\"uriTemplate\":\"a:{x}\"},"
				  "%s,{\"name\":\"last\",\"uri\":\"a:last\",\"uriTemplate\":\"b:{x}\"}]}",
				  bad[i].member, bad[i].entry);
		assert_int_equal(add(&l, text), ERR_NONE);
		assert_int_equal(l.count, 2);
		assert_int_equal(l.faults.count, 1);
		if (!strstr(l.faults.list[0].reason, bad[i].reason))
			fail_msg("\"%s\" does not say \"%s\"", l.faults.list[0].reason, bad[i].reason);
		item_list_release(&l);
		free(text);
	}
}

static void items__answer_without_an_array_is_an_error(void **state)
{
	struct item_list l = {.kind = MCP_PROMPTS};
	(void)state;
	assert_int_equal(add(&l, "{\"resources\":[]}"), ERR_UPSTREAM);
	assert_int_equal(add(&l, "{\"prompts\":{}}"), ERR_UPSTREAM);
	assert_int_equal(add(&l, "{\"prompts\":null}"), ERR_UPSTREAM);
	item_list_release(&l);
}

static void items__end_where_the_limits_are(void **state)
{
	struct item_list l = {.kind = MCP_PROMPTS};
	struct error e;
	struct slice two = SLICE_LIT("{\"prompts\":[{\"name\":\"a\"},{\"name\":\"b\"}]}");
	(void)state;
	assert_int_equal(item_list_add(&l, two, 2, 24, &e), ERR_NONE);
	assert_int_equal(l.count, 2);
	assert_false(l.truncated);
	assert_int_equal(item_list_add(&l, SLICE_LIT("{\"prompts\":[{\"name\":\"c\"}]}"), 2, 1000, &e),
			 ERR_NONE);
	assert_int_equal(l.count, 2);
	assert_true(l.truncated);
	item_list_release(&l);
	assert_int_equal(item_list_add(&l, two, 2, 23, &e), ERR_NONE);
	assert_int_equal(l.count, 1);
	assert_true(l.truncated);
	item_list_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items__are_kept_as_they_came),
		cmocka_unit_test(items__bad_ones_are_left_out_alone),
		cmocka_unit_test(items__answer_without_an_array_is_an_error),
		cmocka_unit_test(items__end_where_the_limits_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
