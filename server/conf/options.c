/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options as data: finding an option by name, its default, setting it from text, and the nearest
 * right name for a wrong one. Does not know where a text came from: the callers put the place before the
 * message. Texts in a conf are owned by it, one allocation each, so that a secret can be wiped by itself.
 */
#include "base/base.h"
#include "conf/conf_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(section, name)     #section, #name
#define OFFSET(section, name) offsetof(struct conf, section.name)

const struct conf_option conf_options[] = {
#define OPT_INT(s, n, def, min, max, unit, doc) \
	{AT(s, n), OPTION_INT, OFFSET(s, n), def, min, max, NULL, NULL, unit, doc},
#define OPT_AUTO(s, n, min, max, unit, doc) \
	{AT(s, n), OPTION_AUTO, OFFSET(s, n), 0, min, max, NULL, NULL, unit, doc},
#define OPT_MONEY(s, n, doc)     {AT(s, n), OPTION_MONEY, OFFSET(s, n), 0, 0, 0, NULL, NULL, "", doc},
#define OPT_TEXT(s, n, def, doc) {AT(s, n), OPTION_TEXT, OFFSET(s, n), 0, 0, 0, def, NULL, "", doc},
#define OPT_URL(s, n, def, doc)  {AT(s, n), OPTION_URL, OFFSET(s, n), 0, 0, 0, def, NULL, "", doc},
#define OPT_SECRET(s, n, doc)    {AT(s, n), OPTION_SECRET, OFFSET(s, n), 0, 0, 0, "", NULL, "", doc},
#define OPT_ENUM(s, n, type, def, words, doc) \
	{AT(s, n), OPTION_ENUM, OFFSET(s, n), def, 0, 0, NULL, words, "", doc},
#include "conf/options.def"
};
const size_t conf_options_count = COUNT_OF(conf_options);

/* Enumerations are written through an int; this is what makes that right. */
#define OPT_ENUM(s, n, type, def, words, doc) \
	_Static_assert(sizeof(type) == sizeof(int), "enum of another size");
#include "conf/options.def"

static void *value_at(struct conf *c, const struct conf_option *o)
{
	return (char *)c + o->offset;
}

static const void *value_of(const struct conf *c, const struct conf_option *o)
{
	return (const char *)c + o->offset;
}

static bool is_textual(const struct conf_option *o)
{
	return o->kind == OPTION_TEXT || o->kind == OPTION_URL || o->kind == OPTION_SECRET;
}

int64_t conf_option_number(const struct conf *c, const struct conf_option *o)
{
	ensure(!is_textual(o));
	return o->kind == OPTION_ENUM ? *(const int *)value_of(c, o) : *(const int64_t *)value_of(c, o);
}

const char *conf_option_text(const struct conf *c, const struct conf_option *o)
{
	ensure(is_textual(o));
	return *(const char *const *)value_of(c, o);
}

static void number_put(struct conf *c, const struct conf_option *o, int64_t v)
{
	if (o->kind == OPTION_ENUM)
		*(int *)value_at(c, o) = (int)v;
	else
		*(int64_t *)value_at(c, o) = v;
}

void conf_option_release(struct conf *c, const struct conf_option *o)
{
	if (!is_textual(o))
		return;
	char **p = value_at(c, o);
	if (*p && o->kind == OPTION_SECRET)
		explicit_bzero(*p, strlen(*p));
	free(*p);
	*p = NULL;
}

static void text_put(struct conf *c, const struct conf_option *o, const char *text)
{
	conf_option_release(c, o);
	*(char **)value_at(c, o) = xstrdup(text);
}

void conf_option_default(struct conf *c, const struct conf_option *o)
{
	if (is_textual(o))
		text_put(c, o, o->def_text);
	else
		number_put(c, o, o->def);
}

const struct conf_option *conf_option_find(const char *section, size_t section_len, const char *name)
{
	for (size_t i = 0; i < conf_options_count; i++) {
		const struct conf_option *o = &conf_options[i];
		if (slice_eq_str((struct slice){section, section_len}, o->section) && !strcmp(name, o->name))
			return o;
	}
	return NULL;
}

struct slice conf_word(const char *words, int64_t i)
{
	for (; i > 0; i--) {
		words += strcspn(words, "|");
		ensure(*words == '|');
		words++;
	}
	return (struct slice){words, strcspn(words, "|")};
}

static int64_t words_count(const char *words)
{
	int64_t n = 1;
	for (; *words; words++)
		n += *words == '|';
	return n;
}

/* --- setting from text --- */

/* Decimal digits with an optional minus; no "010", "1e3", "0x10" or "1_000", which mean different things to
 * people. */
static bool integer_parse(const char *s, int64_t *out)
{
	const char *digits = s + (*s == '-');
	size_t n = strspn(digits, "0123456789");
	if (!n || digits[n] || (n > 1 && *digits == '0'))
		return false;
	errno = 0;
	*out = strtoll(s, NULL, 10);
	return errno == 0;
}

static enum err integer_assign(struct conf *c, const struct conf_option *o, const char *text, bool quoted,
			       struct error *e)
{
	int64_t v;
	bool is_auto = o->kind == OPTION_AUTO;
	if (is_auto && !strcmp(text, "auto")) {
		number_put(c, o, 0);
		return ERR_NONE;
	}
	if (!quoted && integer_parse(text, &v) && v >= o->min && v <= o->max) {
		number_put(c, o, v);
		return ERR_NONE;
	}
	return err_set(e, ERR_CONFIG, "must be %sa whole number from %lld to %lld%s%s, is %s\"%.60s\"",
		       is_auto ? "auto or " : "", (long long)o->min, (long long)o->max, *o->unit ? " " : "",
		       o->unit, quoted ? "the text " : "", text);
}

bool conf_decimal_parse(const char *text, int decimals, int64_t *out)
{
	size_t whole = strspn(text, "0123456789");
	const char *rest = text + whole;
	size_t digits = *rest == '.' ? strspn(rest + 1, "0123456789") : 0;
	if (!whole || whole > 9 || digits > (size_t)decimals || (*rest == '.' && !digits) ||
	    rest[digits ? digits + 1 : 0])
		return false;
	int64_t v = 0;
	for (size_t i = 0; i < whole; i++)
		v = v * 10 + (text[i] - '0');
	for (size_t i = 0; i < (size_t)decimals; i++)
		v = v * 10 + (i < digits ? rest[i + 1] - '0' : 0);
	*out = v;
	return true;
}

void conf_decimal_print(int64_t value, int decimals, struct buf *out)
{
	int64_t unit = 1;
	for (int i = 0; i < decimals; i++)
		unit *= 10;
	buf_printf(out, "%lld.%0*lld", (long long)(value / unit), decimals, (long long)(value % unit));
	while (out->data[out->len - 1] == '0')
		out->data[--out->len] = '\0';
	if (out->data[out->len - 1] == '.')
		out->data[--out->len] = '\0';
}

static enum err money_assign(struct conf *c, const struct conf_option *o, const char *text, bool quoted,
			     struct error *e)
{
	int64_t v;
	if (quoted || !conf_decimal_parse(text, CONF_MONEY_DECIMALS, &v))
		return err_set(e, ERR_CONFIG, "must be an amount such as 2.50, is %s\"%.60s\"",
			       quoted ? "the text " : "", text);
	number_put(c, o, v);
	return ERR_NONE;
}

static enum err enum_assign(struct conf *c, const struct conf_option *o, const char *text, struct error *e)
{
	const char *names[8];
	char copies[8][24];
	int64_t count = words_count(o->words);
	ensure(count <= (int64_t)COUNT_OF(names));
	for (int64_t i = 0; i < count; i++) {
		struct slice w = conf_word(o->words, i);
		if (slice_eq_nocase(w, text)) {
			number_put(c, o, i);
			return ERR_NONE;
		}
		snprintf(copies[i], sizeof(copies[i]), "%.*s", (int)w.len, w.ptr);
		names[i] = copies[i];
	}
	err_set(e, ERR_CONFIG, "unknown value \"%.60s\"", text);
	conf_suggest(e, text, names, (size_t)count);
	return ERR_CONFIG;
}

static bool is_one_line(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static bool is_http_url(const char *s)
{
	size_t scheme = !strncasecmp(s, "http://", 7) ? 7 : !strncasecmp(s, "https://", 8) ? 8 : 0;
	return scheme && s[scheme] && s[scheme] != '/' && !strpbrk(s, " \"<>");
}

/* Texts are not repeated in the message: a secret must not be, and an address may hold a password. */
static enum err text_assign(struct conf *c, const struct conf_option *o, const char *text, struct error *e)
{
	if (!is_one_line(text) || !utf8_valid(text, strlen(text)))
		return err_set(e, ERR_CONFIG, "must be one line of UTF-8 text without control characters");
	if (o->kind == OPTION_URL && !is_http_url(text))
		return err_set(e, ERR_CONFIG, "must be an address that starts with http:// or https://");
	text_put(c, o, text);
	return ERR_NONE;
}

enum err conf_option_assign(struct conf *c, const struct conf_option *o, const char *text, bool quoted,
			    struct error *e)
{
	if (is_textual(o))
		return text_assign(c, o, text, e);
	if (o->kind == OPTION_ENUM)
		return enum_assign(c, o, text, e);
	if (o->kind == OPTION_MONEY)
		return money_assign(c, o, text, quoted, e);
	return integer_assign(c, o, text, quoted, e);
}

/* --- the nearest right name --- */

static void printf_like(2) msg_append(struct error *e, const char *fmt, ...)
{
	if (!e)
		return;
	size_t len = strlen(e->msg);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->msg + len, sizeof(e->msg) - len, fmt, ap);
	va_end(ap);
}

/* A slip is half of the word at most ("prot"): otherwise every short word is near to every other. */
static int slip_limit(const char *wrong)
{
	int limit = (int)strlen(wrong) / 2;
	return limit < 1 ? 1 : limit > 4 ? 4 : limit;
}

void conf_suggest(struct error *e, const char *wrong, const char *const *names, size_t count)
{
	const char *best = NULL;
	int best_distance = slip_limit(wrong) + 1;
	for (size_t i = 0; i < count; i++) {
		int d = text_distance(wrong, names[i], best_distance);
		if (d < best_distance) {
			best_distance = d;
			best = names[i];
		}
	}
	if (best) {
		msg_append(e, "; did you mean %s?", best);
		return;
	}
	for (size_t i = 0; i < count; i++)
		msg_append(e, "%s%s", i ? ", " : "; known here: ", names[i]);
}

void conf_suggest_option(struct error *e, const char *section, const char *name)
{
	const char *names[COUNT_OF(conf_options)];
	size_t count = 0;
	for (size_t i = 0; i < conf_options_count; i++) {
		const struct conf_option *o = &conf_options[i];
		if (name && !strcmp(o->section, section))
			names[count++] = o->name;
		else if (!name && (!count || strcmp(names[count - 1], o->section)))
			names[count++] = o->section;
	}
	/* The right name in the wrong place is the better hint. */
	const char *alone = name ? name : section;
	for (size_t i = 0; i < conf_options_count; i++) {
		if (strcmp(conf_options[i].name, alone))
			continue;
		msg_append(e, "; did you mean %s.%s?", conf_options[i].section, alone);
		return;
	}
	conf_suggest(e, alone, names, count);
}
