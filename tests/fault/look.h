/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens what is left of a database with the real backend and compares it with what the script did: all that
 * was acknowledged is there, nothing is there that was not done, each task's events are whole and dense and
 * its document is their fold, the database finds no fault in itself, and it can be written again.
 */
#ifndef TESTS_FAULT_LOOK_H
#define TESTS_FAULT_LOOK_H

#include "tests/fault/script.h"

struct look {
	char fault[400];  /* "" when all is well */
	bool refused;     /* not opened: ERR_CONFIG, with the words in fault */
	uint64_t vector;  /* of the tasks that are there */
	bool keep_closed; /* set before: nothing is written, the database is abandoned */
};
/* The folder is the one that rig_paths.live became; a folder without a database is an empty one. true: no
 * fault. */
bool look_at(struct look *l, const char *live, const struct script *s, const struct acked *a);

#endif
