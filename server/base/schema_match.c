/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a pattern's program over a text: a set of places in the program, moved on together by one character at
 * a time. A place is in the set once however many ways lead there, so a step costs at most the length of the
 * program; steps are counted all the same, and a run that takes too many is PATTERN_UNSUPPORTED. Two sets and
 * a stack, nothing else.
 */
#include "base/base.h"
#include "base/base_int.h"
#include "base/pattern_int.h"

#include <stdlib.h>
#include <string.h>

struct places {
	int list[INSTS_MAX]; /* only SET instructions: the others are followed at once */
	int count;
};

struct run {
	const struct pattern_program *p;
	struct places sets[2];
	int stack[2 * INSTS_MAX + 2]; /* each place met pushes two at most, and is met once a position */
	int met[INSTS_MAX];           /* at which position the place was last met */
	int position;
	bool at_begin, at_end, word_edge;
	bool matched;
	int steps;
};

uint32_t pattern_char(const char *s, size_t left, size_t *bytes)
{
	size_t n = utf8_char_bytes(s, left);
	unsigned char c = (unsigned char)*s;
	*bytes = n ? n : 1;
	if (n < 2)
		return c;
	uint32_t v = c & (0x7Fu >> n);
	for (size_t i = 1; i < n; i++)
		v = v << 6 | ((unsigned char)s[i] & 0x3F);
	return v;
}

static bool is_word(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

static bool set_has(const struct run *r, const struct inst *in, uint32_t c)
{
	for (int i = in->x; i < in->x + in->y; i++)
		if (c >= r->p->ranges[i].from && c <= r->p->ranges[i].to)
			return !in->negated;
	return in->negated;
}

/* Does an assertion hold here? */
static bool holds(const struct run *r, enum op op)
{
	switch (op) {
	case OP_BEGIN: return r->at_begin;
	case OP_END: return r->at_end;
	case OP_WORD_EDGE: return r->word_edge;
	case OP_WORD_INSIDE: return !r->word_edge;
	default: return false;
	}
}

/* Follows everything that takes no character from `at` on, into `set`. */
static void place_add(struct run *r, struct places *set, int at)
{
	int depth = 0;
	r->stack[depth++] = at;
	while (depth) {
		at = r->stack[--depth];
		ensure(at >= 0 && at < r->p->count);
		r->steps++;
		if (r->met[at] == r->position)
			continue;
		r->met[at] = r->position;
		const struct inst *in = &r->p->insts[at];
		if (in->op == OP_MATCH) {
			r->matched = true;
		} else if (in->op == OP_SET) {
			set->list[set->count++] = at;
		} else if (in->op == OP_SPLIT) {
			r->stack[depth++] = at + in->y;
			r->stack[depth++] = at + in->x;
		} else if (in->op == OP_JUMP) {
			r->stack[depth++] = at + in->x;
		} else if (holds(r, in->op)) {
			r->stack[depth++] = at + 1;
		}
	}
}

/* What assertions may ask about the position before character `c` (none at the end). */
static void position_enter(struct run *r, bool first, bool last, uint32_t before, uint32_t c)
{
	r->position++;
	r->at_begin = first;
	r->at_end = last;
	r->word_edge = (!first && is_word(before)) != (!last && is_word(c));
}

static enum pattern_result run(struct run *r, const char *text, size_t len)
{
	uint32_t before = 0, c = 0;
	struct places *now = &r->sets[0], *next = &r->sets[1];
	size_t bytes = 0, i = 0;
	c = len ? pattern_char(text, len, &bytes) : 0;
	position_enter(r, true, !len, 0, c);
	place_add(r, now, 0);
	while (!r->matched && i < len && r->steps < STEPS_MAX) {
		size_t after = i + bytes;
		size_t bytes_after = 0;
		uint32_t c_after = after < len ? pattern_char(text + after, len - after, &bytes_after) : 0;
		before = c;
		position_enter(r, false, after == len, before, c_after);
		next->count = 0;
		for (int k = 0; k < now->count; k++) {
			const struct inst *in = &r->p->insts[now->list[k]];
			r->steps += 1 + in->y;
			if (set_has(r, in, c))
				place_add(r, next, now->list[k] + 1);
		}
		/* A match may begin anywhere. */
		place_add(r, next, 0);
		struct places *old = now;
		now = next;
		next = old;
		c = c_after;
		bytes = bytes_after;
		i = after;
	}
	if (r->matched)
		return PATTERN_MATCH;
	return i < len ? PATTERN_UNSUPPORTED : PATTERN_NO_MATCH;
}

enum pattern_result schema_pattern_run(const struct pattern_program *p, const char *text)
{
	struct run *r = calloc(1, sizeof(*r));
	if (!r)
		return PATTERN_UNSUPPORTED;
	r->p = p;
	enum pattern_result result = run(r, text, strlen(text));
	free(r);
	return result;
}
