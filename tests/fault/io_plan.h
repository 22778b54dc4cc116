/* SPDX-License-Identifier: Apache-2.0 */
/* Inside io_fault.so: what the control file says, and the record of what was done. */
#ifndef TESTS_FAULT_IO_PLAN_H
#define TESTS_FAULT_IO_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tests/fault/io_log.h"

enum io_fault {
	FAULT_NONE,
	FAULT_KILL_BEFORE,
	FAULT_KILL_TORN, /* a write: half of it is done; anything else: as before */
	FAULT_KILL_AFTER,
	FAULT_EIO,
	FAULT_ENOSPC,
	FAULT_SHORT, /* a write does half of what was asked */
	FAULT_EINTR,
	FAULT_COUNT
};

/* Counts the operation and says what is to become of it. */
enum io_fault io_plan_next(enum io_op op, const char *path);
int64_t io_plan_clock_s(bool wall);
/* Whether statements are changed by this mutant. */
bool io_plan_sql(const char *mutant);
/* "" outside of the folder's watch; the folder without a slash at its end. */
const char *io_plan_folder(void);

/* Writes one record; path is relative to the folder. */
void io_plan_record(const struct io_rec *head, const char *path, const void *data);
/* The descriptor that must not be closed; -1 for none. */
int io_plan_keeps(void);
_Noreturn void io_plan_die(void); /* SIGKILL, as the kernel's */

#endif
