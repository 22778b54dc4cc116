/* SPDX-License-Identifier: Apache-2.0 */
/* Private to schema_pattern.c, which reads an expression into a program, and schema_match.c, which runs it.
 */
#ifndef BASE_PATTERN_INT_H
#define BASE_PATTERN_INT_H

#include "base/schema_int.h"

enum { INSTS_MAX = 4000, RANGES_MAX = 1000, GROUPS_MAX = 40, STEPS_MAX = 2000000, REPEAT_MAX = 100000 };

enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_WORD_EDGE, OP_WORD_INSIDE, OP_MATCH };

/* Jumps are relative, so that a run of instructions can be moved and copied. */
struct inst {
	enum op op;
	int x, y;     /* SPLIT: both ways; JUMP: x; SET: ranges[x .. x+y) */
	bool negated; /* SET */
};

struct range {
	uint32_t from, to;
};

struct pattern_program {
	struct inst insts[INSTS_MAX];
	int count;
	struct range ranges[RANGES_MAX];
	int ranges_count;
	const char *in;            /* what is left of the pattern while it is read */
	int groups;                /* open now */
	enum pattern_result wrong; /* PATTERN_MATCH while nothing is */
};

enum pattern_result schema_pattern_run(const struct pattern_program *p, const char *text);
/* The character at s (left > 0 bytes of valid UTF-8) and how many bytes it takes. */
uint32_t pattern_char(const char *s, size_t left, size_t *bytes);

#endif
