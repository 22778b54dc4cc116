/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: the table of err.def, the functions that fill a struct error, and the two ways to end a process.
 *
 * Nothing here allocates or fails: it runs when other things already have. Messages longer than their buffers
 * are cut at a character boundary, so that what reaches a client stays valid UTF-8.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct err_info infos[ERR_COUNT] = {
#define ERR(name, http, slug, title, rpc, level, retry) \
	[ERR_##name] = {#name, (http), (slug), (title), (rpc), LOG_##level, (retry)},
#include "base/err.def"
#undef ERR
};

const struct err_info *err_info(enum err e)
{
	ensure((unsigned)e < ERR_COUNT);
	return &infos[e];
}

/* snprintf may have cut a character in two. */
static void text_trim(char *s)
{
	s[utf8_valid_prefix(s, strlen(s))] = '\0';
}

/* As much of `more` as fits behind the text in msg. */
static void text_append(char msg[ERROR_MSG_MAX], const char *more)
{
	size_t used = strlen(msg), room = ERROR_MSG_MAX - 1 - used, n = strnlen(more, room);

	memcpy(msg + used, more, n);
	msg[used + n] = '\0';
}

/* Written aside first: an argument may be the very message that is replaced. */
static void message_fill(struct error *e, enum err code, const char *fmt, va_list ap)
{
	char text[ERROR_MSG_MAX];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	ensure(n >= 0);
	if (n >= (int)sizeof(text))
		text_trim(text);
	memcpy(e->msg, text, strlen(text) + 1);
	e->code = code;
	e->field[0] = '\0';
}

enum err err_set(struct error *e, enum err code, const char *fmt, ...)
{
	ensure((unsigned)code < ERR_COUNT);
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		message_fill(e, code, fmt, ap);
		va_end(ap);
	}
	return code;
}

enum err err_set_field(struct error *e, enum err code, const char *field, const char *fmt, ...)
{
	ensure((unsigned)code < ERR_COUNT);
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		message_fill(e, code, fmt, ap);
		va_end(ap);
		if (snprintf(e->field, sizeof(e->field), "%s", field ? field : "") >= (int)sizeof(e->field))
			text_trim(e->field);
	}
	return code;
}

enum err err_prefix(struct error *e, const char *fmt, ...)
{
	char old[ERROR_MSG_MAX];
	va_list ap;

	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	ensure(n >= 0);
	text_append(e->msg, ": ");
	text_append(e->msg, old);
	text_trim(e->msg);
	return e->code;
}

static enum err code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT: return ERR_NOT_FOUND;
	case ENOMEM: return ERR_MEMORY;
	case ENOSPC:
	case EDQUOT: return ERR_NO_SPACE;
	case EMFILE:
	case ENFILE: return ERR_FULL;
	case ETIMEDOUT: return ERR_TIMEOUT;
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH: return ERR_UNAVAILABLE;
	case EPIPE:
	case ECONNRESET:
	case ECONNABORTED: return ERR_LOST;
	default: return ERR_IO;
	}
}

enum err err_set_errno(struct error *e, int errnum, const char *fmt, ...)
{
	enum err code = code_of_errno(errnum);

	if (e) {
		va_list ap;
		va_start(ap, fmt);
		message_fill(e, code, fmt, ap);
		va_end(ap);
		const char *why = strerrordesc_np(errnum);
		text_append(e->msg, ": ");
		text_append(e->msg, why ? why : "unknown error");
	}
	return code;
}

_Noreturn void ensure_failed(const char *expr, const char *file, int line)
{
	log_error("assertion failed: this is a bug in agent-runtime, the process ends",
		  LF_STR("expression", expr), LF_STR("file", file), LF_INT("line", line));
	abort();
}

_Noreturn void die(int exit_code, const char *fmt, ...)
{
	char msg[ERROR_MSG_MAX * 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	fprintf(stderr, "agent-runtime: %s\n", msg);
	if (!log_is_on_terminal())
		log_error(msg, LF_INT("exit_code", exit_code));
	exit(exit_code);
}
