/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation of small, bounded data. When the system has no memory for a few hundred bytes, nothing sensible
 * can be done in this process any more: it ends and is replaced. Anything whose size a client decides uses
 * struct buf or struct arena instead, which fail with an error.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_BYTES_MAX = 1024 };

static void *checked(void *p)
{
	if (__builtin_expect(!p, 0)) {
		log_error("out of memory: the process ends; look at its memory limit");
		abort();
	}
	return p;
}

void *xmalloc(size_t n)
{
	return checked(malloc(n ? n : 1));
}

/* glibc's calloc passes by the cache of small pieces that malloc takes them from. */
void *xcalloc(size_t n, size_t size)
{
	if (n == 1 && size > 0 && size <= SMALL_BYTES_MAX)
		return memset(xmalloc(size), 0, size);
	return checked(n && size ? calloc(n, size) : calloc(1, 1));
}

void *xrealloc(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1));
}

char *xstrdup(const char *s)
{
	return s ? checked(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	char *copy = xmalloc(n + 1);

	if (n)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&out, fmt, ap);
	va_end(ap);
	return checked(n < 0 ? NULL : out);
}
