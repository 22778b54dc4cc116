/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed packing of frame bodies: fixed-width numbers in host order (both ends are one build or its neighbour
 * on one machine), texts and slices behind a 32-bit length. Texts carry their NUL, so that the reader can
 * borrow them in place. This file knows no message: each room packs its own next to where it unpacks.
 *
 * Reading never fails in the middle: what ran out or is malformed sets `bad`, every later read gives zero,
 * and one unpack_end() at the end tells. Nothing is read past the slice, whatever the peer wrote.
 */
#include "base/base.h"
#include "ipc/ipc.h"

#include <string.h>

static const uint32_t TEXT_IS_NULL = UINT32_MAX;

void pack_u32(struct buf *b, uint32_t v)
{
	buf_add(b, &v, sizeof(v));
}

void pack_u64(struct buf *b, uint64_t v)
{
	buf_add(b, &v, sizeof(v));
}

void pack_text(struct buf *b, const char *s)
{
	if (!s) {
		pack_u32(b, TEXT_IS_NULL);
		return;
	}
	size_t len = strlen(s);
	ensure(len < TEXT_IS_NULL);
	pack_u32(b, (uint32_t)len);
	buf_add(b, s, len + 1);
}

void pack_slice(struct buf *b, struct slice s)
{
	ensure(s.len < UINT32_MAX);
	pack_u32(b, (uint32_t)s.len);
	if (s.len)
		buf_add(b, s.ptr, s.len);
}

/* The next n bytes, or NULL and bad. */
static const char *unpack_bytes(struct unpack *u, size_t n)
{
	if (u->bad || n > u->rest.len) {
		u->bad = true;
		return NULL;
	}
	const char *p = u->rest.ptr;
	u->rest.ptr += n;
	u->rest.len -= n;
	return p;
}

uint32_t unpack_u32(struct unpack *u)
{
	uint32_t v = 0;
	const char *p = unpack_bytes(u, sizeof(v));
	if (p)
		memcpy(&v, p, sizeof(v));
	return v;
}

uint64_t unpack_u64(struct unpack *u)
{
	uint64_t v = 0;
	const char *p = unpack_bytes(u, sizeof(v));
	if (p)
		memcpy(&v, p, sizeof(v));
	return v;
}

struct slice unpack_slice(struct unpack *u)
{
	uint32_t len = unpack_u32(u);
	const char *p = unpack_bytes(u, len);
	return p ? (struct slice){p, len} : (struct slice){"", 0};
}

const char *unpack_text(struct unpack *u)
{
	uint32_t len = unpack_u32(u);
	if (u->bad || len == TEXT_IS_NULL)
		return NULL;
	const char *p = unpack_bytes(u, (size_t)len + 1);
	/* The NUL must be the first one, or strlen and the packed length would disagree about what was sent.
	 */
	if (p && memchr(p, '\0', (size_t)len + 1) != p + len) {
		u->bad = true;
		return NULL;
	}
	return p;
}

bool unpack_end(const struct unpack *u)
{
	return !u->bad && u->rest.len == 0;
}
