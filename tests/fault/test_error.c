/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call that changes a file fails in turn, once or from then on. Whatever happens, nothing is
 * acknowledged that is not on the disk. After an error of the disk the keeper touches the database no more
 * and ends with a message; without room it refuses, stays, and goes on by itself when there is room; a short
 * write or an interrupted call is nobody's business. And a clock that is set back changes nothing.
 *
 * Without FAULT_LONG every few operations, from a place that the seed chooses.
 */
#include "tests/fault/disk.h"
#include "tests/fault/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { TURNS_MAX = 200, RUNS_EACH = 16 };

static const struct keeper_how usual = {.merge_each = 6};

struct failure {
	const char *control;
	bool ends;     /* the keeper may end; for want of room only before it serves */
	bool no_space; /* or stand still */
};

static bool wrong(struct life *l, const char *fmt, ...) printf_like(2);
static bool wrong(struct life *l, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (!l->fault[0])
		vsnprintf(l->fault, sizeof l->fault, fmt, ap);
	va_end(ap);
	return false;
}

static bool of_the_database(const struct io_rec *r)
{
	size_t n = strlen(io_rec_path(r));
	return n > 8 && strcmp(io_rec_path(r) + n - 8, "-journal") != 0;
}

/* What failed for good is the last thing the keeper did: of the making of a new database it may clean up. */
static bool hands_off_after(struct life *l)
{
	struct disk *d = disk_load(rig_paths.log);
	const struct io_rec *failed = NULL;
	bool log_seen = false, right = true;
	for (size_t i = 0; i < disk_ops(d) && right; i++) {
		const struct io_rec *r = disk_op(d, i);
		log_seen = log_seen || (r->op == IO_CREATE && strstr(io_rec_path(r), "-wal"));
		if (r->op == IO_MARK)
			continue;
		if (failed && r->pid == failed->pid)
			right = wrong(l, "operation %zu (%u on %s) after %s of %s had failed", i, r->op,
				      io_rec_path(r), failed->op == IO_SYNC ? "a sync" : "a write",
				      io_rec_path(failed));
		if (log_seen && of_the_database(r) &&
		    (r->op == IO_SYNC || (r->op == IO_WRITE && r->error == EIO)) && r->error &&
		    r->error != EINTR)
			failed = r;
	}
	/* One that stopped in order has at least said what it met. */
	if (right && failed && l->rig.keeper == 0 && WIFEXITED(l->rig.status) &&
	    WEXITSTATUS(l->rig.status) == 0 && failed->pid == (uint32_t)l->keeper_before &&
	    l->rig.said.len == 0)
		right = wrong(l, "an error of %s went unnoticed", io_rec_path(failed));
	disk_free(d);
	return right;
}

/* It ended by itself, as it should, and said why. */
static bool ended_well(struct life *l, const struct failure *f)
{
	int code = WIFEXITED(l->rig.status) ? WEXITSTATUS(l->rig.status) : -1;
	if (!f->ends)
		return wrong(l, "the keeper ended");
	if (f->no_space && l->rig.serves)
		return wrong(l, "the keeper ended for want of room after it had served");
	if (code != EXIT_BROKEN && code != EXIT_REFUSED)
		return wrong(l, "the keeper ended with status %x", (unsigned)l->rig.status);
	if (l->rig.said.len == 0)
		return wrong(l, "the keeper ended without a word");
	return true;
}

/* It stands still as long as there is no room, and goes on when there is. */
static bool goes_on_with_room(struct life *l, const struct failure *f, size_t at)
{
	pid_t keeper = l->rig.keeper;
	if (!f->no_space)
		return wrong(l, "no room, though nothing said so");
	if (strstr(f->control, "for=ever") && at % 5 == 0) {
		rig_time_pass(&l->rig, 2, f->control);
		for (int i = 0; i < 2; i++)
			rig_turn(&l->rig);
		if (l->rig.gone)
			return wrong(l, "it did not wait for room");
	}
	/* Each turn two seconds go by. */
	for (int i = 0; store_health(l->rig.worker, NULL) == STORE_NO_SPACE && !l->rig.gone && i < TURNS_MAX;
	     i++) {
		rig_time_pass(&l->rig, 2, "");
		rig_turn(&l->rig);
	}
	if (store_health(l->rig.worker, NULL) != STORE_WORKS || l->rig.keeper != keeper)
		return wrong(l, "there is room again, and it does not go on");
	return true;
}

static bool endures(const struct failure *f, size_t at, size_t counts[3], char fault[1100])
{
	struct life *l = life_new(&usual);
	bool well = true;
	rig_control("%s at=%zu", f->control, at);
	for (enum life_end end; well && (end = life_run(l)) != LIFE_DONE;) {
		counts[end == LIFE_LOST ? 1 : 2]++;
		well = life_acked_kept(l);
		if (end == LIFE_NO_SPACE)
			well = well && goes_on_with_room(l, f, at);
		else
			well = well && ended_well(l, f) && hands_off_after(l);
		rig_control("%s", "");
		if (well && end == LIFE_LOST)
			well = life_restart(l);
	}
	well = well && hands_off_after(l) && life_whole(l);
	counts[0]++;
	if (!well)
		snprintf(fault, 1100, "FAULT_SEED=%llu, %s at operation %zu: %s; the keeper said: %.400s",
			 (unsigned long long)rig_seed, f->control, at, l->fault, buf_cstr(&l->rig.said));
	life_free(l);
	return well;
}

static void each(const struct failure *f)
{
	size_t ops = life_ops(&usual, f->control), counts[3] = {0};
	size_t step = rig_long ? 1 : ops / RUNS_EACH + 1;
	char fault[1100];
	for (size_t at = 1 + rig_seed % step; at <= ops; at += step)
		if (!endures(f, at, counts, fault))
			fail_msg("%s", fault);
	printf("    %zu runs: the keeper ended %zu times, stood still %zu times\n", counts[0], counts[1],
	       counts[2]);
}

#define EACH(name, text, may_end, may_stand)                                                      \
	static void error__##name(void **state)                                                   \
	{                                                                                         \
		(void)state;                                                                      \
		each(&(struct failure){.control = text, .ends = may_end, .no_space = may_stand}); \
	}
EACH(an_io_error_ends_the_keeper, "eio ops=write,sync,truncate,create,unlink,mkdir", true, false)
EACH(a_lasting_io_error_ends_the_keeper, "eio for=ever ops=write,sync,truncate,create,unlink,mkdir", true,
     false)
EACH(a_full_disk_is_waited_for, "enospc ops=write,create,mkdir", true, true)
EACH(a_lastingly_full_disk_is_waited_for, "enospc for=ever ops=write,create,mkdir", true, true)
/* Making a file shorter needs no room on most file systems; where it does, it is an error like others. */
EACH(a_truncation_without_room_ends_the_keeper, "enospc ops=truncate", true, false)
EACH(a_sync_without_room_ends_the_keeper, "enospc ops=sync", true, false)
EACH(a_short_write_is_gone_on_with, "short ops=write", false, false)
EACH(short_writes_are_gone_on_with, "short for=ever ops=write", false, false)
EACH(an_interrupted_call_is_made_again, "eintr ops=write,truncate", false, false)

static void error__a_clock_set_back_an_hour_changes_nothing(void **state)
{
	struct life *l = life_new(&usual);
	(void)state;
	l->then = "";
	rig_control("clock=3600");
	bool well = life_run(l) == LIFE_DONE && life_whole(l);
	char *fault = xstrdup(l->fault);
	life_free(l);
	if (!well)
		fail_msg("FAULT_SEED=%llu: %s", (unsigned long long)rig_seed, fault);
	free(fault);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error__an_io_error_ends_the_keeper),
		cmocka_unit_test(error__a_lasting_io_error_ends_the_keeper),
		cmocka_unit_test(error__a_full_disk_is_waited_for),
		cmocka_unit_test(error__a_lastingly_full_disk_is_waited_for),
		cmocka_unit_test(error__a_truncation_without_room_ends_the_keeper),
		cmocka_unit_test(error__a_sync_without_room_ends_the_keeper),
		cmocka_unit_test(error__a_short_write_is_gone_on_with),
		cmocka_unit_test(error__short_writes_are_gone_on_with),
		cmocka_unit_test(error__an_interrupted_call_is_made_again),
		cmocka_unit_test(error__a_clock_set_back_an_hour_changes_nothing),
	};
	(void)argc;
	rig_begin(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
