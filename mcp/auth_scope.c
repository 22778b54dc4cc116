/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of scopes as OAuth writes them (RFC 6749 section 3.3): words with single spaces between, in no order
 * that means anything. Pure. Words come from servers, so what no scope may hold is left out, and the whole
 * is bounded.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <stdlib.h>
#include <string.h>

enum { SCOPE_BYTES_MAX = 4096 };

/* The next word; empty at the end. */
static struct slice word_next(const char **at)
{
	*at += strspn(*at, " ");
	struct slice w = {*at, strcspn(*at, " ")};
	*at += w.len;
	return w;
}

static bool word_good(struct slice w)
{
	for (size_t i = 0; i < w.len; i++) {
		unsigned char c = (unsigned char)w.ptr[i];
		if (c <= ' ' || c > '~' || c == '"' || c == '\\')
			return false;
	}
	return true;
}

static bool has(const char *set, struct slice word)
{
	for (struct slice w = word_next(&set); w.len; w = word_next(&set)) {
		if (slice_eq(w, word))
			return true;
	}
	return false;
}

static void words_add(struct buf *out, const char *set)
{
	for (struct slice w = word_next(&set); w.len; w = word_next(&set)) {
		if (!word_good(w) || has(buf_cstr(out), w) || out->len + w.len + 1 > SCOPE_BYTES_MAX)
			continue;
		if (out->len)
			buf_add_char(out, ' ');
		buf_add_slice(out, w);
	}
}

char *scope_union(const char *a, const char *b)
{
	struct buf out = BUF_INIT;
	words_add(&out, a ? a : "");
	words_add(&out, b ? b : "");
	if (!out.len) {
		buf_release(&out);
		return NULL;
	}
	return buf_take(&out);
}

bool scope_covers(const char *all, const char *some)
{
	if (!some)
		return true;
	for (struct slice w = word_next(&some); w.len; w = word_next(&some)) {
		if (!has(all ? all : "", w))
			return false;
	}
	return true;
}
