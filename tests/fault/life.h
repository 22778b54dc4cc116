/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A script's whole life: two keepers one after the other, each started, worked with and stopped in order, and
 * whatever goes wrong in between. Both kill and error tests go through the same life, each with its fault.
 */
#ifndef TESTS_FAULT_LIFE_H
#define TESTS_FAULT_LIFE_H

#include "tests/fault/look.h"

struct life {
	struct rig rig;
	struct script script;
	struct keeper_how how;
	size_t part;         /* how many keepers have come to their orderly end */
	pid_t keeper_before; /* the last that did */
	const char *then;    /* what io_fault.so is told when the second one serves; may be NULL */
	char fault[500];
};
struct life *life_new(const struct keeper_how *how);
void life_free(struct life *l);

enum life_end {
	LIFE_DONE,
	LIFE_LOST,     /* the keeper was killed, or ended by itself */
	LIFE_NO_SPACE, /* it stands still for want of room */
};
/* Goes on from where it stopped. */
enum life_end life_run(struct life *l);
/* The whole service dies and is started anew; false: not with what had been acknowledged. */
bool life_restart(struct life *l);
/* As if the machine had stopped now: whether all that was acknowledged is on the disk. */
bool life_acked_kept(struct life *l);
/* After LIFE_DONE: whether everything that was done is on the disk, and nothing else. */
bool life_whole(struct life *l);
/* Without any fault; how many operations it takes, of those that the control text is about. */
size_t life_ops(const struct keeper_how *how, const char *control);

#endif
