/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of the world: an enum, a message filled at the point of failure, one table that says what each means
 * to every face (HTTP, JSON-RPC, log). Our own bugs are not errors: they end in ensure(), which logs and
 * aborts.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum err {
#define ERR(name, http, slug, title, rpc, level, retry) ERR_##name,
#include "base/err.def"
#undef ERR
	ERR_COUNT
};

#define must_check     __attribute__((warn_unused_result))
#define printf_like(f) __attribute__((format(printf, f, (f) + 1)))

enum { ERROR_MSG_MAX = 512, ERROR_FIELD_MAX = 96 };

/* A failure as it is told to people. `field` names the member or header that is wrong ("" when none is):
 * a JSON pointer (RFC 6901) for bodies, the plain name for headers and query parameters. Plain data, no
 * owner. */
struct error {
	enum err code;
	char msg[ERROR_MSG_MAX];
	char field[ERROR_FIELD_MAX];
};

struct err_info {
	const char *name; /* "NOT_FOUND" */
	int http_status;
	const char *slug;
	const char *title;
	int jsonrpc_code;
	int log_level;
	bool retry_helps;
};

/* Never NULL; aborts on a value outside the enum. */
const struct err_info *err_info(enum err e);

/* Fills *e (which may be NULL) and returns code, so that a failing function ends in `return err_set(...)`.
 * Text longer than the buffers is cut. The old message may be one of the arguments. */
enum err err_set(struct error *e, enum err code, const char *fmt, ...) printf_like(3);
enum err err_set_field(struct error *e, enum err code, const char *field, const char *fmt, ...)
	printf_like(4);
/* Puts "prefix: " before the message that is there. Returns e->code. */
enum err err_prefix(struct error *e, const char *fmt, ...) printf_like(2);
/* `what` failed with errno value `errnum`: picks the code (ENOSPC, ENOMEM, ...) and words it. */
enum err err_set_errno(struct error *e, int errnum, const char *fmt, ...) printf_like(3);

/* Our bug: logs expression, file and line, then aborts. Always on. */
#define ensure(cond)                                              \
	do {                                                      \
		if (__builtin_expect(!(cond), 0))                 \
			ensure_failed(#cond, __FILE__, __LINE__); \
	} while (0)
_Noreturn void ensure_failed(const char *expr, const char *file, int line);

/* Cannot start: prints "agent-runtime: ..." to stderr (and the log) and exits. Boot path only.
 * Exit codes follow sysexits: 64 usage, 69 unavailable, 70 our bug, 71 system, 73 cannot create, 78
 * configuration. */
_Noreturn void die(int exit_code, const char *fmt, ...) printf_like(2);

#endif
