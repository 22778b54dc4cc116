/* SPDX-License-Identifier: Apache-2.0 */
/* What a server may ask of a person, and what may be answered. */
#include "base/base.h"
#include "mcp/mcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct json *parse(const char *text)
{
	struct error e;
	struct json *j = json_parse(text, strlen(text), 0, &e);
	assert_non_null(j);
	return j;
}

/* "" when it may be asked. */
static const char *read_of(const char *params, bool *is_url)
{
	static struct error e;
	struct json *j = parse(params);
	enum err rc = mcp_elicit_read(j, is_url, &e);
	json_free(j);
	return rc ? e.msg : "";
}

#define FORM(properties) \
	"{\"message\":\"m\",\"requestedSchema\":{\"type\":\"object\",\"properties\":{" properties "}}}"

static void elicit_read__takes_flat_forms(void **state)
{
	bool is_url = true;
	(void)state;
	assert_string_equal(read_of(FORM(""), &is_url), "");
	assert_false(is_url);
	assert_string_equal(
		read_of(FORM("\"a\":{\"type\":\"string\",\"format\":\"email\"},\"b\":{\"type\":\"boolean\"},"
			     "\"c\":{\"type\":\"array\",\"items\":{\"anyOf\":[{\"const\":\"x\",\"title\":"
			     "\"X\"}]}},"
			     "\"d\":{\"type\":\"string\",\"enum\":[\"1\"],\"enumNames\":[\"One\"]}"),
			&is_url),
		"");
	assert_non_null(strstr(read_of(FORM("\"a\":{\"type\":\"object\"}"), &is_url), "\"a\""));
	assert_non_null(
		strstr(read_of(FORM("\"a\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"), &is_url),
		       "\"a\""));
	assert_non_null(strstr(read_of("{\"message\":\"m\"}", &is_url), "requestedSchema"));
	assert_non_null(strstr(read_of("{\"requestedSchema\":{}}", &is_url), "message"));
	assert_non_null(strstr(read_of("{\"mode\":\"dance\",\"message\":\"m\"}", &is_url), "dance"));
	assert_non_null(
		strstr(read_of(FORM("\"a\":{\"type\":\"string\",\"$ref\":\"http://elsewhere/x\"}"), &is_url),
		       "cannot be used"));
}

static void elicit_read__takes_web_addresses_only(void **state)
{
	bool is_url = false;
	(void)state;
	assert_string_equal(
		read_of("{\"mode\":\"url\",\"message\":\"m\",\"url\":\"https://a.example/x?y=1\"}", &is_url),
		"");
	assert_true(is_url);
	assert_non_null(strstr(
		read_of("{\"mode\":\"url\",\"message\":\"m\",\"url\":\"javascript:x\"}", &is_url), "http"));
	assert_non_null(strstr(read_of("{\"mode\":\"url\",\"message\":\"m\"}", &is_url), "http"));
	assert_non_null(strstr(
		read_of("{\"mode\":\"url\",\"message\":\"m\",\"url\":\"https://a b\"}", &is_url), "white"));
}

/* The filled content, or "field: message". */
static const char *fill_of(const char *schema, const char *content)
{
	static char text[512];
	struct json *s = parse(schema), *c = content ? parse(content) : NULL, *filled = NULL;
	struct buf b = BUF_INIT;
	struct error e = {0};
	if (mcp_elicit_fill(s, c, &filled, &e) == ERR_NONE)
		json_print(filled, &b);
	else
		buf_printf(&b, "%s: %s", e.field, e.msg);
	snprintf(text, sizeof(text), "%s", buf_cstr(&b));
	buf_release(&b);
	json_free(s);
	json_free(c);
	json_free(filled);
	return text;
}

#define SCHEMA                                                                                               \
	"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"default\":\"John\"},\"age\":{" \
	"\"type\":\"integer\",\"default\":30},\"score\":{\"type\":\"number\",\"default\":95.5},\"status\":{" \
	"\"type\":\"string\",\"enum\":[\"active\",\"idle\"],\"default\":\"active\"},\"ok\":{\"type\":"       \
	"\"boolean\",\"default\":true},\"mail\":{\"type\":\"string\",\"format\":\"email\"}},\"required\":["  \
	"\"age\"]}"

static void elicit_fill__gives_what_was_left_out_its_default(void **state)
{
	(void)state;
	assert_string_equal(
		fill_of(SCHEMA, NULL),
		"{\"name\":\"John\",\"age\":30,\"score\":95.5,\"status\":\"active\",\"ok\":true}");
	assert_string_equal(fill_of(SCHEMA, "{\"age\":1,\"ok\":false,\"status\":\"idle\",\"name\":\"\"}"),
			    "{\"age\":1,\"ok\":false,\"status\":\"idle\",\"name\":\"\",\"score\":95.5}");
}

static void elicit_fill__says_where_content_does_not_fit(void **state)
{
	(void)state;
	assert_memory_equal(fill_of(SCHEMA, "{\"age\":\"old\"}"), "/age: ", 6);
	assert_memory_equal(fill_of(SCHEMA, "{\"mail\":\"nobody\"}"), "/mail: ", 7);
	assert_memory_equal(fill_of(SCHEMA, "{\"status\":\"gone\"}"), "/status: ", 9);
	assert_memory_equal(fill_of(SCHEMA, "{\"nmae\":\"x\"}"), "/nmae: nobody asked", 19);
	assert_memory_equal(fill_of(SCHEMA, "[1]"), ": an object is needed, not array", 32);
	assert_non_null(strstr(fill_of("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
				       "\"required\":[\"a\"]}",
				       "{}"),
			       "required"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elicit_read__takes_flat_forms),
		cmocka_unit_test(elicit_read__takes_web_addresses_only),
		cmocka_unit_test(elicit_fill__gives_what_was_left_out_its_default),
		cmocka_unit_test(elicit_fill__says_where_content_does_not_fit),
	};
	return cmocka_run_group_tests_name("elicit", tests, NULL, NULL);
}
