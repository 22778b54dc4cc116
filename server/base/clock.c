/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks and their text form. Tests freeze both clocks with clock_fake_set; timers of loop.c follow, because
 * they ask here. The fake time is plain process state: set it before threads start.
 */
#include "base/base.h"

#include <string.h>
#include <time.h>

enum { SECOND_TEXT_BYTES = 19 };

static struct {
	bool on;
	int64_t mono_us;
	int64_t wall_ms;
} fake;

static int64_t clock_read_us(clockid_t id)
{
	struct timespec ts;

	ensure(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return fake.on ? fake.mono_us : clock_read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
	return fake.on ? fake.wall_ms : clock_read_us(CLOCK_REALTIME) / 1000;
}

void clock_fake_set(int64_t mono_us, int64_t wall_ms)
{
	fake.on = true;
	fake.mono_us = mono_us;
	fake.wall_ms = wall_ms;
}

void clock_fake_clear(void)
{
	fake.on = false;
}

static char *digits_put(char *p, int v, int width)
{
	for (int i = width - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + width;
}

/* "2026-01-31T12:00:00" of a second since 1970, not terminated. */
static void second_format(int64_t s, char out[SECOND_TEXT_BYTES])
{
	struct tm tm;
	/* Years outside 0 to 9999 have no RFC 3339 form; such a time is a bug of the caller. */
	time_t t = (time_t)s;
	ensure(gmtime_r(&t, &tm) && tm.tm_year >= -1900 && tm.tm_year <= 9999 - 1900);
	char *p = digits_put(out, tm.tm_year + 1900, 4);
	*p++ = '-';
	p = digits_put(p, tm.tm_mon + 1, 2);
	*p++ = '-';
	p = digits_put(p, tm.tm_mday, 2);
	*p++ = 'T';
	p = digits_put(p, tm.tm_hour, 2);
	*p++ = ':';
	p = digits_put(p, tm.tm_min, 2);
	*p++ = ':';
	digits_put(p, tm.tm_sec, 2);
}

void clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
	/* Most times that are written are of the same second as the one before. */
	static _Thread_local int64_t last = INT64_MIN;
	static _Thread_local char last_text[SECOND_TEXT_BYTES];
	int64_t ms = wall_ms % 1000, s = wall_ms / 1000;

	if (ms < 0) { /* before 1970 */
		ms += 1000;
		s--;
	}
	if (s != last)
		second_format(s, last_text);
	last = s;
	memcpy(out, last_text, SECOND_TEXT_BYTES);
	char *p = out + SECOND_TEXT_BYTES;
	*p++ = '.';
	p = digits_put(p, (int)ms, 3);
	*p++ = 'Z';
	*p = '\0';
}

/* Reads exactly `width` digits and then `after`. */
static bool digits_read(const char **p, int width, char after, int *out)
{
	int v = 0;

	for (int i = 0; i < width; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	*out = v;
	if (after && *(*p)++ != after)
		return false;
	return true;
}

static bool is_real_date(const struct tm *tm)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = tm->tm_year + 1900;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (tm->tm_mon < 0 || tm->tm_mon > 11 || tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59)
		return false;
	return tm->tm_mday >= 1 && tm->tm_mday <= days[tm->tm_mon] + (tm->tm_mon == 1 && leap);
}

/* ".5" to ".123456789"; what is finer than a millisecond is cut. */
static bool fraction_read(const char **p, int *ms)
{
	int scale = 100, n = 0;

	*ms = 0;
	if (**p != '.')
		return true;
	for ((*p)++; **p >= '0' && **p <= '9'; (*p)++, n++, scale /= 10)
		*ms += (**p - '0') * scale;
	return n >= 1 && n <= 9;
}

bool clock_parse(const char *text, int64_t *wall_ms)
{
	struct tm tm = {0};
	const char *p = text;
	int ms;

	if (!digits_read(&p, 4, '-', &tm.tm_year) || !digits_read(&p, 2, '-', &tm.tm_mon) ||
	    !digits_read(&p, 2, 'T', &tm.tm_mday) || !digits_read(&p, 2, ':', &tm.tm_hour) ||
	    !digits_read(&p, 2, ':', &tm.tm_min) || !digits_read(&p, 2, 0, &tm.tm_sec) ||
	    !fraction_read(&p, &ms))
		return false;
	if (strcmp(p, "Z") != 0)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (!is_real_date(&tm))
		return false;
	*wall_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return true;
}
