/* SPDX-License-Identifier: Apache-2.0 */
/* What a person may make of a plan. */
#include "run_rig.h"

static const char *const echo_args[] = {"tools", NULL};

struct edit {
	struct error error;
	struct json *plan; /* NULL: refused */
};

static struct edit edit(struct world *w, const char *given, const char *now)
{
	struct edit d = {0};
	struct buf out = BUF_INIT;
	struct json *g = json_parse(given, strlen(given), 0, NULL),
		    *n = json_parse(now, strlen(now), 0, NULL);

	assert_non_null(g);
	assert_non_null(n);
	if (agent_plan_check(w->agent, g, n, 7, &out, &d.error) == ERR_NONE) {
		d.plan = json_parse(out.data, out.len, 0, NULL);
		assert_non_null(d.plan);
	} else {
		assert_int_equal(out.len, 0);
	}
	json_free(g);
	json_free(n);
	buf_release(&out);
	return d;
}

#define NOW \
	"{\"version\":6,\"digest\":\"x\",\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"objective\":\"look\"}]}"

static void refused(struct world *w, const char *given, const char *now, const char *field, const char *says)
{
	struct edit d = edit(w, given, now);

	assert_null(d.plan);
	if (strcmp(d.error.field, field) != 0 || strstr(d.error.msg, says) == NULL)
		fail_msg("%s: %s", d.error.field, d.error.msg);
}

static void plan_edit__gives_the_next_version(void **state)
{
	struct world *w = *state;
	struct edit d = edit(w,
			     "{\"goal\":\"h\",\"version\":1,\"digest\":\"old\",\"steps\":[{\"id\":\"a\","
			     "\"objective\":\"do\","
			     "\"status\":\"pending\",\"result\":null,\"tool_hints\":[\"fake.count\"],"
			     "\"approval\":\"required\"}]}",
			     NOW);

	assert_non_null(d.plan);
	assert_int_equal(json_get_integer(d.plan, "version", 0), 7);
	assert_int_equal(strlen(json_get_text(d.plan, "digest", "")), 64);
	assert_string_equal(json_text(json_pointer(d.plan, "/steps/0/approval")), "required");
	/* The tool may write, whatever the person wrote. */
	assert_string_equal(json_text(json_pointer(d.plan, "/steps/0/side_effects")), "write");
	assert_string_equal(json_text(json_pointer(d.plan, "/steps/0/tool_hints/0")), "fake__count");
	assert_null(json_pointer(d.plan, "/steps/0/status"));
	json_free(d.plan);
}

static void plan_edit__digest_covers_the_approval_of_steps(void **state)
{
	struct world *w = *state;
	struct edit a = edit(w, "{\"steps\":[{\"id\":\"a\",\"objective\":\"do\"}]}", NOW);
	struct edit b =
		edit(w, "{\"steps\":[{\"id\":\"a\",\"objective\":\"do\",\"approval\":\"required\"}]}", NOW);

	assert_string_not_equal(json_get_text(a.plan, "digest", ""), json_get_text(b.plan, "digest", ""));
	json_free(a.plan);
	json_free(b.plan);
}

static void plan_edit__refuses_what_a_planner_may_not(void **state)
{
	struct world *w = *state;

	refused(w, "{\"steps\":[]}", NOW, "/steps", "needs a step");
	refused(w, "{\"goal\":\"g\"}", NOW, "/steps", "required");
	refused(w, "{\"steps\":[{\"id\":\"a\"}]}", NOW, "/steps/0/objective", "required");
	refused(w, "{\"steps\":[{\"id\":\"a\",\"objective\":\"x\",\"depends_on\":[\"b\"]}]}", NOW, "/steps",
		"no step");
	refused(w, "{\"steps\":[{\"id\":\"a\",\"objective\":\"x\",\"depends_on\":[\"a\"]}]}", NOW, "/steps",
		"itself");
	refused(w, "{\"steps\":[{\"id\":\"a\",\"objective\":\"x\",\"objectiv\":\"y\"}]}", NOW, "/steps/0",
		"no member \"objectiv\"");
	refused(w,
		"{\"steps\":[{\"id\":\"a\",\"objective\":\"x\",\"tool_hints\":[\"fake__count\",\"nope\"]}]}",
		NOW, "/steps/0/tool_hints/1", "no tool \"nope\"");
	refused(w, "{\"steps\":[{\"id\":\"a\",\"objective\":\"x\",\"approval\":\"maybe\"}]}", NOW,
		"/steps/0/approval", "");
}

static void plan_edit__leaves_what_is_done(void **state)
{
	static const char now[] =
		"{\"version\":6,\"digest\":\"x\",\"goal\":\"g\",\"steps\":["
		"{\"id\":\"s1\",\"objective\":\"look\",\"status\":\"completed\",\"result\":\"seen\"},"
		"{\"id\":\"s2\",\"objective\":\"tell\",\"status\":\"pending\"}]}";
	struct world *w = *state;
	struct edit d = edit(w,
			     "{\"steps\":[{\"id\":\"s1\",\"objective\":\"look\"},{\"id\":\"s3\","
			     "\"objective\":\"shout\"}]}",
			     now);

	assert_non_null(d.plan);
	json_free(d.plan);
	refused(w, "{\"steps\":[{\"id\":\"s1\",\"objective\":\"look twice\"}]}", now, "/steps",
		"\"s1\" is completed");
	refused(w, "{\"steps\":[{\"id\":\"s2\",\"objective\":\"tell\"}]}", now, "/steps",
		"\"s1\" is completed");
}

static int open_world(void **state)
{
	static struct world w;

	world_open_full(&w, echo_args, true, false);
	*state = &w;
	return 0;
}

static int close_world(void **state)
{
	world_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_edit__gives_the_next_version),
		cmocka_unit_test(plan_edit__digest_covers_the_approval_of_steps),
		cmocka_unit_test(plan_edit__refuses_what_a_planner_may_not),
		cmocka_unit_test(plan_edit__leaves_what_is_done),
	};

	return cmocka_run_group_tests(tests, open_world, close_world);
}
