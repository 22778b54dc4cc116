/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct arena: memory of one request or one parse, given out by moving a pointer and freed in one call.
 * Single allocations are never returned. What is handed out is zeroed then, not its whole chunk before. Over
 * its limit, or when the system has no memory, arena_alloc returns NULL and the arena stays usable.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_FIRST_BYTES = 512, CHUNK_BYTES_MAX = 64 << 10, ARENA_ALIGN = 16 };

struct chunk {
	struct chunk *next;
	size_t size; /* bytes of data */
	size_t used;
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

struct arena {
	struct chunk *top; /* the one that is being filled; the rest are full or oversized */
	size_t given;      /* bytes handed out, as asked for */
	size_t bytes_max;  /* SIZE_MAX: no limit */
	size_t chunk_bytes;
};

struct arena *arena_new(size_t bytes_max)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->bytes_max = bytes_max ? bytes_max : SIZE_MAX;
	a->chunk_bytes = CHUNK_FIRST_BYTES;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->top, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

/* A new chunk that holds at least n bytes. One made for a single large piece goes below the top, so that the
 * rest of the top stays in use. */
static struct chunk *chunk_add(struct arena *a, size_t n)
{
	bool oversized = n > a->chunk_bytes / 2 && a->top;
	size_t size = n > a->chunk_bytes || oversized ? n : a->chunk_bytes;
	struct chunk *c = malloc(sizeof(*c) + size);

	if (!c)
		return NULL;
	c->size = size;
	c->used = 0;
	if (oversized) {
		c->next = a->top->next;
		a->top->next = c;
	} else {
		c->next = a->top;
		a->top = c;
		if (a->chunk_bytes < CHUNK_BYTES_MAX)
			a->chunk_bytes *= 2;
	}
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (n == 0)
		n = 1;
	if (n > SIZE_MAX / 2 || n > a->bytes_max - a->given)
		return NULL;
	size_t rounded = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	struct chunk *c = a->top;
	if (!c || c->size - c->used < rounded)
		c = chunk_add(a, rounded);
	if (!c)
		return NULL;
	void *p = c->data + c->used;
	c->used += rounded;
	/* The limit counts what was asked for, so that a limit of n admits one piece of n. */
	a->given += n;
	return memset(p, 0, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (copy && n)
		memcpy(copy, s, n);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ensure(n >= 0);
	char *out = arena_alloc(a, (size_t)n + 1);
	if (!out)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(out, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return out;
}
