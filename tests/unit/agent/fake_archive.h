/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive in memory, in place of the real one: what it has of one task, what it was given, and how it
 * answers. Calls are answered from the bottom of the loop, or when a test says so.
 */
#ifndef TESTS_UNIT_AGENT_FAKE_ARCHIVE_H
#define TESTS_UNIT_AGENT_FAKE_ARCHIVE_H

#include "store/archive.h"

#include <stdlib.h>
#include <string.h>

struct archive_call {
	struct archive *archive;
	struct archive_call *next;
	archive_fn *fn;
	void *arg;
	bool writes, reads;
	uint64_t after_seq, offset;
	size_t bytes_max;
};

struct archive {
	struct loop *loop;
	struct archive_call *calls;
	bool holds;        /* answers nothing for now */
	enum err fails;    /* the next answers */
	int conflicts;     /* so many writes meet another artifact with their number */
	struct buf events; /* of the task, from 1, as SSE bytes */
	struct buf written;
	struct artifact_new last; /* its texts are not valid any more */
	char last_name[64], last_type[64];
	int asked, writes, cancelled;
};

static void fake_archive_answer(void *arg)
{
	struct archive *a = arg;
	while (!a->holds && a->calls != NULL) {
		struct archive_call *c = a->calls;
		struct archive_answer answer = {.last_seq = c->after_seq};
		struct slice rest = buf_slice(&a->events), all = rest;
		struct event_view v;
		const char *from = NULL, *end = all.ptr;
		a->calls = c->next;
		if (a->fails != ERR_NONE)
			err_set(&answer.error, a->fails, "the archive was told to fail");
		else if (c->writes && a->conflicts > 0 && a->conflicts--)
			err_set(&answer.error, ERR_CONFLICT, "the artifact is there, with other bytes");
		/* At least one event, as the real one does. */
		while (a->fails == ERR_NONE && !c->writes && !c->reads && event_next(&rest, &v)) {
			const char *begin = end;
			end = rest.ptr;
			if (v.seq <= c->after_seq)
				continue;
			from = from != NULL ? from : begin;
			if (begin != from && (size_t)(end - from) > c->bytes_max)
				break;
			answer.bytes = (struct slice){from, (size_t)(end - from)};
			answer.last_seq = v.seq;
		}
		if (c->reads && a->fails == ERR_NONE) {
			size_t at = c->offset < a->written.len ? (size_t)c->offset : a->written.len;
			size_t n = a->written.len - at < c->bytes_max ? a->written.len - at : c->bytes_max;
			answer.bytes = (struct slice){a->written.data + at, n};
			answer.artifact_bytes = a->written.len;
			answer.media_type = a->last_type;
		}
		c->fn(&answer, c->arg);
		free(c);
	}
}

static struct archive_call *fake_archive_call(struct archive *a, archive_fn *fn, void *arg)
{
	struct archive_call *c = xcalloc(1, sizeof *c);
	*c = (struct archive_call){.archive = a, .next = a->calls, .fn = fn, .arg = arg};
	a->calls = c;
	loop_defer(a->loop, fake_archive_answer, a);
	return c;
}

struct archive_call *archive_events(struct archive *a, const struct id *task, uint64_t after_seq,
				    size_t bytes_max, archive_fn *fn, void *arg)
{
	struct archive_call *c = fake_archive_call(a, fn, arg);
	(void)task;
	c->after_seq = after_seq;
	c->bytes_max = bytes_max;
	a->asked++;
	return c;
}

struct archive_call *artifact_write(struct archive *a, const struct artifact_new *n, archive_fn *fn,
				    void *arg)
{
	struct archive_call *c = fake_archive_call(a, fn, arg);
	c->writes = true;
	a->writes++;
	a->last = *n;
	snprintf(a->last_name, sizeof a->last_name, "%s", n->name);
	snprintf(a->last_type, sizeof a->last_type, "%s", n->media_type);
	buf_reset(&a->written);
	buf_add_slice(&a->written, n->bytes);
	return c;
}

/* The one that was written last. */
struct archive_call *artifact_read(struct archive *a, const struct id *task, uint32_t number, uint64_t offset,
				   size_t bytes_max, archive_fn *fn, void *arg)
{
	struct archive_call *c = fake_archive_call(a, fn, arg);
	(void)task;
	(void)number;
	c->reads = true;
	c->offset = offset;
	c->bytes_max = bytes_max;
	return c;
}

void archive_cancel(struct archive_call *call)
{
	struct archive_call **at = &call->archive->calls;
	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->archive->cancelled++;
	free(call);
}

static inline void fake_archive_release(struct archive *a)
{
	ensure(a->calls == NULL);
	buf_release(&a->events);
	buf_release(&a->written);
	loop_defer_cancel(a->loop, a);
}

#endif
