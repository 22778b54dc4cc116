/* SPDX-License-Identifier: Apache-2.0 */
/* What attempts ask and tell the other processes' side, here a scripted one: which failures speak against a
 * provider, who waits and for how long, who goes on to the next. */
#include "call_world.h"

struct other_side {
	enum llm_permit permits[8];
	int64_t waits[8];
	int asked, told;
	int64_t tokens;
	uint64_t after;
	struct llm_report last;
	int held; /* passes that are out */
};

static enum llm_permit acquire(size_t provider, int64_t tokens, uint64_t after, struct llm_pass *p,
			       int64_t *wait_ms, void *arg)
{
	struct other_side *o = arg;
	int i = o->asked < 7 ? o->asked : 7;
	o->asked++;
	o->tokens = tokens;
	o->after = after;
	p->words[0] = (int64_t)provider + 40;
	*wait_ms = o->waits[i];
	o->held += o->permits[i] == LLM_GO;
	return o->permits[i];
}

static void report(size_t provider, const struct llm_pass *p, const struct llm_report *r, void *arg)
{
	struct other_side *o = arg;
	assert_int_equal(p->words[0], (int64_t)provider + 40);
	o->told++;
	o->held--;
	o->last = *r;
	o->last.why = NULL; /* borrowed */
}

static void share(struct world *w, struct other_side *o, size_t providers)
{
	struct llm_options list[2] = {options_of(w->url), options_of(w->url)};
	llm_free(w->llm);
	list[1].name = "spare";
	w->llm = llm_new(w->loop, &(struct llm_setup){.providers = list,
						      .providers_count = providers,
						      .shared = {acquire, report, o}});
}

static void share__asks_once_an_attempt_and_tells_what_was_used(void **state)
{
	static const struct script_reply replies[] = {
		{ERR_HEAD("503 Busy") SOON "\r\n{}", SCRIPT_CLOSE},
		{OK_HEAD TEXT("fine") FINISH
		 "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\n" DONE,
		 SCRIPT_CLOSE}};
	struct other_side o = {0};
	struct heard h = {0};
	struct world w;
	(void)state;
	world_open(&w, replies, 2);
	share(&w, &o, 1);
	call_start(&w, &h);
	turn_until(&w, &o.told, 1);
	assert_int_equal(o.last.outcome, LLM_FAILED);
	assert_int_equal(o.last.tokens, 0);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(o.asked, 2);
	assert_int_equal(o.told, 2);
	assert_int_equal(o.held, 0);
	assert_int_equal(o.last.outcome, LLM_WORKED);
	assert_int_equal(o.last.tokens, 12);
	assert_true(o.tokens > 1024);
	heard_release(&h);
	world_close(&w);
}

static void share__knows_what_speaks_against_a_provider(void **state)
{
	static const struct {
		const char *reply;
		enum llm_outcome outcome;
		int64_t pause_ms;
	} rows[] = {
		{ERR_HEAD("401 No") "\r\n{}", LLM_FAILED, 0},
		{ERR_HEAD("400 Bad") "\r\n{\"error\":{\"message\":\"no such thing\"}}", LLM_WORKED, 0},
		{ERR_HEAD("429 Slow") "Retry-After: 5\r\n\r\n{\"error\":{\"code\":\"rate_limit_exceeded\"}}",
		 LLM_NEITHER, 5000},
		{ERR_HEAD("429 Money") "\r\n{\"error\":{\"code\":\"insufficient_quota\"}}", LLM_FAILED, 0},
		{OK_HEAD "data: nonsense\n\n", LLM_FAILED, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct script_reply reply = {rows[i].reply, SCRIPT_CLOSE};
		struct other_side o = {0};
		struct heard h = {0};
		struct world w;
		world_open(&w, &reply, 1);
		share(&w, &o, 1);
		call_start(&w, &h);
		turn_until(&w, &o.told, 1);
		assert_int_equal(o.last.outcome, rows[i].outcome);
		assert_int_equal(o.last.pause_ms, rows[i].pause_ms);
		heard_release(&h);
		world_close(&w);
		assert_int_equal(o.held, 0);
	}
}

static void share__a_call_that_is_cancelled_gives_its_place_back(void **state)
{
	static const struct script_reply replies[] = {{"", SCRIPT_KEEP}};
	struct other_side o = {0};
	struct heard h = {0};
	struct world w;
	(void)state;
	world_open(&w, replies, 1);
	share(&w, &o, 1);
	call_start(&w, &h);
	assert_int_equal(o.held, 1);
	llm_call_cancel(h.call);
	assert_int_equal(o.held, 0);
	assert_int_equal(o.last.outcome, LLM_NEITHER);
	world_close(&w);
}

static void share__who_is_held_waits_for_time_or_for_room(void **state)
{
	static const struct script_reply replies[] = {{ANSWER, SCRIPT_CLOSE}};
	struct other_side o = {.permits = {LLM_HOLD, LLM_HOLD, LLM_GO}, .waits = {5, -1}};
	struct heard h = {0};
	struct world w;
	(void)state;
	world_open(&w, replies, 1);
	share(&w, &o, 1);
	call_start(&w, &h);
	turn_until(&w, &o.asked, 2);
	loop_turn(w.loop, 20);
	assert_int_equal(o.asked, 2);
	llm_on_room(w.llm);
	assert_int_equal(o.asked, 3);
	turn_until(&w, &h.ends, 1);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(h.retries, 0);
	heard_release(&h);
	world_close(&w);
}

static void share__who_is_let_through_early_is_sent_once(void **state)
{
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("fi") "\x01" TEXT("ne") "\x01" FINISH DONE, SCRIPT_CLOSE}};
	struct other_side o = {.permits = {LLM_HOLD, LLM_GO}, .waits = {3}};
	struct heard h = {0};
	struct world w;
	(void)state;
	world_open(&w, replies, 1);
	share(&w, &o, 1);
	call_start(&w, &h);
	llm_on_room(w.llm);
	assert_int_equal(o.asked, 2);
	usleep(5000); /* the time it was told to wait is over while it is under way */
	turn_until(&w, &h.ends, 1);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(o.asked, 2);
	assert_int_equal(o.held, 0);
	heard_release(&h);
	world_close(&w);
}

static void share__a_shut_provider_is_passed_over(void **state)
{
	static const struct script_reply replies[] = {{ANSWER, SCRIPT_CLOSE}};
	struct other_side o = {.permits = {LLM_SHUT, LLM_GO}, .waits = {500}};
	struct heard h = {0};
	struct world w;
	(void)state;
	world_open(&w, replies, 1);
	share(&w, &o, 2);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(o.asked, 2);
	heard_release(&h);
	world_close(&w);
}

static void share__the_only_one_is_waited_for_but_not_for_ever(void **state)
{
	struct other_side o = {.permits = {LLM_SHUT, LLM_SHUT, LLM_SHUT, LLM_SHUT}, .waits = {2, 2, 2, 2}};
	struct other_side late = {.permits = {LLM_SHUT}, .waits = {2000}};
	struct heard h = {0}, g = {0};
	struct world w;
	(void)state;
	world_open(&w, NULL, 0);
	share(&w, &o, 1);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(o.asked, 4); /* as often as it would be tried, and once more */
	assert_int_equal(h.e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(h.e.msg, "llm.breaker_failures"));
	/* Longer than llm.retry_wait_seconds. */
	share(&w, &late, 1);
	call_start(&w, &g);
	turn_until(&w, &g.ends, 1);
	assert_int_equal(late.asked, 1);
	assert_non_null(strstr(g.e.msg, "another 2 s"));
	heard_release(&h);
	heard_release(&g);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(share__asks_once_an_attempt_and_tells_what_was_used),
		cmocka_unit_test(share__knows_what_speaks_against_a_provider),
		cmocka_unit_test(share__a_call_that_is_cancelled_gives_its_place_back),
		cmocka_unit_test(share__who_is_held_waits_for_time_or_for_room),
		cmocka_unit_test(share__who_is_let_through_early_is_sent_once),
		cmocka_unit_test(share__a_shut_provider_is_passed_over),
		cmocka_unit_test(share__the_only_one_is_waited_for_but_not_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
