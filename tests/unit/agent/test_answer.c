/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a final answer is what it must be: citations, what failed, a schema. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct mcp_catalog none;

static struct plan *plan_make(void)
{
	static const char text[] =
		"{\"steps\":[{\"id\":\"s1\",\"objective\":\"one\"},{\"id\":\"s2\",\"objective\":"
		"\"two\"},{\"id\":\"s2.1\",\"objective\":\"part\"},{\"id\":\"look\",\"objective\":\"x\"}]}";
	struct error e = {0};
	struct plan *p = plan_parse(SLICE_LIT(text), &none, 20, &e);
	assert_non_null(p);
	return p;
}

static void answer_unknown_steps__are_those_that_do_not_exist(void **state)
{
	static const struct {
		const char *text, *unknown;
	} cases[] = {
		{"", ""},
		{"It is so [s1].", ""},
		{"It is so [s1, s2.1][look].", ""},
		{"It is so [s3] and so [s1;s4].", "s3, s4"},
		{"[s2.2]", "s2.2"},
		/* what is no citation of a step */
		{"- [ ] a [x] b [1] [see](s9) [s] [s.1] array[size] [site]", ""},
		{"unclosed [s1\n s7 is text", ""},
		{"[[s8]]", "s8"},
	};
	struct plan *p = plan_make();
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf out = BUF_INIT;
		answer_unknown_steps(p, cases[i].text, &out);
		assert_string_equal(buf_cstr(&out), cases[i].unknown);
		buf_release(&out);
	}
	plan_free(p);
}

static void answer_notes__name_what_the_text_does_not(void **state)
{
	struct run *r = xcalloc(1, sizeof *r);
	char why[] = "disk on fire";
	struct buf out = BUF_INIT;
	(void)state;
	r->plan = plan_make();
	r->steps[0].status = STEP_FAILED;
	r->steps[0].error = why;
	r->steps[1].status = STEP_SKIPPED;
	r->steps[2].status = STEP_COMPLETED;
	answer_notes(r, "Step [s2] was left out.", &out);
	assert_string_equal(buf_cstr(&out), "\n\nNot completed:\n- [s1] one: disk on fire");
	buf_reset(&out);
	answer_notes(r, "Nothing of [s1, s2].", &out);
	assert_int_equal(out.len, 0);
	buf_release(&out);
	plan_free(r->plan);
	free(r);
}

static struct json *schema_make(const char *text)
{
	struct json *j = json_parse(text, strlen(text), 0, NULL);
	assert_non_null(j);
	return j;
}

static void answer_json__is_found_and_checked(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: it is taken */
	} cases[] = {
		{"{\"n\": 4}", NULL},
		{" {\"n\": 4}\n", NULL},
		{"Here it is:\n```json\n{\"n\": 4}\n```\n", NULL},
		{"It is {\"n\": 4}.", NULL},
		{"four", "no JSON object"},
		{"{\"n\": \"4\"}", "integer"},
		{"[4]", "object"},
		{"```\n```", "no JSON object"},
	};
	struct json *schema = schema_make(
		"{\"type\":\"object\",\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"integer\"}}}");
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct error e = {0};
		struct json *j = answer_json(cases[i].text, schema, &e);
		if ((j != NULL) != (cases[i].why == NULL) ||
		    (j == NULL && strstr(e.msg, cases[i].why) == NULL))
			fail_msg("%s: %s", cases[i].text, e.msg);
		json_free(j);
	}
	json_free(schema);
}

static void answer_json__need_not_be_an_object(void **state)
{
	struct error e = {0};
	struct json *schema = schema_make("{\"type\":\"array\",\"items\":{\"type\":\"string\"}}");
	(void)state;
	struct json *j = answer_json("```\n[\"a\", \"b\"]\n```", schema, &e);
	assert_int_equal(json_count(j), 2);
	json_free(j);
	json_free(schema);
}

static void answer_schema_strict__is_what_all_providers_take(void **state)
{
	static const struct {
		const char *schema;
		bool strict;
	} cases[] = {
		{"{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"a\"],\"properties\":{"
		 "\"a\":{\"type\":"
		 "\"array\",\"items\":{\"type\":\"string\"}}}}",
		 true},
		{"{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\"}}}",
		 false},
		{"{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"a\":{\"type\":"
		 "\"string\"}}}",
		 false},
		{"{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"a\"],\"properties\":{"
		 "\"a\":{\"type\":"
		 "\"integer\",\"minimum\":1}}}",
		 false},
		{"{\"type\":\"array\",\"items\":{\"type\":\"string\"}}", false},
		{"{}", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json *schema = schema_make(cases[i].schema);
		assert_int_equal(answer_schema_strict(schema), cases[i].strict);
		json_free(schema);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_unknown_steps__are_those_that_do_not_exist),
		cmocka_unit_test(answer_notes__name_what_the_text_does_not),
		cmocka_unit_test(answer_json__is_found_and_checked),
		cmocka_unit_test(answer_json__need_not_be_an_object),
		cmocka_unit_test(answer_schema_strict__is_what_all_providers_take),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
