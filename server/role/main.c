/* SPDX-License-Identifier: Apache-2.0 */
/* Where the program starts, for every role and for the command line. */
#include "base/base.h"
#include "role/role.h"

int main(int argc, char **argv)
{
	return role_main(argc, argv);
}
