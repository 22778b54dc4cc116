/* SPDX-License-Identifier: Apache-2.0 */
/* x-mcp-header: which annotations are allowed, and what values become in headers. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static enum err make(const char *schema, struct param_plan *p, struct error *e)
{
	struct json *j = json_parse(schema, strlen(schema), 0, e);
	assert_non_null(j);
	enum err rc = param_plan_make("tool", j, p, e);
	json_free(j);
	return rc;
}

static void assert_refused(const char *schema, const char *why)
{
	struct param_plan p;
	struct error e;
	assert_int_equal(make(schema, &p, &e), ERR_UPSTREAM);
	assert_non_null(strstr(e.msg, why));
}

static void assert_lines(const char *schema, const char *arguments, const char *expected)
{
	struct param_plan p;
	struct header_lines l = {0};
	struct error e;
	struct buf text = BUF_INIT;
	assert_int_equal(make(schema, &p, &e), ERR_NONE);
	assert_int_equal(param_headers_add(&p, slice_str(arguments), &l, &e), ERR_NONE);
	for (size_t i = 0; i < l.count; i++)
		buf_printf(&text, "%s|", l.lines[i]);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
	header_lines_release(&l);
	param_plan_release(&p);
}

static void assert_value(const char *text, const char *expected)
{
	struct buf out = BUF_INIT;
	header_value_add(slice_str(text), &out);
	assert_string_equal(buf_cstr(&out), expected);
	buf_release(&out);
}

static void header_value_add__encodes_what_is_not_plain(void **state)
{
	(void)state;
	assert_value("us-west1", "us-west1");
	assert_value("a b\tc", "a b\tc");
	assert_value("", "");
	assert_value("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?=");
	assert_value(" padded ", "=?base64?IHBhZGRlZCA=?=");
	assert_value("\ttab", "=?base64?CXRhYg==?=");
	assert_value("line1\nline2", "=?base64?bGluZTEKbGluZTI=?=");
	assert_value("a\r\nX: y", "=?base64?YQ0KWDogeQ==?=");
	assert_value("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=");
	assert_value("=?base64?=", "=?base64?=");
	assert_value("=?BASE64?x?=", "=?BASE64?x?=");
}

#define P(name, more) "{\"type\":\"object\",\"properties\":{\"" name "\":{" more "}}}"

static void param_headers_add__mirrors_marked_arguments_only(void **state)
{
	const char *schema = "{\"type\":\"object\",\"properties\":{"
			     "\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"},"
			     "\"n\":{\"type\":\"integer\",\"x-mcp-header\":\"N\"},"
			     "\"b\":{\"type\":\"boolean\",\"x-mcp-header\":\"B\"},"
			     "\"query\":{\"type\":\"string\"},"
			     "\"deep\":{\"type\":\"object\",\"properties\":{\"er\":{\"type\":\"string\","
			     "\"x-mcp-header\":\"Method\"}}}}}";
	(void)state;
	assert_lines(schema,
		     "{\"region\":\"us\",\"n\":-7,\"b\":false,\"query\":\"q\",\"deep\":{\"er\":\"x\"}}",
		     "Mcp-Param-Region: us|Mcp-Param-N: -7|Mcp-Param-B: false|Mcp-Param-Method: x|");
	assert_lines(schema, "{\"n\":42.0,\"region\":\"\"}", "Mcp-Param-Region: |Mcp-Param-N: 42|");
	assert_lines(schema, "{\"region\":null,\"b\":true}", "Mcp-Param-B: true|");
	assert_lines(schema, "{\"region\":{},\"n\":1.5,\"er\":\"x\",\"deep\":\"er\"}", "");
	assert_lines(schema, "{\"r\\u0065gion\":\"us\"}", "Mcp-Param-Region: us|");
	assert_lines(P("q", "\"type\":\"string\""), "{\"q\":\"x\"}", "");
}

static void param_headers_add__refuses_what_no_header_holds(void **state)
{
	struct param_plan p;
	struct header_lines l = {0};
	struct error e;
	struct buf arguments = BUF_INIT;
	(void)state;
	assert_int_equal(make(P("q", "\"type\":\"string\",\"x-mcp-header\":\"Q\""), &p, &e), ERR_NONE);
	buf_add_str(&arguments, "{\"q\":\"");
	memset(buf_grow(&arguments, HEADER_LINE_BYTES_MAX), 'x', HEADER_LINE_BYTES_MAX);
	arguments.len += HEADER_LINE_BYTES_MAX;
	buf_add_str(&arguments, "\"}");
	assert_int_equal(param_headers_add(&p, buf_slice(&arguments), &l, &e), ERR_TOO_LARGE);
	assert_non_null(strstr(e.msg, "Mcp-Param-Q"));
	header_lines_release(&l);
	buf_release(&arguments);
	param_plan_release(&p);
}

static void param_plan_make__refuses_what_the_rules_do(void **state)
{
	(void)state;
	assert_refused(P("v", "\"type\":\"string\",\"x-mcp-header\":\"\""), "not the name of a header");
	assert_refused(P("v", "\"type\":\"string\",\"x-mcp-header\":7"), "not the name of a header");
	assert_refused(P("v", "\"type\":\"string\",\"x-mcp-header\":\"My Region\""), "name of a header");
	assert_refused(P("v", "\"type\":\"string\",\"x-mcp-header\":\"A:B\""), "name of a header");
	assert_refused(P("v", "\"type\":\"string\",\"x-mcp-header\":\"R\303\251gion\""), "name of a header");
	assert_refused(P("v", "\"type\":\"string\",\"x-mcp-header\":\"A\\u0009\""), "name of a header");
	assert_refused(P("v", "\"type\":\"object\",\"x-mcp-header\":\"V\""), "no string, integer or boolean");
	assert_refused(P("v", "\"type\":\"number\",\"x-mcp-header\":\"V\""), "no string, integer or boolean");
	assert_refused(P("v", "\"type\":\"null\",\"x-mcp-header\":\"V\""), "no string, integer or boolean");
	assert_refused(P("v", "\"x-mcp-header\":\"V\""), "no string, integer or boolean");
	assert_refused("{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"Same\"},"
		       "\"b\":{\"type\":\"string\",\"x-mcp-header\":\"sAME\"}}}",
		       "comes twice");
}

static void param_plan_make__refuses_what_is_not_reached_straight(void **state)
{
#define MARK "{\"type\":\"string\",\"x-mcp-header\":\"V\"}"
	static const char *const schemas[] = {
		"{\"type\":\"string\",\"x-mcp-header\":\"V\"}",
		P("v", "\"items\":" MARK),
		P("v", "\"items\":{\"properties\":{\"w\":" MARK "}}"),
		"{\"allOf\":[{\"properties\":{\"v\":" MARK "}}]}",
		"{\"if\":{\"properties\":{\"v\":" MARK "}}}",
		"{\"not\":" MARK "}",
		"{\"$defs\":{\"v\":" MARK "}}",
		"{\"patternProperties\":{\"^v\":" MARK "}}",
		"{\"additionalProperties\":" MARK "}",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(schemas); i++)
		assert_refused(schemas[i], "through \"properties\" alone");
}

static void param_plan_make__knows_names_and_data_from_annotations(void **state)
{
	(void)state;
	assert_lines("{\"properties\":{\"x-mcp-header\":{\"type\":\"string\"},"
		     "\"properties\":{\"type\":\"string\",\"x-mcp-header\":\"P\"}},"
		     "\"default\":{\"x-mcp-header\":\"\"},\"$defs\":{\"x-mcp-header\":{}}}",
		     "{\"x-mcp-header\":\"a\",\"properties\":\"b\"}", "Mcp-Param-P: b|");
}

static void param_plan_make__has_a_limit(void **state)
{
	struct buf schema = BUF_INIT;
	(void)state;
	buf_add_str(&schema, "{\"properties\":{\"a\":{}");
	for (int i = 0; i <= PARAM_HEADERS_MAX; i++)
		buf_printf(&schema, ",\"p%d\":{\"type\":\"string\",\"x-mcp-header\":\"H%d\"}", i, i);
	buf_add_str(&schema, "}}");
	assert_refused(buf_cstr(&schema), "more than 32");
	buf_release(&schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_value_add__encodes_what_is_not_plain),
		cmocka_unit_test(param_headers_add__mirrors_marked_arguments_only),
		cmocka_unit_test(param_headers_add__refuses_what_no_header_holds),
		cmocka_unit_test(param_plan_make__refuses_what_the_rules_do),
		cmocka_unit_test(param_plan_make__refuses_what_is_not_reached_straight),
		cmocka_unit_test(param_plan_make__knows_names_and_data_from_annotations),
		cmocka_unit_test(param_plan_make__has_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
