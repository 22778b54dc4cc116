/* SPDX-License-Identifier: Apache-2.0 */
/* Tools that the runtime makes of resources: when there are any, what they answer. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void take(struct shelf *s, enum mcp_list kind, const char *result)
{
	struct item_list l = {.kind = kind};
	struct error e;
	assert_int_equal(item_list_add(&l, slice_str(result), 1000, 100000, &e), ERR_NONE);
	shelf_take(s, kind, l);
}

static void tools__are_there_when_there_are_resources(void **state)
{
	const struct tool_entry *own[RESOURCE_TOOLS];
	char name[] = "read_resource";
	struct tool_entry taken = {.name = name};
	struct tool_list none = {0}, some = {.tools = &taken, .count = 1};
	struct shelf s;
	(void)state;
	shelf_init(&s);
	assert_int_equal(resource_tools(&s, &none, own), 0);
	assert_int_equal(resource_tool_of(&s, &none, "read_resource"), RESOURCE_TOOL_NONE);
	take(&s, MCP_PROMPTS, "{\"prompts\":[{\"name\":\"p\"}]}");
	assert_int_equal(resource_tools(&s, &none, own), 0);
	take(&s, MCP_RESOURCE_TEMPLATES,
	     "{\"resourceTemplates\":[{\"name\":\"t\",\"uriTemplate\":\"a:{x}\"}]}");
	assert_int_equal(resource_tools(&s, &none, own), 2);
	assert_string_equal(own[0]->name, "read_resource");
	assert_string_equal(own[1]->name, "list_resources");
	assert_int_equal(resource_tool_of(&s, &none, "read_resource"), RESOURCE_TOOL_READ);
	assert_int_equal(resource_tool_of(&s, &none, "list_resources"), RESOURCE_TOOL_LIST);
	assert_int_equal(resource_tool_of(&s, &none, "other"), RESOURCE_TOOL_NONE);
	/* The server's own goes before. */
	assert_int_equal(resource_tools(&s, &some, own), 1);
	assert_string_equal(own[0]->name, "list_resources");
	assert_int_equal(resource_tool_of(&s, &some, "read_resource"), RESOURCE_TOOL_NONE);
	for (size_t i = 0; i < 2; i++) {
		struct error e;
		resource_tools(&s, &none, own);
		struct json *j = json_parse(own[i]->input_schema.data, own[i]->input_schema.len, 0, &e);
		assert_non_null(j);
		json_free(j);
	}
	shelf_release(&s);
}

static void read__contents_become_content(void **state)
{
	struct buf out = BUF_INIT;
	struct error e;
	(void)state;
	assert_int_equal(
		resource_tool_result(
			SLICE_LIT("{\"contents\":[{\"uri\":\"a:1\",\"text\":\"x\"},{\"blob\":\"\"}]}"), &out,
			&e),
		ERR_NONE);
	assert_string_equal(
		out.data,
		"{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"a:1\",\"text\":\"x\"}},"
		"{\"type\":\"resource\",\"resource\":{\"blob\":\"\"}}]}");
	buf_reset(&out);
	assert_int_equal(resource_tool_result(SLICE_LIT("{\"contents\":[]}"), &out, &e), ERR_NONE);
	assert_non_null(strstr(out.data, "no contents"));
	assert_int_equal(resource_tool_result(SLICE_LIT("{\"contents\":7}"), &out, &e), ERR_UPSTREAM);
	buf_reset(&out);
	resource_tool_fault("not \"there\"", &out);
	assert_string_equal(
		out.data,
		"{\"content\":[{\"type\":\"text\",\"text\":\"not \\\"there\\\"\"}],\"isError\":true}");
	buf_release(&out);
}

static struct json *listed(const struct shelf *s, const char *query)
{
	struct buf out = BUF_INIT;
	struct error e;
	resource_tool_list(s, query, &out);
	struct json *j = json_parse(out.data, out.len, 0, &e);
	assert_non_null(j);
	buf_release(&out);
	return j;
}

static void list__shows_links_and_templates(void **state)
{
	struct shelf s;
	(void)state;
	shelf_init(&s);
	take(&s, MCP_RESOURCES,
	     "{\"resources\":[{\"uri\":\"a:1\",\"name\":\"one\",\"type\":\"x\",\"mimeType\":\"text/plain\"},"
	     "{\"uri\":\"a:2\",\"name\":\"two\",\"description\":\"The \\u00e9lan\"}]}");
	take(&s, MCP_RESOURCE_TEMPLATES,
	     "{\"resourceTemplates\":[{\"name\":\"t\",\"uriTemplate\":\"a:{x}\",\"title\":\"T\"}]}");
	struct json *j = listed(&s, NULL);
	assert_int_equal(json_count(json_get(j, "content")), 4);
	assert_string_equal(json_text(json_pointer(j, "/content/0/type")), "resource_link");
	assert_string_equal(json_text(json_pointer(j, "/content/0/uri")), "a:1");
	assert_string_equal(json_text(json_pointer(j, "/content/0/mimeType")), "text/plain");
	assert_string_equal(json_text(json_pointer(j, "/content/2/text")), "[template: a:{x}, t, T]");
	assert_string_equal(json_text(json_pointer(j, "/content/3/text")), "Resources: 2, templates: 1.");
	json_free(j);
	j = listed(&s, "\xc3\xa9LAN");
	assert_string_equal(json_text(json_pointer(j, "/content/0/uri")), "a:2");
	assert_string_equal(json_text(json_pointer(j, "/content/1/text")),
			    "Resources: 1, templates: 0 (that fit the query).");
	json_free(j);
	shelf_release(&s);
}

static void list__is_bounded(void **state)
{
	struct shelf s;
	struct buf b = BUF_INIT;
	(void)state;
	shelf_init(&s);
	buf_add_str(&b, "{\"resources\":[");
	for (int i = 0; i < 150; i++)
		buf_printf(&b, "%s{\"uri\":\"a:%d\",\"name\":\"n\"}", i ? "," : "", i);
	buf_add_str(&b, "]}");
	take(&s, MCP_RESOURCES, b.data);
	struct json *j = listed(&s, "");
	assert_int_equal(json_count(json_get(j, "content")), 101);
	assert_non_null(strstr(json_text(json_pointer(j, "/content/100/text")), "Resources: 150,"));
	assert_non_null(strstr(json_text(json_pointer(j, "/content/100/text")), "narrow it down"));
	json_free(j);
	buf_release(&b);
	shelf_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tools__are_there_when_there_are_resources),
		cmocka_unit_test(read__contents_become_content),
		cmocka_unit_test(list__shows_links_and_templates),
		cmocka_unit_test(list__is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
