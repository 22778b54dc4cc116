/* SPDX-License-Identifier: Apache-2.0 */
/* Gates: the breaker, its one probe, concurrency and rate, all over two participants; and what death frees.
 */
#include "tests/unit/store/table.h"

enum { A, B, SECOND = 1000, MINUTE = 60 * SECOND };

static struct table gate_open(struct gate_limits limits)
{
	struct store_options o = table_options(4, 8);
	o.gates = &limits;
	o.gates_count = 1;
	return table_open_with(&o);
}

static struct gate_pass pass;
static int64_t wait_ms;

static enum gate_answer ask(struct store *s, int64_t tokens, int64_t now)
{
	return gate_acquire(s, 0, tokens, now, &pass, &wait_ms);
}

static void tell(struct store *s, enum gate_outcome outcome, int64_t now)
{
	gate_report(s, &pass, &(struct gate_end){.outcome = outcome, .tokens = pass.tokens}, now);
}

static void fail_once(struct store *s, int64_t now)
{
	assert_int_equal(ask(s, 0, now), GATE_PASS);
	tell(s, GATE_FAILED, now);
}

static struct gate_view view(struct store *s, int64_t now)
{
	struct gate_view v;
	gate_view_get(s, 0, now, &v);
	return v;
}

static unsigned woken(struct store *s)
{
	return wake_take(s, NULL, NULL) & WAKE_GATES;
}

static void gate__lets_all_through_without_limits(void **state)
{
	struct table t = gate_open((struct gate_limits){0});
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(i % 2 ? t.a : t.b, 1000000, 5), GATE_PASS);
	assert_int_equal(view(t.a, 5).in_flight, 100);
	assert_int_equal(view(t.a, 5).calls, 100);
	table_close(&t);
}

static void breaker__trips_after_exactly_its_threshold_over_all(void **state)
{
	struct table t = gate_open((struct gate_limits){.breaker_failures = 3, .breaker_ms = 10 * SECOND});
	(void)state;
	fail_once(t.a, 100);
	fail_once(t.b, 100);
	assert_int_equal(view(t.a, 100).state, GATE_CLOSED);
	fail_once(t.a, 100);
	assert_int_equal(view(t.b, 100).state, GATE_TRIPPED);
	assert_int_equal(ask(t.b, 0, 2100), GATE_SHUT);
	assert_int_equal(wait_ms, 8 * SECOND);
	assert_int_equal(view(t.b, 2100).shut_ms, 8 * SECOND);
	assert_int_equal(view(t.b, 2100).trips, 1);
	assert_int_equal(store_counter(t.b, COUNTER_BREAKER_TRIPS), 1);
	table_close(&t);
}

static void breaker__success_counts_anew_and_giving_up_counts_nothing(void **state)
{
	struct table t = gate_open((struct gate_limits){.breaker_failures = 2, .breaker_ms = SECOND});
	(void)state;
	fail_once(t.a, 1);
	assert_int_equal(ask(t.b, 0, 1), GATE_PASS);
	tell(t.b, GATE_WORKED, 1);
	fail_once(t.a, 1);
	assert_int_equal(ask(t.b, 0, 1), GATE_PASS);
	tell(t.b, GATE_NEITHER, 1);
	assert_int_equal(view(t.a, 1).state, GATE_CLOSED);
	fail_once(t.b, 1);
	assert_int_equal(view(t.a, 1).state, GATE_TRIPPED);
	table_close(&t);
}

static void breaker__one_probe_at_a_time(void **state)
{
	struct table t = gate_open((struct gate_limits){.breaker_failures = 1, .breaker_ms = SECOND});
	(void)state;
	fail_once(t.a, 1);
	assert_int_equal(ask(t.b, 0, 1001), GATE_PASS);
	assert_true(pass.probe);
	struct gate_pass probe = pass;
	assert_int_equal(view(t.a, 1001).state, GATE_HALF_OPEN);
	assert_int_equal(ask(t.a, 0, 1001), GATE_SHUT);
	assert_int_equal(wait_ms, -1);
	assert_int_equal(ask(t.b, 0, 9001), GATE_SHUT);
	(void)woken(t.a);
	/* It fails: shut again, for as long. */
	pass = probe;
	tell(t.b, GATE_FAILED, 1500);
	assert_true(woken(t.a) != 0);
	assert_int_equal(ask(t.a, 0, 2499), GATE_SHUT);
	assert_int_equal(ask(t.a, 0, 2500), GATE_PASS);
	assert_true(pass.probe);
	tell(t.a, GATE_WORKED, 2500);
	assert_int_equal(view(t.a, 2500).state, GATE_CLOSED);
	assert_int_equal(view(t.a, 2500).trips, 1);
	assert_int_equal(ask(t.a, 0, 2500), GATE_PASS);
	assert_false(pass.probe);
	table_close(&t);
}

static void breaker__a_probe_that_is_given_up_or_dies_makes_room_for_another(void **state)
{
	struct table t = gate_open((struct gate_limits){.breaker_failures = 1, .breaker_ms = SECOND});
	(void)state;
	fail_once(t.a, 1);
	assert_int_equal(ask(t.b, 0, 1001), GATE_PASS);
	tell(t.b, GATE_NEITHER, 1001);
	assert_int_equal(ask(t.b, 0, 1002), GATE_PASS);
	assert_int_equal(ask(t.a, 0, 1002), GATE_SHUT);
	store_proc_died(t.created, B);
	assert_int_equal(ask(t.a, 0, 1002), GATE_PASS);
	assert_true(pass.probe);
	table_close(&t);
}

static void breaker__late_answers_do_not_open_or_close_it(void **state)
{
	struct table t = gate_open((struct gate_limits){.breaker_failures = 1, .breaker_ms = SECOND});
	(void)state;
	assert_int_equal(ask(t.a, 0, 1), GATE_PASS);
	struct gate_pass early = pass;
	fail_once(t.b, 2);
	pass = early;
	tell(t.a, GATE_WORKED, 3);
	assert_int_equal(view(t.a, 3).state, GATE_TRIPPED);
	table_close(&t);
}

static void gate__concurrency_is_of_all_and_who_waits_is_woken(void **state)
{
	struct table t = gate_open((struct gate_limits){.concurrency_max = 2});
	(void)state;
	assert_int_equal(ask(t.a, 0, 1), GATE_PASS);
	assert_int_equal(ask(t.b, 0, 1), GATE_PASS);
	assert_int_equal(ask(t.a, 0, 1), GATE_WAIT);
	assert_int_equal(wait_ms, -1);
	(void)woken(t.a);
	(void)woken(t.b);
	pass.proc = B;
	pass.proc_gen = 1;
	tell(t.b, GATE_WORKED, 1);
	assert_true(woken(t.a) != 0);
	assert_int_equal(woken(t.b), 0);
	assert_int_equal(ask(t.a, 0, 1), GATE_PASS);
	assert_int_equal(ask(t.a, 0, 1), GATE_WAIT);
	/* Both places are A's: its death frees them. */
	store_proc_died(t.created, A);
	store_proc_started(t.created, A, 9);
	assert_int_equal(view(t.b, 1).in_flight, 0);
	assert_int_equal(ask(t.b, 0, 1), GATE_PASS);
	assert_int_equal(ask(t.b, 0, 1), GATE_PASS);
	assert_int_equal(ask(t.b, 0, 1), GATE_WAIT);
	table_close(&t);
}

static void gate__requests_of_any_minute_are_bounded(void **state)
{
	struct table t = gate_open((struct gate_limits){.requests_per_minute = 3});
	int64_t now = 7 * MINUTE, begun[64];
	int count = 0;
	(void)state;
	while (count < 12) {
		if (ask(count % 2 ? t.a : t.b, 0, now) == GATE_PASS) {
			begun[count++] = now;
			now += 900;
			continue;
		}
		assert_true(wait_ms > 0 && wait_ms <= 61 * SECOND);
		now += wait_ms;
	}
	for (int i = 3; i < count; i++)
		assert_true(begun[i] - begun[i - 3] >= MINUTE);
	table_close(&t);
}

static void gate__tokens_are_put_right_afterwards(void **state)
{
	struct table t = gate_open((struct gate_limits){.tokens_per_minute = 100});
	int64_t now = MINUTE;
	(void)state;
	assert_int_equal(ask(t.a, 80, now), GATE_PASS);
	assert_int_equal(ask(t.b, 30, now), GATE_WAIT);
	gate_report(t.a, &pass, &(struct gate_end){.outcome = GATE_WORKED}, now); /* of a call that waits */
	struct gate_pass first = {.proc = A, .proc_gen = 1, .tokens = 80, .second = now / SECOND};
	gate_report(t.a, &first, &(struct gate_end){.outcome = GATE_WORKED, .tokens = 20}, now);
	assert_int_equal(view(t.a, now).tokens, 20);
	assert_int_equal(ask(t.b, 30, now), GATE_PASS);
	/* Alone larger than the limit: once nothing else is there. */
	assert_int_equal(ask(t.a, 500, now), GATE_WAIT);
	assert_int_equal(ask(t.a, 500, now + wait_ms), GATE_PASS);
	table_close(&t);
}

static void gate__a_pause_that_was_asked_for_is_everybodys(void **state)
{
	struct table t = gate_open((struct gate_limits){0});
	(void)state;
	assert_int_equal(ask(t.a, 0, 1000), GATE_PASS);
	gate_report(t.a, &pass,
		    &(struct gate_end){.outcome = GATE_NEITHER, .pause_ms = 500, .why = "slow down"}, 1000);
	assert_int_equal(ask(t.b, 0, 1100), GATE_WAIT);
	assert_int_equal(wait_ms, 400);
	assert_int_equal(view(t.b, 1100).pause_ms, 400);
	assert_string_equal(view(t.b, 1100).error, "slow down");
	assert_int_equal(ask(t.b, 0, 1500), GATE_PASS);
	table_close(&t);
}

static void gate__a_long_error_is_cut_at_a_character(void **state)
{
	struct table t = gate_open((struct gate_limits){0});
	char why[GATE_ERROR_MAX + 8];
	(void)state;
	memset(why, 'x', sizeof why);
	memcpy(why + GATE_ERROR_MAX - 2, "\xe2\x82\xac", 4);
	assert_int_equal(ask(t.a, 0, 1), GATE_PASS);
	gate_report(t.a, &pass, &(struct gate_end){.outcome = GATE_FAILED, .why = why}, 1);
	struct gate_view v = view(t.a, 1);
	assert_true(utf8_valid(v.error, strlen(v.error)));
	assert_int_equal(strlen(v.error), GATE_ERROR_MAX - 2);
	table_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gate__lets_all_through_without_limits),
		cmocka_unit_test(breaker__trips_after_exactly_its_threshold_over_all),
		cmocka_unit_test(breaker__success_counts_anew_and_giving_up_counts_nothing),
		cmocka_unit_test(breaker__one_probe_at_a_time),
		cmocka_unit_test(breaker__a_probe_that_is_given_up_or_dies_makes_room_for_another),
		cmocka_unit_test(breaker__late_answers_do_not_open_or_close_it),
		cmocka_unit_test(gate__concurrency_is_of_all_and_who_waits_is_woken),
		cmocka_unit_test(gate__requests_of_any_minute_are_bounded),
		cmocka_unit_test(gate__tokens_are_put_right_afterwards),
		cmocka_unit_test(gate__a_pause_that_was_asked_for_is_everybodys),
		cmocka_unit_test(gate__a_long_error_is_cut_at_a_character),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
