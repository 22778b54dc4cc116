/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `format` of a string: the five formats that tools use. As strict as their RFCs where people get them wrong
 * (days of a month, offsets), no stricter than real life where RFCs are (e-mail). Unknown formats are
 * annotations.
 */
#include "base/base.h"
#include "base/schema_int.h"

#include <ctype.h>
#include <string.h>

/* 'd' in the form is a digit, everything else itself. Bytes used, 0 when it does not fit. */
static size_t form_match(const char *s, const char *form)
{
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
			return 0;
	return strlen(form);
}

static int two_digits(const char *s)
{
	return (s[0] - '0') * 10 + s[1] - '0';
}

static bool is_date(const char *s)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (!form_match(s, "dddd-dd-dd"))
		return false;
	int year = two_digits(s) * 100 + two_digits(s + 2), month = two_digits(s + 5),
	    day = two_digits(s + 8);
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
	       (month != 2 || day < 29 || leap);
}

/* RFC 3339 section 5.6: full-date "T" time with fraction, and an offset. */
static bool is_date_time(const char *s)
{
	if (!is_date(s) || !(s[10] == 'T' || s[10] == 't') || !form_match(s + 11, "dd:dd:dd"))
		return false;
	if (two_digits(s + 11) > 23 || two_digits(s + 14) > 59 || two_digits(s + 17) > 60)
		return false;
	s += 19;
	if (*s == '.') {
		size_t digits = strspn(s + 1, "0123456789");
		if (!digits)
			return false;
		s += 1 + digits;
	}
	if (*s == 'Z' || *s == 'z')
		return !s[1];
	if (*s != '+' && *s != '-')
		return false;
	return form_match(s + 1, "dd:dd") && !s[6] && two_digits(s + 1) <= 23 && two_digits(s + 4) <= 59;
}

/* One '@' with something before it and a dotted or plain host behind, no white space: what mail programs
 * agree on. */
static bool is_email(const char *s)
{
	const char *at = strrchr(s, '@');
	if (!at || at == s || !at[1] || strpbrk(s, " \t\r\n<>") || memchr(s, '@', (size_t)(at - s)))
		return false;
	return at[1] != '.' && at[1] != '-' && !strstr(at, "..") && s[strlen(s) - 1] != '.';
}

/* RFC 3986: a scheme, a colon, and no byte that must be escaped. */
static bool is_uri(const char *s)
{
	if (!isalpha((unsigned char)*s))
		return false;
	const char *p = s;
	while (isalnum((unsigned char)*p) || (*p && strchr("+.-", *p)))
		p++;
	if (*p != ':' || !p[1])
		return false;
	for (p++; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("<>\"{}|\\^`", *p))
			return false;
	return true;
}

static bool is_uuid(const char *s)
{
	struct id id;
	return id_parse(s, strlen(s), &id);
}

bool schema_format(const char *format, const char *text)
{
	static const struct {
		const char *name;
		bool (*check)(const char *text);
	} FORMATS[] = {
		{"date-time", is_date_time},
		{"email", is_email},
		{"uri", is_uri},
		{"uuid", is_uuid},
	};
	if (!strcmp(format, "date"))
		return is_date(text) && !text[10];
	for (size_t i = 0; i < COUNT_OF(FORMATS); i++)
		if (!strcmp(format, FORMATS[i].name))
			return FORMATS[i].check(text);
	return true;
}
