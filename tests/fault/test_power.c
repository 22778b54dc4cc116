/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power loss: a script runs once, with everything it does to the disk recorded; then the states the disk may
 * have been in, had the power been cut at any of these operations, are built and opened. In each of them all
 * that had been acknowledged by then must be there, as one of the commits left it. The test proves itself on
 * mutants: a store that syncs too little or speaks too early must be caught.
 *
 * FAULT_STATES says how many states (0: all there are), FAULT_SEED which.
 */
#include "tests/fault/disk.h"
#include "tests/fault/look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 90, MERGE_EACH = 9, STATES = 1800, STATES_MUTANT = 300 };

/* A script with an orderly restart and a kill of the keeper in it; what it did is in the log. */
static void record(struct rig *r, struct script *s, const struct keeper_how *how, const char *control)
{
	rig_open(r);
	rig_control("%s", control);
	script_init(s, r, rig_seed, STEPS);
	for (size_t part = 1; part <= 3; part++) {
		s->steps = STEPS * part / 3;
		if (!rig_keeper_start(r, how))
			fail_msg("the keeper does not start: %s", buf_cstr(&r->said));
		if (script_run(s) != SCRIPT_DONE)
			fail_msg("the script does not come to its end: %s", buf_cstr(&r->said));
		if (part == 1)
			rig_keeper_stop(r);
		else
			rig_keeper_kill(r);
	}
}

/* The commit that was the last before, or the first after, this operation. */
static bool vector_known(const struct disk *d, size_t at, uint64_t vector)
{
	bool known = false;
	for (size_t i = at; i-- > 0 && !known;) {
		const struct mark *m = (const struct mark *)(const void *)io_rec_data(disk_op(d, i));
		if (disk_op(d, i)->op != IO_MARK || m->kind != MARK_COMMIT)
			continue;
		known = m->value == vector;
		break;
	}
	for (size_t i = at; i < disk_ops(d) && !known; i++) {
		const struct mark *m = (const struct mark *)(const void *)io_rec_data(disk_op(d, i));
		if (disk_op(d, i)->op != IO_MARK || m->kind != MARK_COMMIT)
			continue;
		known = m->value == vector;
		break;
	}
	return known || (vector == 0 && at == 0);
}

struct replay {
	struct disk *disk;
	const struct script *script;
	struct acked acked; /* at the instant */
	uint64_t random, *hashes;
	size_t hashes_count, hashes_max; /* a table of the states that were tried; 0 is free */
	size_t ops, tried, same, bad;
	char first[700]; /* what was wrong with the first bad one */
};

static bool seen_before(struct replay *p, uint64_t hash)
{
	size_t at = hash % p->hashes_max;
	for (hash |= 1; p->hashes[at] && p->hashes[at] != hash; at = (at + 1) % p->hashes_max) {
	}
	bool same = p->hashes[at] != 0;
	p->hashes[at] = hash;
	return same;
}

static uint64_t acked_hash(const struct acked *a)
{
	uint64_t h = 0;
	for (size_t i = 0; i < sizeof *a / 8; i++)
		h = mix64(h ^ ((const uint64_t *)(const void *)a)[i]);
	return h;
}

static void try_state(struct replay *p, size_t at, const struct disk_state *st)
{
	struct look l = {0};
	char text[128];
	if (seen_before(p, disk_build(p->disk, st, rig_paths.state) ^ acked_hash(&p->acked))) {
		p->same++;
		return;
	}
	p->tried++;
	bool right = look_at(&l, rig_paths.state, p->script, &p->acked);
	if (right && !vector_known(p->disk, at, l.vector)) {
		snprintf(l.fault, sizeof l.fault, "what is there is not what any commit left");
		right = false;
	}
	if (right || p->bad++ > 0)
		return;
	disk_state_text(st, text);
	snprintf(p->first, sizeof p->first, "power cut before operation %zu of %zu: %s; %s", at,
		 disk_ops(p->disk), text, l.fault);
}

/* How many states there are at all instants. */
static size_t states_count(const char *log)
{
	struct disk *d = disk_load(log);
	size_t all = 0, n;
	for (size_t at = 0; at <= disk_ops(d); at++) {
		disk_seek(d, at);
		free(disk_states(d, rig_seed + at, &n));
		all += n;
	}
	disk_free(d);
	return all;
}

/* Tries about so many of the states, evenly; 0: all. */
static void replay(struct replay *p, const struct script *s, size_t states)
{
	size_t all = states_count(rig_paths.log);
	*p = (struct replay){.disk = disk_load(rig_paths.log), .script = s, .random = rig_seed};
	p->ops = disk_ops(p->disk);
	p->hashes_max = 4 * all + 1;
	p->hashes = xcalloc(p->hashes_max, sizeof *p->hashes);
	for (size_t at = 0; at <= disk_ops(p->disk); at++) {
		size_t n;
		disk_seek(p->disk, at);
		const struct io_rec *r = at ? disk_op(p->disk, at - 1) : NULL;
		if (r && r->op == IO_MARK)
			acked_mark(&p->acked, (const struct mark *)(const void *)io_rec_data(r));
		struct disk_state *st = disk_states(p->disk, rig_seed + at, &n);
		for (size_t i = 0; i < n; i++)
			if (states == 0 || rig_random(&p->random) % all < states)
				try_state(p, at, &st[i]);
		free(st);
	}
	free(p->hashes);
	disk_free(p->disk);
}

static size_t states_wanted(size_t usual)
{
	const char *text = getenv("FAULT_STATES");
	return text ? strtoul(text, NULL, 10) : rig_long ? 20 * usual : usual;
}

static size_t deleted_count(const struct script *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->tasks_count; i++)
		n += s->acked.deleted[i];
	return n;
}

static void power__everything_acknowledged_is_there(void **state)
{
	struct rig r;
	struct script *s = xcalloc(1, sizeof *s);
	struct replay p;
	(void)state;
	record(&r, s, &(struct keeper_how){.merge_each = MERGE_EACH}, "");
	/* A third of them are the same as others. */
	replay(&p, s, states_wanted(STATES * 3 / 2));
	printf("    %zu tasks, %zu artifacts, %zu deleted: %zu operations, %zu states (%zu more were the "
	       "same), "
	       "%zu bad\n",
	       s->tasks_count, s->artifacts_count, deleted_count(s), p.ops, p.tried, p.same, p.bad);
	script_release(s);
	rig_close(&r);
	free(s);
	if (p.bad)
		fail_msg("FAULT_SEED=%llu: %s", (unsigned long long)rig_seed, p.first);
}

static void mutant_is_caught(const struct keeper_how *how, const char *control)
{
	struct rig r;
	struct script *s = xcalloc(1, sizeof *s);
	struct replay p;
	record(&r, s, how, control);
	replay(&p, s, states_wanted(STATES_MUTANT));
	printf("    %zu states, %zu bad; the first: %s\n", p.tried, p.bad, p.first);
	script_release(s);
	rig_close(&r);
	free(s);
	if (p.bad == 0)
		fail_msg("FAULT_SEED=%llu: the mutant was not caught", (unsigned long long)rig_seed);
}

static void power__catches_a_store_that_syncs_too_little(void **state)
{
	(void)state;
	mutant_is_caught(&(struct keeper_how){.merge_each = MERGE_EACH}, "sql=normal");
}

static void power__catches_a_store_that_speaks_before_it_commits(void **state)
{
	(void)state;
	mutant_is_caught(&(struct keeper_how){.merge_each = MERGE_EACH, .ack_early = true}, "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power__everything_acknowledged_is_there),
		cmocka_unit_test(power__catches_a_store_that_syncs_too_little),
		cmocka_unit_test(power__catches_a_store_that_speaks_before_it_commits),
	};
	(void)argc;
	rig_begin(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
