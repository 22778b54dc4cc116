/* SPDX-License-Identifier: Apache-2.0 */
/* What a real child asks, through supervisor and worker and back: answers, limits, ends. */
#include "tests/unit/mcp/rig.h"

enum { ASKS_SEEN_MAX = 16 };

static struct {
	int asks, over;
	uint64_t numbers[ASKS_SEEN_MAX];
	char method[32], why[128];
} seen;

static void asked(const struct mcp_ask *ask, void *arg)
{
	(void)arg;
	assert_true(seen.asks < ASKS_SEEN_MAX);
	seen.numbers[seen.asks++] = ask->number;
	snprintf(seen.method, sizeof(seen.method), "%s", ask->method);
}

static void ask_over(uint64_t number, const char *why, void *arg)
{
	(void)arg;
	(void)number;
	seen.over++;
	snprintf(seen.why, sizeof(seen.why), "%s", why);
}

static const char *asking_path(void)
{
	static char path[PATH_MAX + 16];
	snprintf(path, sizeof(path), "%s", rig_fake());
	strcpy(strrchr(path, '/'), "/asking_mcp");
	return path;
}

static void asking_rig(struct rig *r)
{
	memset(&seen, 0, sizeof(seen));
	rig_init(r);
	rig_add(r, "asks", asking_path(), NULL);
}

static struct mcp_call *ask_call(struct rig *r, const char *arguments, struct outcome *o)
{
	struct mcp_call_request q = {"asks", "ask", slice_str(arguments), "task", 0, false, "task:c1"};
	struct mcp_call_handler h = {
		.on_end = outcome_end, .arg = o, .on_ask = asked, .on_ask_over = ask_over};
	*o = (struct outcome){0};
	return mcp_call_start(r->client, &q, h);
}

static const char *said(const struct outcome *o)
{
	static char text[512];
	struct json *j = json_parse(o->result.data, o->result.len, 0, NULL);
	const char *t = json_text(json_pointer(j, "/content/0/text"));
	snprintf(text, sizeof(text), "%s", t ? t : "(no text)");
	json_free(j);
	return text;
}

static void ask__several_at_once_are_answered_each(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	asking_rig(&r);
	rig_start(&r);
	rig_settle(&r);
	struct mcp_call *call = ask_call(&r, "{\"times\":2}", &o);
	rig_wait(&r, seen.asks == 2);
	assert_string_equal(seen.method, "elicitation/create");
	mcp_call_refuse(call, seen.numbers[1], -1, "not that");
	mcp_call_answer(call, seen.numbers[0], SLICE_LIT("{\"action\":\"decline\"}"));
	rig_wait(&r, o.ends);
	assert_string_equal(said(&o), "{\"action\":\"decline\"}\n{\"code\":-1,\"message\":\"not that\"}");
	assert_int_equal(seen.over, 0);
	rig_free(&r);
}

static void ask__stops_the_clocks_of_its_call(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	asking_rig(&r);
	r.options.call_idle_ms_max = 300;
	r.options.call_ms_max = 400;
	rig_start(&r);
	rig_settle(&r);
	struct mcp_call *call = ask_call(&r, "{}", &o);
	rig_wait(&r, seen.asks == 1);
	for (int64_t end_ms = clock_mono_ms() + 900; clock_mono_ms() < end_ms;)
		loop_turn(r.loop, 50);
	assert_int_equal(o.ends, 0);
	mcp_call_answer(call, seen.numbers[0], SLICE_LIT("{\"action\":\"cancel\"}"));
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_NONE);
	rig_free(&r);
}

static void ask__not_answered_in_time_is_dismissed(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	asking_rig(&r);
	r.options.input_ms_max = 50;
	rig_start(&r);
	rig_settle(&r);
	struct mcp_call *call = ask_call(&r, "{}", &o);
	rig_wait(&r, seen.over == 1);
	mcp_call_answer(call, seen.numbers[0], SLICE_LIT("{\"action\":\"accept\"}")); /* too late */
	rig_wait(&r, o.ends);
	assert_non_null(strstr(seen.why, "tools.input_seconds"));
	assert_string_equal(said(&o), "{\"action\":\"cancel\"}");
	rig_free(&r);
}

static void ask__over_the_limits_is_refused(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	asking_rig(&r);
	r.options.asks_open_max = 2;
	r.options.asks_max = 3;
	rig_start(&r);
	rig_settle(&r);
	struct mcp_call *call = ask_call(&r, "{\"times\":3}", &o);
	rig_wait(&r, seen.asks == 2);
	for (int i = 0; i < 2; i++)
		mcp_call_answer(call, seen.numbers[i], SLICE_LIT("{}"));
	rig_wait(&r, o.ends);
	assert_string_equal(said(&o), "{}\n{}\n{\"action\":\"cancel\"}");
	assert_int_equal(seen.asks, 2);
	rig_free(&r);
}

/* Nobody can tell which of two calls it belongs to. */
static void ask__without_an_owner_is_dismissed(void **state)
{
	struct rig r;
	struct outcome one, two;
	(void)state;
	asking_rig(&r);
	rig_start(&r);
	rig_settle(&r);
	struct mcp_call *call = ask_call(&r, "{}", &one);
	rig_wait(&r, seen.asks == 1);
	ask_call(&r, "{}", &two);
	rig_wait(&r, two.ends);
	assert_string_equal(said(&two), "{\"action\":\"cancel\"}");
	mcp_call_answer(call, seen.numbers[0], SLICE_LIT("{\"action\":\"decline\"}"));
	rig_wait(&r, one.ends);
	assert_int_equal(seen.asks, 1);
	rig_free(&r);
}

static void ask__ends_with_its_call(void **state)
{
	struct rig r;
	struct outcome o, other;
	(void)state;
	asking_rig(&r);
	rig_start(&r);
	rig_settle(&r);
	ask_call(&r, "{\"then\":\"answer\"}", &o);
	rig_wait(&r, o.ends);
	assert_string_equal(said(&o), "nothing");
	ask_call(&r, "{\"then\":\"take_back\"}", &o);
	rig_wait(&r, o.ends);
	struct mcp_call *call = ask_call(&r, "{}", &o);
	rig_wait(&r, seen.asks == 3);
	mcp_call_cancel(call);
	rig_call_wait(&r, "asks", "cancelled", "{}", &other);
	assert_string_equal(said(&other), "1");
	rig_call_wait(&r, "asks", "heard", "{}", &other);
	assert_non_null(strstr(said(&other), "has ended"));
	assert_int_equal(o.ends, 0);
	rig_free(&r);
}

static void ask__of_a_server_that_dies_is_lost_with_its_call(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	asking_rig(&r);
	rig_start(&r);
	rig_settle(&r);
	ask_call(&r, "{\"then\":\"die\"}", &o);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_LOST);
	assert_true(o.sent);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ask__several_at_once_are_answered_each),
		cmocka_unit_test(ask__stops_the_clocks_of_its_call),
		cmocka_unit_test(ask__not_answered_in_time_is_dismissed),
		cmocka_unit_test(ask__over_the_limits_is_refused),
		cmocka_unit_test(ask__without_an_owner_is_dismissed),
		cmocka_unit_test(ask__ends_with_its_call),
		cmocka_unit_test(ask__of_a_server_that_dies_is_lost_with_its_call),
	};
	return cmocka_run_group_tests_name("server_ask", tests, NULL, NULL);
}
