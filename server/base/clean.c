/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of others without what cannot be seen: control characters (but line feed and tab), and the characters
 * of Unicode that have no width or turn the direction of what stands around them. They mean nothing to a
 * person who looks at the text and may mean something to a model that reads it. Pure, one pass.
 */
#include "base/base.h"

/* Code points as they are written in UTF-8; the text is valid. */
static uint32_t point_at(const unsigned char *p, size_t n)
{
	if (n == 1)
		return p[0];
	if (n == 2)
		return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
	if (n == 3)
		return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
	return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 |
	       (p[3] & 0x3f);
}

static size_t point_bytes(unsigned char lead)
{
	return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static bool unseen(uint32_t c)
{
	static const uint32_t ranges[][2] = {
		{0x00, 0x08},     {0x0b, 0x1f},     {0x7f, 0x9f},      {0xad, 0xad},     {0x34f, 0x34f},
		{0x61c, 0x61c},   {0x115f, 0x1160}, {0x17b4, 0x17b5},  {0x180b, 0x180f}, {0x200b, 0x200f},
		{0x202a, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},  {0xfe00, 0xfe0e}, {0xfeff, 0xfeff},
		{0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}};
	for (size_t i = 0; i < COUNT_OF(ranges) && ranges[i][0] <= c; i++)
		if (c <= ranges[i][1])
			return true;
	return false;
}

void text_clean(struct slice text, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	size_t from = 0;
	for (size_t at = 0; at < text.len;) {
		size_t n = point_bytes(p[at]);
		/* Most text is plain: looked at byte by byte, copied in one piece. */
		bool plain = p[at] >= 0x20 && p[at] < 0x7f;
		if (!plain && at + n <= text.len && unseen(point_at(p + at, n))) {
			buf_add(out, text.ptr + from, at - from);
			from = at + n;
		}
		at += n;
	}
	if (from < text.len)
		buf_add(out, text.ptr + from, text.len - from);
}
