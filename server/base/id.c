/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identifiers: UUIDv7 (RFC 9562 section 5.7 with the counter of section 6.2, method 1). 48 bits of Unix
 * milliseconds and a 12-bit counter are kept as one number that only grows: a full counter runs into the next
 * millisecond, and a clock that is set back does not turn the order around. The other 62 bits are random,
 * which also tells processes apart. The number is atomic, so threads of one process never draw the same.
 */
#include "base/base.h"

#include <stdatomic.h>
#include <string.h>

enum { COUNTER_BITS = 12 };

static _Atomic uint64_t last_tick;

/* Milliseconds and counter, larger than every value before it in this process. */
static uint64_t tick_next(uint64_t noise)
{
	uint64_t ms = (uint64_t)clock_wall_ms() & (((uint64_t)1 << 48) - 1);
	/* A fresh millisecond starts low in the counter's range, so that it seldom runs over. */
	uint64_t fresh = ms << COUNTER_BITS | (noise & 0xff);
	uint64_t last = atomic_load_explicit(&last_tick, memory_order_relaxed);
	uint64_t next;

	do {
		next = fresh > last ? fresh : last + 1;
	} while (!atomic_compare_exchange_weak_explicit(&last_tick, &last, next, memory_order_relaxed,
							memory_order_relaxed));
	return next;
}

void id_new(struct id *out)
{
	uint8_t noise[9];

	random_bytes(noise, sizeof(noise));
	uint64_t tick = tick_next(noise[8]);
	uint64_t ms = tick >> COUNTER_BITS;
	for (int i = 0; i < 6; i++)
		out->b[i] = (uint8_t)(ms >> (40 - 8 * i));
	out->b[6] = (uint8_t)(0x70 | (tick >> 8 & 0x0f));
	out->b[7] = (uint8_t)tick;
	memcpy(out->b + 8, noise, 8);
	out->b[8] = (uint8_t)(0x80 | (out->b[8] & 0x3f));
}

/* Text positions of the dashes: 8-4-4-4-12. */
static bool is_dash_at(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

void id_format(const struct id *id, char out[ID_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;

	for (size_t i = 0; i < ID_BYTES; i++) {
		if (is_dash_at((size_t)(p - out)))
			*p++ = '-';
		*p++ = hex[id->b[i] >> 4];
		*p++ = hex[id->b[i] & 15];
	}
	*p = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool id_parse(const char *text, size_t len, struct id *out)
{
	struct id id;
	size_t n = 0;

	if (len != ID_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < len;) {
		if (is_dash_at(i)) {
			if (text[i++] != '-')
				return false;
			continue;
		}
		int high = hex_value(text[i]), low = hex_value(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		id.b[n++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	ensure(n == ID_BYTES);
	*out = id;
	return true;
}

int id_compare(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, ID_BYTES);
}

bool id_is_zero(const struct id *id)
{
	static const struct id zero;

	return id_compare(id, &zero) == 0;
}
