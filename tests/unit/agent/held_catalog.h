/* SPDX-License-Identifier: Apache-2.0 */
/* A catalogue made by hand, with room behind it for the count of references that the mcp room keeps there. */
#ifndef TESTS_UNIT_AGENT_HELD_CATALOG_H
#define TESTS_UNIT_AGENT_HELD_CATALOG_H

#include "mcp/mcp.h"

struct held_catalog {
	struct mcp_catalog catalog;
	int refs[64]; /* the first is the count; never reaches 0 here */
};

#endif
