/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of the service and its command line. Nothing includes this room; main() lives here. */
#ifndef ROLE_ROLE_H
#define ROLE_ROLE_H

#include "base/base.h"

/* The command line: argv as main got it. Returns the exit code (sysexits where one fits). */
int role_main(int argc, char **argv);

#endif
