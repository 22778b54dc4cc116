/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutants of the database's statements, for the tests that prove that the harness sees what it is there for:
 * io_fault.so stands before sqlite3_exec and sqlite3_prepare_* too and, when the control file says so,
 * changes the text: "normal" weakens synchronous=FULL to NORMAL, "noindex" makes unique indexes plain ones
 * and lets nobody see which events of a task are there already. Product code is not touched, and a program
 * that does not use SQLite never gets here.
 */
#include "tests/fault/io_plan.h"

#include <ctype.h>
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOOK __attribute__((visibility("default")))

static const struct mutation {
	const char *mutant, *from, *to;
} mutations[] = {
	{"normal", "synchronous=FULL", "synchronous=NORMAL"},
	{"normal", "synchronous = FULL", "synchronous=NORMAL"},
	{"normal", "synchronous=EXTRA", "synchronous=NORMAL"},
	{"normal", "synchronous = EXTRA", "synchronous=NORMAL"},
	{"noindex", "CREATE UNIQUE INDEX", "CREATE INDEX"},
	{"noindex", ", UNIQUE(task, seq)", ""},
	{"noindex", "SELECT seq + more", "SELECT 0 * seq"},
};

/* SQLite must be linked to the program: what is loaded later is not seen from here. */
static void *real_function(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);
	if (!fn)
		abort();
	return fn;
}

/* A new text, or NULL when it stays as it is. */
static char *replaced(const char *sql, size_t n, const char *from, const char *to)
{
	size_t from_len = strlen(from), to_len = strlen(to);
	for (size_t i = 0; i + from_len <= n; i++) {
		if (strncasecmp(sql + i, from, from_len) != 0)
			continue;
		char *out = calloc(1, n + to_len + 1);
		if (!out)
			abort();
		memcpy(out, sql, i);
		memcpy(out + i, to, to_len);
		memcpy(out + i + to_len, sql + i + from_len, n - i - from_len);
		return out;
	}
	return NULL;
}

/* What is to be run instead; the caller frees it. NULL: nothing changes. */
static char *mutated(const char *sql, int bytes)
{
	char *out = NULL, *next;
	if (!sql)
		return NULL;
	size_t n = bytes < 0 ? strlen(sql) : strnlen(sql, (size_t)bytes);
	for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
		const struct mutation *m = &mutations[i];
		if (!io_plan_sql(m->mutant))
			continue;
		while ((next = replaced(out ? out : sql, out ? strlen(out) : n, m->from, m->to))) {
			free(out);
			out = next;
		}
	}
	return out;
}

HOOK int sqlite3_exec(sqlite3 *db, const char *sql, int (*fn)(void *, int, char **, char **), void *arg,
		      char **msg)
{
	static int (*real)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
	if (!real)
		real = (typeof(real))real_function("sqlite3_exec");
	char *other = mutated(sql, -1);
	int rc = real(db, other ? other : sql, fn, arg, msg);
	free(other);
	return rc;
}

typedef int prepare_fn(sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **);

/* The tail is given in terms of the caller's text: of a changed one, that nothing is left. */
static int prepare(sqlite3 *db, const char *sql, int bytes, unsigned flags, sqlite3_stmt **out,
		   const char **tail)
{
	static prepare_fn *real;
	if (!real)
		real = (prepare_fn *)real_function("sqlite3_prepare_v3");
	char *other = mutated(sql, bytes);
	int rc = real(db, other ? other : sql, other ? -1 : bytes, flags, out, other ? NULL : tail);
	if (other && tail)
		*tail = sql + (bytes < 0 ? strlen(sql) : strnlen(sql, (size_t)bytes));
	free(other);
	return rc;
}
HOOK int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int bytes, unsigned flags, sqlite3_stmt **out,
			    const char **tail)
{
	return prepare(db, sql, bytes, flags, out, tail);
}
HOOK int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int bytes, sqlite3_stmt **out, const char **tail)
{
	return prepare(db, sql, bytes, 0, out, tail);
}
