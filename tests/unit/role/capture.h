/* SPDX-License-Identifier: Apache-2.0 */
/* What a piece of code writes to standard output and standard error. */
#ifndef TESTS_UNIT_ROLE_CAPTURE_H
#define TESTS_UNIT_ROLE_CAPTURE_H

#include "base/base.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct capture {
	int saved[2];
	FILE *file;
};

static inline void capture_begin(struct capture *c)
{
	fflush(stdout);
	fflush(stderr);
	c->file = tmpfile();
	assert_non_null(c->file);
	for (int i = 0; i < 2; i++) {
		c->saved[i] = dup(i + 1);
		assert_int_equal(dup2(fileno(c->file), i + 1), i + 1);
	}
}

/* The text, to be freed. */
static inline char *capture_end(struct capture *c)
{
	char bytes[65536];
	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 2; i++) {
		dup2(c->saved[i], i + 1);
		close(c->saved[i]);
	}
	rewind(c->file);
	size_t n = fread(bytes, 1, sizeof bytes, c->file);
	fclose(c->file);
	return xstrndup(bytes, n);
}

static inline void assert_says(const char *text, const char *part)
{
	if (text == NULL || strstr(text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", text != NULL ? text : "(nothing)", part);
}

static inline void assert_silent(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("\"%s\" says \"%s\"", text, part);
}

#endif
