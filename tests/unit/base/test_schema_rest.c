/* SPDX-License-Identifier: Apache-2.0 */
/* unevaluatedProperties and unevaluatedItems: who spoke of a member or element, and who only tried. */
#include "base/base.h"
#include "base/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static enum err checked(const char *schema, const char *value, struct error *e)
{
	struct json *s = json_parse(schema, strlen(schema), 0, e),
		    *v = json_parse(value, strlen(value), 0, e);
	assert_non_null(s);
	assert_non_null(v);
	*e = (struct error){0};
	enum err rc = schema_check(s, v, e);
	json_free(s);
	json_free(v);
	return rc;
}

struct row {
	const char *schema, *fits, *not, *where;
};

static void rows_check(const struct row *rows, size_t count)
{
	struct error e;
	for (size_t i = 0; i < count; i++) {
		if (checked(rows[i].schema, rows[i].fits, &e) != ERR_NONE)
			fail_msg("%s should fit %s but: %s", rows[i].fits, rows[i].schema, e.msg);
		if (checked(rows[i].schema, rows[i].not, &e) != ERR_FIELD)
			fail_msg("%s should not fit %s", rows[i].not, rows[i].schema);
		assert_string_equal(e.field, rows[i].where);
	}
}

static void schema_rest__members(void **state)
{
	static const struct row rows[] = {
		{"{\"allOf\":[{\"properties\":{\"a\":true}}],\"properties\":{\"b\":true},"
		 "\"unevaluatedProperties\":false}",
		 "{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", "/c"},
		/* A branch that does not fit has said nothing. */
		{"{\"anyOf\":[{\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]},true],"
		 "\"unevaluatedProperties\":false}",
		 "{\"a\":\"x\"}", "{\"a\":1}", "/a"},
		{"{\"if\":{\"required\":[\"a\"],\"properties\":{\"a\":true}},\"then\":{\"properties\":{\"b\":"
		 "true}},\"else\":{\"properties\":{\"c\":true}},\"unevaluatedProperties\":false}",
		 "{\"a\":1,\"b\":1}", "{\"b\":1}", "/b"},
		{"{\"$ref\":\"#/$defs/x\",\"unevaluatedProperties\":{\"type\":\"number\"},"
		 "\"$defs\":{\"x\":{\"patternProperties\":{\"^s\":{\"type\":\"string\"}}}}}",
		 "{\"s1\":\"t\",\"n\":1}", "{\"s1\":\"t\",\"n\":\"t\"}", "/n"},
		{"{\"dependentSchemas\":{\"a\":{\"properties\":{\"a\":true,\"b\":true}}},"
		 "\"unevaluatedProperties\":false}",
		 "{\"a\":1,\"b\":1}", "{\"b\":1}", "/b"},
		/* What a nested one has seen to is seen to; not what stands under "not". */
		{"{\"allOf\":[{\"unevaluatedProperties\":{\"type\":\"number\"}}],"
		 "\"unevaluatedProperties\":false}",
		 "{\"a\":1}", "{\"a\":\"x\"}", "/a"},
		{"{\"not\":{\"not\":{\"properties\":{\"a\":true}}},\"unevaluatedProperties\":false}", "{}",
		 "{\"a\":1}", "/a"},
	};
	(void)state;
	rows_check(rows, COUNT_OF(rows));
}

static void schema_rest__elements(void **state)
{
	static const struct row rows[] = {
		{"{\"prefixItems\":[true],\"allOf\":[{\"prefixItems\":[true,{\"type\":\"number\"}]}],"
		 "\"unevaluatedItems\":false}",
		 "[\"a\",1]", "[\"a\",1,2]", "/2"},
		{"{\"contains\":{\"type\":\"string\"},\"unevaluatedItems\":{\"type\":\"number\"}}",
		 "[1,\"a\",2]", "[1,\"a\",null]", "/2"},
		{"{\"oneOf\":[{\"items\":{\"type\":\"string\"}},{\"items\":{\"type\":\"number\"}}],"
		 "\"unevaluatedItems\":false}",
		 "[1,2]", "[1,\"a\"]", "/0"},
	};
	(void)state;
	rows_check(rows, COUNT_OF(rows));
}

static void schema_rest__is_not_of_draft_07(void **state)
{
	struct error e;
	(void)state;
	assert_int_equal(checked("{\"$schema\":\"http://json-schema.org/draft-07/schema#\","
				 "\"unevaluatedProperties\":false}",
				 "{\"a\":1}", &e),
			 ERR_NONE);
	assert_int_equal(checked("{\"unevaluatedItems\":3}", "[]", &e), ERR_CONFIG);
}

static void schema_rest__work_is_bounded(void **state)
{
	struct error e;
	struct buf schema = BUF_INIT;
	(void)state;
	for (int i = 0; i < 28; i++)
		buf_add_str(&schema, "{\"unevaluatedProperties\":{},\"anyOf\":[{\"type\":\"object\"},");
	buf_add_str(&schema, "true");
	for (int i = 0; i < 28; i++)
		buf_add_str(&schema, "]}");
	assert_int_equal(checked(buf_cstr(&schema), "{\"a\":1,\"b\":{\"c\":2},\"d\":3}", &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "steps"));
	buf_release(&schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema_rest__members),
		cmocka_unit_test(schema_rest__elements),
		cmocka_unit_test(schema_rest__is_not_of_draft_07),
		cmocka_unit_test(schema_rest__work_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
