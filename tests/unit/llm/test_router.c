/* SPDX-License-Identifier: Apache-2.0 */
/* Calls over a list of providers: who is asked first, when the next one is, and what is told of it. */
#include "call_world.h"

enum { FIRST, SECOND, SERVERS };

struct two {
	struct world w;
	struct script_server *servers[SERVERS];
	char *urls[SERVERS];
	struct llm_options options[SERVERS];
	struct llm_setup setup;
};

struct tale {
	struct heard h;
	int failovers;
	char provider[32], model[32];
	enum err why;
	char answered[32];
	int64_t cost_nano;
	bool cancel;
};

static void two_open(struct two *t, const struct script_reply *first, size_t first_count,
		     const struct script_reply *second, size_t second_count)
{
	static const char *const names[] = {"main", "spare"}, *const models[] = {"m1", "m2"};
	*t = (struct two){.w = {.loop = loop_new()}};
	t->servers[FIRST] = script_open(t->w.loop, first, first_count);
	t->servers[SECOND] = script_open(t->w.loop, second, second_count);
	for (int i = 0; i < SERVERS; i++) {
		t->urls[i] = xasprintf("http://127.0.0.1:%d/v1", t->servers[i]->port);
		t->options[i] = options_of(t->urls[i]);
		t->options[i].name = names[i];
		t->options[i].model = models[i];
		t->options[i].retries_max = 1;
		t->options[i].prices = (struct llm_prices){-1, -1, -1, -1};
	}
	t->setup = (struct llm_setup){.providers = t->options, .providers_count = SERVERS};
	t->w.llm = llm_new(t->w.loop, &t->setup);
}

static void two_close(struct two *t)
{
	if (t->w.llm != NULL)
		llm_free(t->w.llm);
	for (int i = 0; i < SERVERS; i++) {
		script_close(t->servers[i]);
		free(t->urls[i]);
	}
	loop_free(t->w.loop);
}

static void told_failover(const char *provider, const char *model, const struct error *why, void *arg)
{
	struct tale *t = arg;
	t->failovers++;
	snprintf(t->provider, sizeof t->provider, "%s", provider);
	snprintf(t->model, sizeof t->model, "%s", model);
	t->why = why->code;
	if (t->cancel)
		llm_call_cancel(t->h.call);
}

static void told_delta(struct slice text, void *arg)
{
	on_delta(text, &((struct tale *)arg)->h);
}

static void told_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg)
{
	(void)attempt;
	(void)wait_ms;
	(void)why;
	((struct tale *)arg)->h.retries++;
}

static void told_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct tale *t = arg;
	if (turn != NULL) {
		snprintf(t->answered, sizeof t->answered, "%s", turn->provider);
		t->cost_nano = turn->cost_nano;
	}
	on_end(turn, e, &t->h);
}

static void ask(struct two *w, struct tale *t, enum llm_role role)
{
	static const struct llm_message messages[] = {{.speaker = LLM_USER, .text = "hello"}};
	struct llm_request r = {.role = role, .messages = messages, .messages_count = 1, .task_id = "t1"};
	struct llm_handler handler = {.on_delta = told_delta,
				      .on_retry = told_retry,
				      .on_failover = told_failover,
				      .on_end = told_end,
				      .arg = t};
	t->h.w = &w->w;
	t->h.call = llm_call_start(w->w.llm, &r, handler);
}

static const struct script_reply denied = {
	.bytes = ERR_HEAD("401 No") "\r\n{\"error\":{\"message\":\"key\"}}"};
static const struct script_reply good = {.bytes = ANSWER};
static const struct script_reply cut = {.bytes = OK_HEAD TEXT("half") "\x01"};

static void router__first_answers(void **state)
{
	struct two w;
	struct tale t = {0};
	(void)state;
	two_open(&w, &good, 1, NULL, 0);
	ask(&w, &t, LLM_WRITER);
	turn_until(&w.w, &t.h.ends, 1);
	assert_string_equal(t.answered, "main");
	assert_int_equal(t.failovers, 0);
	assert_int_equal(t.cost_nano, -1);
	heard_release(&t.h);
	two_close(&w);
}

static void router__goes_on_when_the_first_has_failed_for_good(void **state)
{
	struct two w;
	struct tale t = {0};
	const struct script_reply twice[] = {{.bytes = ERR_HEAD("503 Busy") SOON "\r\n{}"},
					     {.bytes = ERR_HEAD("503 Busy") SOON "\r\n{}"}};
	(void)state;
	two_open(&w, twice, 2, &good, 1);
	ask(&w, &t, LLM_WRITER);
	turn_until(&w.w, &t.h.ends, 1);
	assert_int_equal(t.h.e.code, ERR_NONE);
	assert_string_equal(t.h.turn_text, "fine");
	assert_int_equal(t.h.retries, 1);
	assert_int_equal(t.failovers, 1);
	assert_string_equal(t.provider, "spare");
	assert_string_equal(t.model, "m2");
	assert_string_equal(t.answered, "spare");
	assert_non_null(strstr(w.servers[SECOND]->requests[0], "\"model\":\"m2\""));
	heard_release(&t.h);
	two_close(&w);
}

static void router__a_refused_key_is_a_reason(void **state)
{
	struct two w;
	struct tale t = {0};
	(void)state;
	two_open(&w, &denied, 1, &good, 1);
	ask(&w, &t, LLM_PLANNER);
	turn_until(&w.w, &t.h.ends, 1);
	assert_int_equal(t.h.e.code, ERR_NONE);
	assert_int_equal(t.h.retries, 0);
	assert_int_equal(t.failovers, 1);
	heard_release(&t.h);
	two_close(&w);
}

static void router__never_after_something_was_passed_on(void **state)
{
	struct two w;
	struct tale t = {0};
	(void)state;
	two_open(&w, &cut, 1, &good, 1);
	ask(&w, &t, LLM_WRITER);
	turn_until(&w.w, &t.h.ends, 1);
	assert_int_equal(t.h.e.code, ERR_LOST);
	assert_int_equal(t.failovers, 0);
	assert_string_equal(buf_cstr(&t.h.text), "half");
	heard_release(&t.h);
	two_close(&w);
}

static void router__the_last_failure_is_the_calls(void **state)
{
	struct two w;
	struct tale t = {0};
	(void)state;
	two_open(&w, &denied, 1, &denied, 1);
	ask(&w, &t, LLM_WRITER);
	turn_until(&w.w, &t.h.ends, 1);
	assert_int_not_equal(t.h.e.code, ERR_NONE);
	assert_int_equal(t.failovers, 1);
	heard_release(&t.h);
	two_close(&w);
}

static void router__roles_ask_their_own(void **state)
{
	struct two w;
	struct tale t = {0};
	(void)state;
	two_open(&w, NULL, 0, &good, 1);
	w.setup.roles[LLM_WRITER][0] = SECOND;
	w.setup.roles_count[LLM_WRITER] = 1;
	llm_free(w.w.llm);
	w.w.llm = llm_new(w.w.loop, &w.setup);
	assert_string_equal(llm_provider(w.w.llm, LLM_WRITER), "spare");
	assert_string_equal(llm_model(w.w.llm, LLM_WRITER), "m2");
	assert_string_equal(llm_provider(w.w.llm, LLM_PLANNER), "main");
	ask(&w, &t, LLM_WRITER);
	turn_until(&w.w, &t.h.ends, 1);
	assert_string_equal(t.answered, "spare");
	heard_release(&t.h);
	two_close(&w);
}

static void router__can_be_cancelled_and_freed_on_the_way(void **state)
{
	struct two w;
	struct tale t = {.cancel = true}, u = {.h = {.free_on_end = true}};
	(void)state;
	two_open(&w, &denied, 1, &good, 1);
	ask(&w, &t, LLM_WRITER);
	turn_until(&w.w, &t.failovers, 1);
	assert_int_equal(t.h.ends, 0);
	two_close(&w);
	two_open(&w, &good, 1, NULL, 0);
	ask(&w, &u, LLM_WRITER);
	turn_until(&w.w, &u.h.ends, 1);
	assert_null(w.w.llm);
	heard_release(&u.h);
	two_close(&w);
}

static void router__names_who_is_asked(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, NULL, 0);
	assert_string_equal(llm_provider(w.llm, LLM_WRITER), "openai");
	assert_string_equal(llm_model(w.llm, LLM_WRITER), "m");
	world_options(&w, (struct llm_options){.api = LLM_OFFLINE});
	assert_string_equal(llm_provider(w.llm, LLM_WRITER), "offline");
	assert_string_equal(llm_role_text(LLM_PLANNER), "planner");
	assert_string_equal(llm_stop_text(LLM_STOP_FILTER), "filter");
	for (int i = 0; i <= LLM_STOP_PAUSE; i++)
		assert_int_equal(llm_stop_of(llm_stop_text((enum llm_stop)i)), i);
	assert_int_equal(llm_stop_of("?"), LLM_STOP_END);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(router__first_answers),
		cmocka_unit_test(router__goes_on_when_the_first_has_failed_for_good),
		cmocka_unit_test(router__a_refused_key_is_a_reason),
		cmocka_unit_test(router__never_after_something_was_passed_on),
		cmocka_unit_test(router__the_last_failure_is_the_calls),
		cmocka_unit_test(router__roles_ask_their_own),
		cmocka_unit_test(router__names_who_is_asked),
		cmocka_unit_test(router__can_be_cancelled_and_freed_on_the_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
