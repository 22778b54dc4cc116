/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions as JSON Schema means them (ECMAScript), matched in bounded time: an expression becomes
 * a small program, all of whose threads walk the text together (Thompson's construction, as Pike wrote it).
 * This file reads the expression; schema_match.c walks. The C library's own expressions were measured first
 * and take seconds for what a hostile schema can ask; here steps are counted.
 *
 * Characters are code points. What such a machine cannot do (look-around, back references), and what passes a
 * bound (program, nesting, steps), is PATTERN_UNSUPPORTED and left to the server that wrote the pattern.
 */
#include "base/base.h"
#include "base/pattern_int.h"

#include <stdlib.h>
#include <string.h>

/* What \d, \w, \s and '.' stand for (ECMA-262 section 22.2), sorted, ended by an empty range. */
static const struct range DIGIT[] = {{'0', '9'}, {1, 0}};
static const struct range WORD[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}, {1, 0}};
static const struct range SPACE[] = {{9, 13},
				     {32, 32},
				     {0xa0, 0xa0},
				     {0x1680, 0x1680},
				     {0x2000, 0x200a},
				     {0x2028, 0x2029},
				     {0x202f, 0x202f},
				     {0x205f, 0x205f},
				     {0x3000, 0x3000},
				     {0xfeff, 0xfeff},
				     {1, 0}};
static const struct range LINE_END[] = {{10, 10}, {13, 13}, {0x2028, 0x2029}, {1, 0}};

/* --- building --- */

static void wrong_set(struct pattern_program *p, enum pattern_result why)
{
	if (p->wrong == PATTERN_MATCH)
		p->wrong = why;
}

/* Room for n instructions at `at`; those behind it move. */
static struct inst *inst_insert(struct pattern_program *p, int at, int n)
{
	if (p->count + n > INSTS_MAX) {
		wrong_set(p, PATTERN_UNSUPPORTED);
		return NULL;
	}
	memmove(p->insts + at + n, p->insts + at, (size_t)(p->count - at) * sizeof(p->insts[0]));
	p->count += n;
	return p->insts + at;
}

static void inst_put(struct pattern_program *p, int at, struct inst in)
{
	struct inst *i = inst_insert(p, at, 1);
	if (i)
		*i = in;
}

static void range_put(struct pattern_program *p, uint32_t from, uint32_t to)
{
	if (from > to)
		return;
	if (p->ranges_count == RANGES_MAX)
		wrong_set(p, PATTERN_UNSUPPORTED);
	else
		p->ranges[p->ranges_count++] = (struct range){from, to};
}

static void class_put(struct pattern_program *p, const struct range *class, bool complement)
{
	uint32_t gap = 0;
	for (; class->from <= class->to; class ++) {
		if (!complement)
			range_put(p, class->from, class->to);
		else if (class->from)
			range_put(p, gap, class->from - 1);
		gap = class->to + 1;
	}
	if (complement)
		range_put(p, gap, 0x10FFFF);
}

/* The class that \c names; NULL when it is none. */
static const struct range *class_named(char c)
{
	switch (c) {
	case 'd':
	case 'D': return DIGIT;
	case 'w':
	case 'W': return WORD;
	case 's':
	case 'S': return SPACE;
	default: return NULL;
	}
}

static bool is_capital(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* --- reading --- */

static void alternatives_read(struct pattern_program *p);

/* Exactly n hexadecimal digits; false (and nothing read) otherwise. */
static bool hex_read(struct pattern_program *p, int n, uint32_t *out)
{
	char text[5] = "";
	for (int i = 0; i < n; i++) {
		if (!p->in[i] || !strchr("0123456789abcdefABCDEF", p->in[i]))
			return false;
		text[i] = p->in[i];
	}
	*out = (uint32_t)strtoul(text, NULL, 16);
	p->in += n;
	return true;
}

/* Behind a backslash: the character it stands for. */
static uint32_t escape_read(struct pattern_program *p, bool in_class)
{
	static const char names[] = "nrtfv0", chars[] = "\n\r\t\f\v";
	char c = *p->in++;
	uint32_t v = 0;
	const char *at = strchr(names, c);
	if (!c) {
		p->in--;
		wrong_set(p, PATTERN_BROKEN);
		return 0;
	}
	if (at)
		return (unsigned char)chars[at - names];
	if (c == 'b' && in_class)
		return '\b';
	if ((c == 'x' && hex_read(p, 2, &v)) || (c == 'u' && hex_read(p, 4, &v)))
		return v;
	/* Back references, \p{...}, \k<...>, \c.: not for this machine. Any other letter stands for itself.
	 */
	if ((c >= '1' && c <= '9') || strchr("pPkcu", c))
		wrong_set(p, PATTERN_UNSUPPORTED);
	size_t bytes;
	v = pattern_char(p->in - 1, strlen(p->in - 1), &bytes);
	p->in += bytes - 1;
	return v;
}

/* One end of a range, or a whole class escape (then *is_class). */
static uint32_t member_read(struct pattern_program *p, bool *is_class)
{
	*is_class = false;
	if (*p->in == '\\') {
		const struct range *class = class_named(p->in[1]);
		if (class) {
			class_put(p, class, is_capital(p->in[1]));
			p->in += 2;
			*is_class = true;
			return 0;
		}
		p->in++;
		return escape_read(p, true);
	}
	size_t bytes;
	uint32_t v = pattern_char(p->in, strlen(p->in), &bytes);
	p->in += bytes;
	return v;
}

/* From behind '[' to behind ']'. */
static void set_read(struct pattern_program *p)
{
	int first = p->ranges_count;
	bool negated = *p->in == '^', is_class;
	p->in += negated;
	while (*p->in && *p->in != ']' && p->wrong == PATTERN_MATCH) {
		uint32_t from = member_read(p, &is_class), to = from;
		if (p->in[0] == '-' && p->in[1] && p->in[1] != ']') {
			const struct range *next = p->in[1] == '\\' ? class_named(p->in[2]) : NULL;
			/* Beside a class a dash means itself. */
			if (!is_class && !next) {
				p->in++;
				to = member_read(p, &(bool){false});
				if (to < from)
					wrong_set(p, PATTERN_BROKEN);
			} else {
				range_put(p, '-', '-');
				p->in++;
			}
		}
		if (!is_class)
			range_put(p, from, to);
	}
	if (*p->in == ']')
		p->in++;
	else
		wrong_set(p, PATTERN_BROKEN);
	inst_put(p, p->count, (struct inst){OP_SET, first, p->ranges_count - first, negated});
}

/* From behind '(' to behind ')'. */
static void group_read(struct pattern_program *p)
{
	if (p->in[0] == '?' && p->in[1] == ':') {
		p->in += 2;
	} else if (p->in[0] == '?' && p->in[1] == '<' && p->in[2] && !strchr("=!", p->in[2])) {
		p->in += strcspn(p->in, ">");
		p->in += *p->in == '>';
	} else if (p->in[0] == '?') {
		wrong_set(p, PATTERN_UNSUPPORTED);
	}
	if (++p->groups > GROUPS_MAX)
		wrong_set(p, PATTERN_UNSUPPORTED);
	if (p->wrong != PATTERN_MATCH)
		return;
	alternatives_read(p);
	p->groups--;
	if (*p->in == ')')
		p->in++;
	else
		wrong_set(p, PATTERN_BROKEN);
}

static void class_inst_put(struct pattern_program *p, const struct range *class, bool negated)
{
	int first = p->ranges_count;
	class_put(p, class, false);
	inst_put(p, p->count, (struct inst){OP_SET, first, p->ranges_count - first, negated});
}

static int count_read(const char **s)
{
	size_t digits = strspn(*s, "0123456789");
	long v = digits > 5 ? REPEAT_MAX : strtol(*s, NULL, 10);
	*s += digits;
	return (int)v;
}

/* "{3}", "{3,}" or "{3,5}" at the front; otherwise false, and the brace means itself. */
static bool counts_read(struct pattern_program *p, int *least, int *most)
{
	const char *s = p->in + 1;
	if (*p->in != '{' || *s < '0' || *s > '9')
		return false;
	*least = *most = count_read(&s);
	if (*s == ',') {
		s++;
		*most = *s == '}' ? -1 : *s >= '0' && *s <= '9' ? count_read(&s) : -2;
	}
	if (*s != '}' || *most == -2)
		return false;
	p->in = s + 1;
	return true;
}

static void atom_read(struct pattern_program *p)
{
	size_t bytes;
	uint32_t v;
	const struct range *class = *p->in == '\\' ? class_named(p->in[1]) : NULL;
	if (class) {
		class_inst_put(p, class, is_capital(p->in[1]));
		p->in += 2;
		return;
	}
	if (p->in[0] == '\\' && (p->in[1] == 'b' || p->in[1] == 'B')) {
		inst_put(p, p->count, (struct inst){.op = p->in[1] == 'b' ? OP_WORD_EDGE : OP_WORD_INSIDE});
		p->in += 2;
		return;
	}
	int least, most;
	if (counts_read(p, &least, &most)) {
		wrong_set(p, PATTERN_BROKEN); /* nothing to repeat */
		return;
	}
	char c = *p->in;
	switch (c) {
	case '(':
		p->in++;
		group_read(p);
		return;
	case '[':
		p->in++;
		set_read(p);
		return;
	case '.':
		p->in++;
		class_inst_put(p, LINE_END, true);
		return;
	case '^':
	case '$':
		p->in++;
		inst_put(p, p->count, (struct inst){.op = c == '^' ? OP_BEGIN : OP_END});
		return;
	case '*':
	case '+':
	case '?': wrong_set(p, PATTERN_BROKEN); return; /* nothing to repeat */
	case '\\':
		p->in++;
		v = escape_read(p, false);
		break;
	default: v = pattern_char(p->in, strlen(p->in), &bytes); p->in += bytes;
	}
	range_put(p, v, v);
	inst_put(p, p->count, (struct inst){OP_SET, p->ranges_count - 1, 1, false});
}

/* The atom at [at, count) once or not at all, or as often as it likes. */
static void optional_make(struct pattern_program *p, int at, bool repeated)
{
	int len = p->count - at;
	inst_put(p, at, (struct inst){OP_SPLIT, 1, len + 1 + repeated, false});
	if (repeated)
		inst_put(p, p->count, (struct inst){.op = OP_JUMP, .x = -(len + 1)});
}

/* {least,most} of the atom at [at, count); most < 0: no end. The atom is unfolded. */
static void repeat_make(struct pattern_program *p, int at, int least, int most)
{
	int len = p->count - at, copies = most < 0 ? least + 1 : most;
	struct inst *atom = xmalloc((size_t)(len + 1) * sizeof(*atom));
	memcpy(atom, p->insts + at, (size_t)len * sizeof(*atom));
	p->count = at;
	for (int i = 0; i < copies && p->wrong == PATTERN_MATCH && len; i++) {
		int start = p->count;
		struct inst *to = inst_insert(p, start, len);
		if (!to)
			break;
		memcpy(to, atom, (size_t)len * sizeof(*atom));
		if (i >= least)
			optional_make(p, start, most < 0);
	}
	free(atom);
}

/* The quantifier behind the atom at [at, count), if there is one. Lazy or not is the same to "does it match".
 */
static void quantifier_read(struct pattern_program *p, int at)
{
	int least, most;
	char c = *p->in;
	if (counts_read(p, &least, &most)) {
		if (most >= 0 && most < least)
			wrong_set(p, PATTERN_BROKEN);
		else
			repeat_make(p, at, least, most);
	} else if (c == '*' || c == '?') {
		p->in++;
		optional_make(p, at, c == '*');
	} else if (c == '+') {
		p->in++;
		inst_put(p, p->count, (struct inst){OP_SPLIT, at - p->count, 1, false});
	} else {
		return;
	}
	p->in += *p->in == '?';
}

/* Branches up to ')' or the end: each but the last begins with a choice and ends with a jump behind the last.
 */
static void alternatives_read(struct pattern_program *p)
{
	int branch = p->count, jumps = -1;
	while (*p->in && *p->in != ')' && p->wrong == PATTERN_MATCH) {
		if (*p->in != '|') {
			int at = p->count;
			atom_read(p);
			quantifier_read(p, at);
			continue;
		}
		p->in++;
		inst_put(p, branch, (struct inst){OP_SPLIT, 1, p->count - branch + 2, false});
		/* Until the end is known, a jump remembers the one before it. */
		inst_put(p, p->count, (struct inst){.op = OP_JUMP, .x = jumps});
		jumps = p->count - 1;
		branch = p->count;
	}
	while (jumps >= 0 && p->wrong == PATTERN_MATCH) {
		int before = p->insts[jumps].x;
		p->insts[jumps].x = p->count - jumps;
		jumps = before;
	}
}

enum pattern_result schema_pattern(const char *pattern, const char *text)
{
	struct pattern_program *p = calloc(1, sizeof(*p));
	if (!p)
		return PATTERN_UNSUPPORTED;
	p->in = pattern;
	p->wrong = PATTERN_MATCH;
	alternatives_read(p);
	if (*p->in == ')')
		wrong_set(p, PATTERN_BROKEN);
	inst_put(p, p->count, (struct inst){.op = OP_MATCH});
	enum pattern_result result = p->wrong == PATTERN_MATCH ? schema_pattern_run(p, text) : p->wrong;
	free(p);
	return result;
}
