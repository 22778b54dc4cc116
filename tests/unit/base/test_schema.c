/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schema checks: a table of schema, values that fit and values that do not, with the message a model gets.
 * Rows are taken from the drafts' own test suites in spirit and from the schemas of the pinned tool servers
 * in letter.
 */
#include "base/base.h"
#include "base/schema.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct json *parsed(const char *text)
{
	struct error e = {0};
	struct json *j = json_parse(text, strlen(text), 0, &e);
	if (!j)
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static enum err checked(const char *schema, const char *value, struct error *e)
{
	struct json *s = parsed(schema), *v = parsed(value);
	*e = (struct error){0};
	enum err rc = schema_check(s, v, e);
	json_free(s);
	json_free(v);
	return rc;
}

static void assert_fits(const char *schema, const char *value)
{
	struct error e;
	if (checked(schema, value, &e))
		fail_msg("%s should fit %s but: %s", value, schema, e.msg);
}

static void assert_refused(const char *schema, const char *value, const char *msg)
{
	struct error e;
	enum err rc = checked(schema, value, &e);
	if (rc != ERR_FIELD)
		fail_msg("%s against %s: expected a refusal, got %d %s", value, schema, rc, e.msg);
	if (msg)
		assert_string_equal(e.msg, msg);
}

static void assert_not_compiled(const char *schema, const char *part)
{
	struct error e = {0};
	struct json *s = parsed(schema);
	assert_int_equal(schema_compile_check(s, &e), ERR_CONFIG);
	if (!strstr(e.msg, part))
		fail_msg("%s: \"%s\" should say \"%s\"", schema, e.msg, part);
	assert_int_equal(schema_check(s, s, &e), ERR_CONFIG);
	json_free(s);
}

static void schema_check__null_and_booleans(void **state)
{
	(void)state;
	struct error e;
	struct json *v = parsed("1");
	assert_int_equal(schema_check(NULL, v, &e), ERR_NONE);
	json_free(v);
	assert_fits("true", "[1]");
	assert_fits("{}", "null");
	assert_refused("false", "1", "value: is not allowed here");
}

static void schema_check__types(void **state)
{
	(void)state;
	assert_fits("{\"type\":\"integer\"}", "1.0");
	assert_fits("{\"type\":\"integer\"}", "1e300");
	assert_fits("{\"type\":[\"string\",\"null\"]}", "null");
	assert_refused("{\"type\":\"integer\"}", "1.5", "value: must be an integer, is 1.5");
	assert_refused("{\"type\":\"object\"}", "\"x\"", "value: must be an object, is a string");
	assert_refused("{\"type\":[\"string\",\"null\"]}", "[]",
		       "value: must be a string or null, is an array");
	assert_refused("{\"type\":\"number\"}", "true", "value: must be a number, is a boolean");
}

static const char EDIT[] =
	"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"type\":\"object\",\"properties\":{"
	"\"path\":{\"type\":\"string\"},\"edits\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
	"\"properties\":{\"oldText\":{\"type\":\"string\"},\"newText\":{\"type\":\"string\"}},"
	"\"required\":[\"oldText\",\"newText\"],\"additionalProperties\":false}},"
	"\"dryRun\":{\"type\":\"boolean\",\"default\":false}},\"required\":[\"path\",\"edits\"],"
	"\"additionalProperties\":false}";

static void schema_check__names_the_place(void **state)
{
	(void)state;
	struct error e;
	assert_fits(EDIT, "{\"path\":\"a\",\"edits\":[{\"oldText\":\"x\",\"newText\":\"y\"}]}");
	assert_refused(EDIT, "{\"edits\":[]}", "/path: is required (string)");
	assert_refused(EDIT, "{\"path\":\"a\",\"edits\":[{\"oldText\":1,\"newText\":\"y\"}]}",
		       "/edits/0/oldText: must be a string, is a number");
	assert_int_equal(checked(EDIT, "{\"path\":\"a\",\"edits\":[{\"newText\":\"y\"}]}", &e), ERR_FIELD);
	assert_string_equal(e.field, "/edits/0/oldText");
	assert_refused(EDIT, "{\"path\":\"a\",\"edits\":[],\"dryrun\":true}",
		       "/dryrun: is not a known property; did you mean dryRun? Known: path, edits, dryRun");
	assert_refused("{\"properties\":{\"a/b~c\":{\"type\":\"null\"}}}", "{\"a/b~c\":1}",
		       "/a~1b~0c: must be null, is a number");
}

static void schema_check__enum_and_const(void **state)
{
	(void)state;
	assert_fits("{\"enum\":[1,\"a\",null,{\"k\":[1]}]}", "{\"k\":[1.0]}");
	assert_fits("{\"const\":null}", "null");
	assert_refused("{\"enum\":[\"name\",\"size\"]}", "\"date\"",
		       "value: must be one of \"name\", \"size\"; is \"date\"");
	assert_refused("{\"const\":\"x\"}", "\"y\"", "value: must be \"x\", is \"y\"");
}

static void schema_check__numbers(void **state)
{
	(void)state;
	assert_fits("{\"minimum\":1,\"maximum\":3}", "3");
	assert_refused("{\"minimum\":1}", "0.5", "value: must be at least 1, is 0.5");
	assert_refused("{\"maximum\":3}", "4", "value: must be at most 3, is 4");
	assert_refused("{\"exclusiveMinimum\":1}", "1", "value: must be above 1, is 1");
	assert_refused("{\"exclusiveMaximum\":1}", "1", "value: must be below 1, is 1");
	assert_refused("{\"minimum\":1,\"exclusiveMinimum\":true}", "1", "value: must be above 1, is 1");
	assert_fits("{\"multipleOf\":0.1}", "0.3");
	assert_refused("{\"multipleOf\":5}", "12", "value: must be a multiple of 5, is 12");
	/* Beyond 2^53 a double could not tell these two apart. */
	assert_refused("{\"maximum\":9007199254740992}", "9007199254740993", NULL);
	assert_fits("{\"minimum\":5}", "\"not a number\"");
}

static void schema_check__strings(void **state)
{
	(void)state;
	assert_fits("{\"maxLength\":2}", "\"\xC3\xA4\xC3\xB6\"");
	assert_refused("{\"minLength\":1}", "\"\"", "value: must not be empty");
	assert_refused("{\"minLength\":3}", "\"ab\"", "value: must have at least 3 characters, has 2");
	assert_refused("{\"maxLength\":1}", "\"ab\"", "value: must have at most 1 characters, has 2");
	assert_refused("{\"pattern\":\"^a+$\"}", "\"ab\"", "value: must match the pattern ^a+$");
	assert_refused("{\"format\":\"uuid\"}", "\"nope\"", "value: must be a valid uuid");
}

struct row {
	const char *rule, *yes, *no;
};

/* Patterns as tools write them, for ECMAScript. */
static void schema_check__patterns(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"^\\\\d{3}-\\\\w+$", "123-ab_1", "12-ab"},
		{"^[\\\\w.-]+@[\\\\w-]+\\\\.[a-z]{2,}$", "a.b-c@d-e.org", "a@b"},
		{"^[\\\\w-.]+$", "a-b.c", "a+b"},
		{"^(?:foo|bar)$", "bar", "baz"},
		{"^.{2}$", "\xC3\xA4\xC3\xB6", "abc"},
		{"^a.b$", "a-b", "a\\nb"},
		{"^\\\\s*\\\\S+?$", "  x", "  "},
		{"^[^\\\\s]+$", "x", "x y"},
		{"^\\\\/api\\\\/[0-9]+$", "/api/1", "/api/"},
		{"^{x}$", "{x}", "x"},
		{"^[\\\\]\\\\[^-]+$", "]-[^", "a"},
		{"^[a-c-z]+$", "-abcz", "d"},
		{"^\\\\x41\\\\u0042$", "AB", "ab"},
		{"\\\\bcat\\\\b", "a cat.", "concatenate"},
		{"^$", "", "x"},
		{"^[\xC3\xA4\xC3\xB6]$", "\xC3\xB6", "\xC3\xBC"},
		{"^(?<name>a)$", "a", "b"},
		{"^[\\\\s\\\\S]x$", "\\nx", "x"},
		{"^[^\\\\D]$", "1", "a"},
		{"^(a|bc|)*d$", "abcd", "abd"},
		{"^(|a){2}b{0}$", "aa", "aab"},
		{"^x{2,}$", "xxx", "x"},
		{"a+(b|c)?d", "-aad-", "-aabcd-"},
		{"^a{2,3}?$", "aaa", "a"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char schema[128], yes[64], no[64];
		snprintf(schema, sizeof(schema), "{\"pattern\":\"%s\"}", rows[i].rule);
		snprintf(yes, sizeof(yes), "\"%s\"", rows[i].yes);
		snprintf(no, sizeof(no), "\"%s\"", rows[i].no);
		assert_fits(schema, yes);
		assert_refused(schema, no, NULL);
	}
}

static void schema_check__leaves_patterns_it_cannot_say_to_the_server(void **state)
{
	(void)state;
	static const char *const patterns[] = {"^(?=.*x)", "(a)\\\\1", "\\\\p{L}", "^((a{200}){200}){200}$"};
	for (size_t i = 0; i < COUNT_OF(patterns); i++) {
		char schema[128];
		snprintf(schema, sizeof(schema), "{\"pattern\":\"%s\"}", patterns[i]);
		assert_fits(schema, "\"whatever\"");
	}
}

static void schema_check__formats(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"date", "2024-02-29", "2023-02-29"},
		{"date", "2023-12-31", "2023-12-31T00:00:00Z"},
		{"date-time", "2023-01-02T03:04:05Z", "2023-01-02 03:04:05Z"},
		{"date-time", "2023-01-02t03:04:05.678+01:30", "2023-01-02T03:04:05"},
		{"date-time", "1990-12-31T23:59:60Z", "1990-12-31T24:00:00Z"},
		{"email", "a.b@example.org", "a@b@c"},
		{"email", "a@localhost", "@x"},
		{"uri", "https://example.org/a?b#c", "/relative"},
		{"uri", "urn:isbn:0451450523", "http://a b"},
		{"uuid", "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5dac96774bbcceb302099a8057"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char schema[64], yes[64], no[64];
		snprintf(schema, sizeof(schema), "{\"format\":\"%s\"}", rows[i].rule);
		snprintf(yes, sizeof(yes), "\"%s\"", rows[i].yes);
		snprintf(no, sizeof(no), "\"%s\"", rows[i].no);
		assert_fits(schema, yes);
		assert_refused(schema, no, NULL);
	}
	assert_fits("{\"format\":\"hostname-of-mars\"}", "\"?\"");
}

static void schema_check__arrays(void **state)
{
	(void)state;
	assert_refused("{\"items\":{\"type\":\"string\"}}", "[\"a\",1]", "/1: must be a string, is a number");
	assert_refused("{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\",1]",
		       "/1: is not allowed here");
	assert_refused("{\"items\":[{\"type\":\"string\"}],\"additionalItems\":{\"type\":\"null\"}}",
		       "[\"a\",1]", "/1: must be null, is a number");
	assert_fits("{\"items\":[{\"type\":\"string\"}]}", "[\"a\",1]");
	assert_refused("{\"minItems\":1}", "[]", "value: must have at least 1 element, has 0");
	assert_refused("{\"maxItems\":1}", "[1,2]", "value: must have at most 1 elements, has 2");
	assert_refused("{\"uniqueItems\":true}", "[1,2,1.0]",
		       "value: must not repeat an element: 0 and 2 are equal");
	assert_fits("{\"contains\":{\"const\":2}}", "[1,2]");
	assert_refused("{\"contains\":{\"const\":2}}", "[1]", NULL);
	assert_fits("{\"contains\":{\"const\":2},\"minContains\":0}", "[1]");
	assert_refused("{\"contains\":{\"const\":2},\"maxContains\":1}", "[2,2]", NULL);
}

static void schema_check__objects(void **state)
{
	(void)state;
	assert_refused("{\"additionalProperties\":false}", "{\"a\":1}",
		       "/a: is not a known property; none is allowed here");
	assert_refused("{\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\":1}",
		       "/a: must be a string, is a number");
	assert_fits("{\"patternProperties\":{\"^x-\":{\"type\":\"number\"}},\"additionalProperties\":false}",
		    "{\"x-a\":1}");
	assert_refused("{\"patternProperties\":{\"^x-\":{\"type\":\"number\"}}}", "{\"x-a\":\"1\"}",
		       "/x-a: must be a number, is a string");
	assert_refused("{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}",
		       "value: \"ab\" is not allowed as a property name");
	assert_refused("{\"minProperties\":2}", "{\"a\":1}", NULL);
	assert_refused("{\"maxProperties\":0}", "{\"a\":1}", NULL);
	assert_refused("{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}",
		       "/b: is required when a is given");
	assert_fits("{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"b\":1}");
	assert_refused("{\"dependencies\":{\"a\":{\"required\":[\"c\"]},\"x\":[\"y\"]}}", "{\"a\":1}",
		       "/c: is required");
	assert_refused("{\"dependentSchemas\":{\"a\":{\"maxProperties\":1}}}", "{\"a\":1,\"b\":2}", NULL);
	/* Names are looked up with case: cJSON's own look-up would not. */
	assert_refused("{\"required\":[\"Path\"]}", "{\"path\":1}", "/Path: is required");
}

static void schema_check__combinations(void **state)
{
	(void)state;
	static const char nullable[] = "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}";
	assert_fits(nullable, "null");
	assert_refused(nullable, "3", "value: must be a string or null, is a number");
	assert_refused("{\"allOf\":[{\"minimum\":1},{\"maximum\":2}]}", "3",
		       "value: must be at most 2, is 3");
	assert_refused("{\"oneOf\":[{\"minimum\":1},{\"maximum\":2}]}", "1",
		       "value: fits more than one of the forms of which it must fit exactly one");
	assert_refused("{\"not\":{\"type\":\"string\"}}", "\"x\"",
		       "value: is of a form that the schema forbids (not)");
	static const char conditional[] = "{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},"
					  "\"else\":{\"required\":[\"c\"]}}";
	assert_refused(conditional, "{\"a\":1}", "/b: is required");
	assert_refused(conditional, "{}", "/c: is required");
	assert_fits(conditional, "{\"c\":1}");
}

static void schema_check__unions_complain_about_the_branch_that_was_meant(void **state)
{
	(void)state;
	static const char shapes[] = "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":"
				     "\"circle\"},\"r\":{\"type\":\"number\"}},"
				     "\"required\":[\"kind\",\"r\"]},{\"type\":\"object\",\"properties\":{"
				     "\"kind\":{\"const\":\"square\"},"
				     "\"side\":{\"type\":\"number\"}},\"required\":[\"kind\",\"side\"]}]}";
	assert_fits(shapes, "{\"kind\":\"square\",\"side\":1}");
	assert_refused(shapes, "{\"kind\":\"square\",\"side\":\"1\",\"r\":1}",
		       "/side: must be a number, is a string");
}

static void schema_check__references(void **state)
{
	(void)state;
	static const char tree[] =
		"{\"$ref\":\"#/$defs/node\",\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{"
		"\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/node\"}}}}}}";
	assert_fits(tree, "{\"kids\":[{\"kids\":[]},{}]}");
	assert_refused(tree, "{\"kids\":[{\"kids\":[1]}]}", "/kids/0/kids/0: must be an object, is a number");
	assert_refused(
		"{\"$id\":\"https://x.org/s\",\"properties\":{\"a\":{\"$ref\":\"https://x.org/s#/$defs/n\"}},"
		"\"$defs\":{\"n\":{\"type\":\"null\"}}}",
		"{\"a\":1}", "/a: must be null, is a number");
	assert_refused("{\"$ref\":\"#n\",\"$defs\":{\"q\":{\"$anchor\":\"n\",\"type\":\"null\"}}}", "1",
		       NULL);
	assert_refused("{\"$ref\":\"#/$defs/a%20b\",\"$defs\":{\"a b\":{\"type\":\"null\"}}}", "1", NULL);
	/* Beside $ref: ignored up to draft-07, counted since. */
	assert_fits("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#/definitions/"
		    "n\",\"type\":\"null\","
		    "\"definitions\":{\"n\":{\"type\":\"number\"}}}",
		    "1");
	assert_refused("{\"$ref\":\"#/$defs/n\",\"maximum\":0,\"$defs\":{\"n\":{\"type\":\"number\"}}}", "1",
		       NULL);
}

static void schema_compile_check__names_what_is_malformed(void **state)
{
	(void)state;
	assert_not_compiled("{\"type\":\"text\"}", "/type");
	assert_not_compiled("{\"properties\":{\"a\":{\"minLength\":-1}}}", "/properties/a/minLength");
	assert_not_compiled("{\"required\":\"a\"}", "list of property names");
	assert_not_compiled("{\"items\":3}", "/items: a schema must be");
	assert_not_compiled("{\"anyOf\":[]}", "at least one");
	static const char *const broken[] = {"(", "a)", "[a", "*a", "a**", "{2}a", "a{3,2}", "[b-a]"};
	for (size_t i = 0; i < COUNT_OF(broken); i++) {
		char schema[64];
		snprintf(schema, sizeof(schema), "{\"pattern\":\"%s\"}", broken[i]);
		assert_not_compiled(schema, "/pattern");
	}
	assert_not_compiled("{\"$ref\":\"https://example.org/s.json\"}", "nothing is fetched");
	assert_not_compiled("{\"$ref\":\"#/$defs/none\"}", "leads to no schema");
	assert_not_compiled("[]", "its top");
	assert_not_compiled("{\"multipleOf\":0}", "above 0");
}

static void schema_check_compiled__checks_the_value_alone(void **state)
{
	static const char schema[] = "{\"type\":\"object\",\"required\":[\"a\"]}";
	struct json *s = json_parse(schema, sizeof schema - 1, 0, NULL);
	struct json *good = json_parse("{\"a\":1}", 7, 0, NULL), *bad = json_parse("{}", 2, 0, NULL);
	struct error e = {0};
	(void)state;
	assert_int_equal(schema_compile_check(s, &e), ERR_NONE);
	assert_int_equal(schema_check_compiled(s, good, &e), ERR_NONE);
	assert_int_equal(schema_check_compiled(s, bad, &e), ERR_FIELD);
	assert_string_equal(e.field, "/a");
	assert_int_equal(schema_check_compiled(NULL, bad, &e), ERR_NONE);
	json_free(s);
	json_free(good);
	json_free(bad);
}

static void schema_check__work_is_bounded(void **state)
{
	(void)state;
	struct error e;
	assert_int_equal(checked("{\"$ref\":\"#\"}", "1", &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "steps"));
	/* A negation must not turn "cut short" into "fits". */
	assert_int_equal(checked("{\"not\":{\"$ref\":\"#\"}}", "1", &e), ERR_CONFIG);
	/* Doubles at each level: 2^60 visits if nobody counted. */
	struct buf s = BUF_INIT;
	buf_add_str(&s, "{\"$ref\":\"#/$defs/n0\",\"$defs\":{");
	for (int i = 0; i < 60; i++)
		buf_printf(&s, "\"n%d\":{\"allOf\":[{\"$ref\":\"#/$defs/n%d\"},{\"$ref\":\"#/$defs/n%d\"}]},",
			   i, i + 1, i + 1);
	buf_add_str(&s, "\"n60\":true}}");
	assert_int_equal(checked(buf_cstr(&s), "1", &e), ERR_CONFIG);
	buf_release(&s);
}

/* What takes a backtracking matcher for ever, and the C library seconds, is given up after a count of steps.
 */
static void schema_check__hostile_patterns_are_bounded(void **state)
{
	(void)state;
	struct buf v = BUF_INIT;
	buf_add_char(&v, '"');
	for (uint32_t i = 0; i < 65536; i++)
		buf_add_char(&v, "ab"[(i * 2654435761u) >> 31]);
	buf_add_char(&v, '"');
	assert_fits("{\"pattern\":\"(a|b)*a(a|b){200}c\"}", buf_cstr(&v));
	assert_fits("{\"pattern\":\"^.{1,3000}$\"}", buf_cstr(&v));
	assert_refused("{\"pattern\":\"^(a+)+$\"}", buf_cstr(&v), NULL);
	buf_release(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema_check__null_and_booleans),
		cmocka_unit_test(schema_check__types),
		cmocka_unit_test(schema_check__names_the_place),
		cmocka_unit_test(schema_check__enum_and_const),
		cmocka_unit_test(schema_check__numbers),
		cmocka_unit_test(schema_check__strings),
		cmocka_unit_test(schema_check__patterns),
		cmocka_unit_test(schema_check__leaves_patterns_it_cannot_say_to_the_server),
		cmocka_unit_test(schema_check__formats),
		cmocka_unit_test(schema_check__arrays),
		cmocka_unit_test(schema_check__objects),
		cmocka_unit_test(schema_check__combinations),
		cmocka_unit_test(schema_check__unions_complain_about_the_branch_that_was_meant),
		cmocka_unit_test(schema_check__references),
		cmocka_unit_test(schema_compile_check__names_what_is_malformed),
		cmocka_unit_test(schema_check_compiled__checks_the_value_alone),
		cmocka_unit_test(schema_check__work_is_bounded),
		cmocka_unit_test(schema_check__hostile_patterns_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
