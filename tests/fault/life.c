/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table outlives its keepers, as the service's does; only life_acked_kept looks at the disk alone, at a
 * copy of it, so that the life can go on afterwards.
 */
#include "tests/fault/life.h"

#include "tests/fault/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { STEPS = 20, PARTS = 2 };

struct life *life_new(const struct keeper_how *how)
{
	struct life *l = xcalloc(1, sizeof *l);
	l->how = *how;
	rig_open(&l->rig);
	script_init(&l->script, &l->rig, rig_seed, STEPS);
	return l;
}

void life_free(struct life *l)
{
	rig_close(&l->rig);
	script_release(&l->script);
	free(l);
}

enum life_end life_run(struct life *l)
{
	static const enum life_end ends[] = {
		[SCRIPT_DONE] = LIFE_DONE, [SCRIPT_GONE] = LIFE_LOST, [SCRIPT_NO_SPACE] = LIFE_NO_SPACE};
	for (; l->part < PARTS; l->part++) {
		l->script.steps = STEPS * (l->part + 1) / PARTS;
		if (l->rig.keeper == 0 && !rig_keeper_start(&l->rig, &l->how))
			return LIFE_LOST;
		if (l->part == 1 && l->then)
			rig_control("%s", l->then);
		enum script_end end = script_run(&l->script);
		if (end != SCRIPT_DONE)
			return ends[end];
		l->keeper_before = l->rig.keeper;
		rig_keeper_stop(&l->rig);
		if (!WIFEXITED(l->rig.status) || WEXITSTATUS(l->rig.status) != 0)
			return LIFE_LOST;
	}
	return LIFE_DONE;
}

bool life_restart(struct life *l)
{
	rig_restart(&l->rig);
	if (!rig_keeper_start(&l->rig, &l->how))
		snprintf(l->fault, sizeof l->fault, "it does not start any more");
	else if (!script_resync(&l->script))
		snprintf(l->fault, sizeof l->fault, "the table is not filled with what was acknowledged");
	else
		return true;
	return false;
}

bool life_acked_kept(struct life *l)
{
	struct look look = {0};
	rig_keeper_freeze(&l->rig, true);
	folder_copy(rig_paths.live, rig_paths.state);
	rig_keeper_freeze(&l->rig, false);
	bool kept = look_at(&look, rig_paths.state, &l->script, &l->script.acked);
	if (!kept)
		snprintf(l->fault, sizeof l->fault, "on the disk: %s", look.fault);
	return kept;
}

bool life_whole(struct life *l)
{
	struct script *s = &l->script;
	struct acked all = s->acked;
	struct look look = {0};
	rig_control("%s", l->how.sql);
	for (size_t i = 0; i < s->tasks_count; i++)
		all.seq[i] = s->tasks[i].last_seq;
	bool whole = look_at(&look, rig_paths.live, s, &all);
	if (!whole)
		snprintf(l->fault, sizeof l->fault, "at the end: %s", look.fault);
	return whole;
}

size_t life_ops(const struct keeper_how *how, const char *control)
{
	static const char *const names[] = IO_OP_NAMES;
	const char *list = strstr(control, "ops=");
	struct life *l = life_new(how);
	if (life_run(l) != LIFE_DONE || !life_whole(l))
		die(70, "FAULT_SEED=%llu: without any fault: %s %s", (unsigned long long)rig_seed, l->fault,
		    buf_cstr(&l->rig.said));
	struct disk *d = disk_load(rig_paths.log);
	size_t ops = 0;
	for (size_t i = 0; i < disk_ops(d); i++)
		ops += disk_op(d, i)->op != IO_MARK && (!list || strstr(list, names[disk_op(d, i)->op]));
	disk_free(d);
	life_free(l);
	return ops;
}
