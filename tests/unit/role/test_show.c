/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` shows, in its three forms; that texts of models and tools cannot control the terminal. */
#include "base/base.h"
#include "role/role_int.h"
#include "capture.h"

static const char plan_text[] =
	"{\"version\":2,\"goal\":\"Look at it\",\"steps\":["
	"{\"id\":\"s1\",\"title\":\"Read\",\"side_effects\":\"read\",\"tool_hints\":[\"fs__read\"],\"depends_"
	"on\":[]},"
	"{\"id\":\"s2\",\"title\":\"Two\\nlines \\u001b[31mred\",\"side_effects\":\"none\",\"tool_hints\":[],"
	"\"depends_on\":[\"s1\"]}]}";

static void event(struct show *s, const char *type, const char *data)
{
	struct error e = {0};
	struct json *j = json_parse(data, strlen(data), 0, &e);
	if (j == NULL)
		fail_msg("%s: %s", data, e.msg);
	show_event(s, type, j, slice_str(data));
	json_free(j);
}

/* A whole task; the text shown, to be freed. */
static char *task_shown(enum show_form form, const char *status)
{
	struct capture c;
	struct loop *l = loop_new();
	struct error e;
	capture_begin(&c);
	struct show *s = show_new(l, form);
	char *created = xasprintf("{\"plan\":%s}", plan_text);
	struct json *plan = json_parse(plan_text, sizeof plan_text - 1, 0, &e);
	event(s, "model.started", "{\"role\":\"planner\",\"model\":\"m-1\"}");
	event(s, "model.failover",
	      "{\"call\":\"c1\",\"provider\":\"spare\",\"model\":\"m2\",\"error\":{\"message\":\"gone\"}}");
	event(s, "model.retried", "{\"call\":\"c1\",\"wait_ms\":500,\"error\":{\"message\":\"busy\"}}");
	event(s, "model.delta", "{\"role\":\"planner\",\"text\":\"thinking\"}");
	event(s, "model.completed", "{\"role\":\"planner\"}");
	event(s, "plan.created", created);
	show_plan(s, plan);
	event(s, "task.state", "{\"from\":\"planning\",\"to\":\"running\"}");
	event(s, "step.started", "{\"step\":\"s1\"}");
	event(s, "model.started", "{\"role\":\"executor\",\"step\":\"s1\",\"model\":\"m-1\"}");
	event(s, "tool.started", "{\"step\":\"s1\",\"server\":\"fs\",\"tool\":\"read\"}");
	event(s, "tool.progress", "{\"step\":\"s1\",\"message\":\"half\\nway\"}");
	event(s, "tool.failed",
	      "{\"step\":\"s1\",\"tool\":\"read\",\"error\":{\"message\":\"one\\ntwo \\u001b]0;evil\"}}");
	event(s, "step.completed", "{\"step\":\"s1\",\"result\":\"r\"}");
	event(s, "step.started", "{\"step\":\"s2\"}");
	event(s, "step.in_doubt", "{\"step\":\"s2\"}");
	event(s, "step.resumed", "{\"step\":\"s2\"}");
	event(s, "step.failed", "{\"step\":\"s2\",\"error\":{\"message\":\"broken\"}}");
	char *document = xasprintf("{\"status\":\"%s\",\"result\":\"The \\u009b31m answer\","
				   "\"error\":{\"message\":\"why \\u001b[0m not\"}}",
				   status);
	struct json *doc = json_parse(document, strlen(document), 0, &e);
	show_end(s, doc);
	show_free(s);
	char *text = capture_end(&c);
	json_free(doc);
	json_free(plan);
	free(created);
	free(document);
	loop_free(l);
	return text;
}

static void show__plain_is_one_line_a_fact(void **state)
{
	(void)state;
	char *t = task_shown(SHOW_PLAIN, "completed");
	assert_says(t, "planner: m-1\n");
	assert_says(t, "model: trying again in 500 ms: busy\n");
	assert_says(t, "Plan (version 2): Look at it\n  s1   Read  [read] fs__read\n");
	assert_says(t, "after s1\n");
	assert_says(t, "task: running\n");
	assert_says(t, "s1: started: Read\n");
	assert_says(t, "s1: calls fs read\n");
	assert_says(t, "s1: read: one two ?]0;evil\n");
	assert_says(t, "s1: completed: Read (");
	assert_says(t, "s2: in_doubt: Two lines ?[31mred\n");
	assert_says(t, "s2: resumed: Two lines ?[31mred\n");
	assert_says(t, "s2: failed: Two lines ?[31mred: broken\n");
	assert_says(t, "\nThe ?31m answer\n");
	assert_silent(t, "\033");
	assert_silent(t, "thinking");
	assert_silent(t, "ended");
	free(t);
}

static void show__another_end_is_told(void **state)
{
	(void)state;
	char *t = task_shown(SHOW_PLAIN, "failed");
	assert_says(t, "agent-runtime: the task ended failed: why ?[0m not\n");
	free(t);
}

static void show__json_is_one_event_a_line(void **state)
{
	size_t lines = 0;
	(void)state;
	char *t = task_shown(SHOW_JSON, "completed");
	for (char *line = strtok(t, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
		struct error e = {0};
		struct json *j = json_parse(line, strlen(line), 0, &e);
		if (j == NULL)
			fail_msg("%s: %s", line, e.msg);
		assert_non_null(json_get_text(j, "event", NULL));
		assert_true(json_is(json_get(j, "data"), JSON_OBJECT));
		json_free(j);
	}
	assert_int_equal(lines, 17);
	free(t);
}

static void show__a_terminal_is_redrawn_in_place(void **state)
{
	(void)state;
	unsetenv("NO_COLOR");
	char *t = task_shown(SHOW_TERMINAL, "completed");
	/* one line was drawn, one is gone over again: texts with line ends must not make two of it */
	assert_says(t, "\r\033[1A\033[J");
	assert_says(t, "fs read");
	assert_says(t, "half way");
	assert_says(t, "✔");
	assert_says(t, "✘");
	assert_silent(t, "\033]0;evil");
	assert_silent(t, "\033[31mred");
	free(t);
}

static void show__colour_can_be_turned_off(void **state)
{
	(void)state;
	setenv("NO_COLOR", "1", 1);
	char *t = task_shown(SHOW_TERMINAL, "completed");
	assert_silent(t, "\033[3");
	unsetenv("NO_COLOR");
	free(t);
}

static char *pending_shown(const char *pending)
{
	struct capture c;
	struct loop *l = loop_new();
	struct error e;
	struct json *j = pending != NULL ? json_parse(pending, strlen(pending), 0, &e) : NULL;
	capture_begin(&c);
	struct show *s = show_new(l, SHOW_PLAIN);
	show_pending(s, j);
	show_question(s, "[r]etry: ");
	show_free(s);
	char *text = capture_end(&c);
	json_free(j);
	loop_free(l);
	return text;
}

static void show__what_a_task_waits_for(void **state)
{
	(void)state;
	char *t = pending_shown(
		"{\"id\":\"c1\",\"question\":\"Did it \\u001b[2J happen?\",\"server\":\"fs\",\"tool\":"
		"\"write\",\"arguments\":{\"path\":\"a.txt\"}}");
	assert_says(t, "Did it ?[2J happen?\n  fs write {\"path\":\"a.txt\"}\n[r]etry: ");
	free(t);
	t = pending_shown(NULL);
	assert_says(t, "The task waits for a decision.\n[r]etry: ");
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(show__plain_is_one_line_a_fact),
		cmocka_unit_test(show__another_end_is_told),
		cmocka_unit_test(show__json_is_one_event_a_line),
		cmocka_unit_test(show__a_terminal_is_redrawn_in_place),
		cmocka_unit_test(show__what_a_task_waits_for),
		cmocka_unit_test(show__colour_can_be_turned_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
