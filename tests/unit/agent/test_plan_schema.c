/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a plan: asked for strictly, accepted leniently. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

/* What providers ask of a strict schema: every object closed, every property required. */
static void assert_strict(const struct json *schema)
{
	const struct json *properties = json_get(schema, "properties");
	if (properties != NULL) {
		assert_false(json_get_bool(schema, "additionalProperties", true));
		assert_int_equal(json_count(json_get(schema, "required")), json_count(properties));
	}
	for (const struct json *p = json_first(properties); p != NULL; p = json_next(p)) {
		assert_strict(p);
		if (json_get(p, "items") != NULL)
			assert_strict(json_get(p, "items"));
	}
}

static void plan_schema__is_strict(void **state)
{
	struct slice text = plan_schema_text();
	struct error e;
	(void)state;
	struct json *schema = json_parse(text.ptr, text.len, 0, &e);
	assert_non_null(schema);
	assert_strict(schema);
	json_free(schema);
}

static enum err check(const char *text, struct error *e)
{
	struct json *j = json_parse(text, strlen(text), 0, e);
	assert_non_null(j);
	enum err code = plan_shape_check(j, e);
	json_free(j);
	return code;
}

static void plan_shape_check__takes_what_can_be_done_without(void **state)
{
	static const char *const good[] = {
		"{\"steps\":[]}",
		"{\"steps\":[{\"id\":\"s1\",\"objective\":\"o\"}],\"more\":1}",
		"{\"steps\":[{\"id\":\"s1\",\"objective\":\"o\",\"depends_on\":null,\"tool_hints\":null,"
		"\"inputs\":null,"
		"\"side_effects\":null,\"on_failure\":\"replan\"}],\"final_output\":null}",
	};
	struct error e = {0};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (check(good[i], &e) != ERR_NONE)
			fail_msg("%s: %s %s", good[i], e.field, e.msg);
}

static void plan_shape_check__names_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *field;
	} bad[] = {
		{"{}", "steps"},
		{"[]", ""},
		{"{\"steps\":{}}", "/steps"},
		{"{\"steps\":[{\"objective\":\"o\"}]}", "/steps/0"},
		{"{\"steps\":[{\"id\":\"two words\",\"objective\":\"o\"}]}", "/steps/0/id"},
		{"{\"steps\":[{\"id\":\"0123456789012345678901234567890123\",\"objective\":\"o\"}]}",
		 "/steps/0/id"},
		{"{\"steps\":[{\"id\":\"s\",\"objective\":\"\"}]}", "/steps/0/objective"},
		{"{\"steps\":[{\"id\":\"s\",\"objective\":\"o\",\"side_effects\":\"some\"}]}",
		 "/steps/0/side_effects"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct error e = {0};
		assert_int_not_equal(check(bad[i].text, &e), ERR_NONE);
		if (strstr(e.field, bad[i].field) == NULL)
			fail_msg("%s: %s %s", bad[i].text, e.field, e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_schema__is_strict),
		cmocka_unit_test(plan_shape_check__takes_what_can_be_done_without),
		cmocka_unit_test(plan_shape_check__names_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
