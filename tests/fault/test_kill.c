/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper is killed at each of its operations on the disk: before it, half-way into it, after it. Then the
 * disk alone must hold all that was acknowledged, and the next keeper, on the table that outlived the first
 * or on one that is filled anew, must bring everything to its end without losing or doubling anything. The
 * test proves itself on a store that speaks before it commits and on one whose events may double.
 *
 * Without FAULT_LONG each operation, or each few of a long script, meets one of the three kinds of death.
 */
#include "tests/fault/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEATHS_USUAL = 400, MUTANT_SCRIPTS = 5 };

static const struct keeper_how usual = {.merge_each = 6};
static const char *const deaths[] = {"kill-before", "kill-torn", "kill-after"};

/* true: all is well; else what is wrong is in fault. */
static bool survives(const struct keeper_how *how, const char *control, size_t at, size_t *deaths_count,
		     char fault[700])
{
	struct life *l = life_new(how);
	rig_control("%s at=%zu", control, at);
	bool well = true;
	for (enum life_end end; well && (end = life_run(l)) != LIFE_DONE;) {
		rig_control("%s", how->sql);
		*deaths_count += end == LIFE_LOST;
		well = end == LIFE_LOST && life_acked_kept(l);
		if (well && at % 2 == 0)
			well = life_restart(l);
		if (end != LIFE_LOST)
			snprintf(l->fault, sizeof l->fault, "no room, though nothing said so");
	}
	well = well && life_whole(l);
	if (!well)
		snprintf(fault, 700, "FAULT_SEED=%llu, %s at operation %zu: %s; the keeper said: %.100s",
			 (unsigned long long)rig_seed, control, at, l->fault, buf_cstr(&l->rig.said));
	life_free(l);
	return well;
}

static void kill__nothing_acknowledged_is_lost_and_the_next_keeper_goes_on(void **state)
{
	size_t ops = life_ops(&usual, ""), died = 0;
	char fault[700];
	(void)state;
	size_t step = rig_long ? 1 : ops / DEATHS_USUAL + 1;
	for (size_t at = 1 + rig_seed % step; at <= ops; at += step)
		for (size_t d = 0; d < COUNT_OF(deaths); d++) {
			if (!rig_long && (at / step + rig_seed) % COUNT_OF(deaths) != d)
				continue;
			if (!survives(&usual, deaths[d], at, &died, fault))
				fail_msg("%s", fault);
		}
	printf("    %zu operations, %zu deaths\n", ops, died);
}

/* Some death of these must show it: of this script, or of one of the next, since what a commit holds depends
 * on the clock. */
static void mutant_is_caught(const struct keeper_how *how, const char *control)
{
	uint64_t seed = rig_seed;
	char fault[700] = "";
	size_t died = 0;
	for (; !fault[0] && rig_seed < seed + MUTANT_SCRIPTS; rig_seed++) {
		size_t ops = life_ops(&usual, control), at = 1;
		while (at <= ops && survives(how, control, at, &died, fault))
			at++;
	}
	rig_seed = seed;
	if (!fault[0])
		fail_msg("FAULT_SEED=%llu: the mutant was not caught", (unsigned long long)seed);
	printf("    caught after %zu deaths: %s\n", died, fault);
}

static void kill__catches_a_store_that_speaks_before_it_commits(void **state)
{
	(void)state;
	mutant_is_caught(&(struct keeper_how){.merge_each = 6, .ack_early = true}, "kill-before");
}

static void kill__catches_a_store_whose_events_double(void **state)
{
	(void)state;
	mutant_is_caught(&(struct keeper_how){.merge_each = 6, .sql = "sql=noindex"},
			 "kill-after ops=sync sql=noindex");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill__nothing_acknowledged_is_lost_and_the_next_keeper_goes_on),
		cmocka_unit_test(kill__catches_a_store_that_speaks_before_it_commits),
		cmocka_unit_test(kill__catches_a_store_whose_events_double),
	};
	(void)argc;
	rig_begin(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
