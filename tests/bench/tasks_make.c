/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a database with copies of one task, for bench_durable.mjs: as many as a service would have after long
 * use, without running them. Each copy has an id and times of its own, a millisecond after the one before;
 * all else is the document and the events of the task it was copied from, so that the copies fold as it does.
 *
 * Usage: tasks_make FOLDER COUNT ID STATE DOCUMENT EVENTS
 * DOCUMENT and EVENTS are files: a task's document and its stream, ID the id in them, STATE what it is in.
 * Any failure ends the program with a message.
 */
#include "base/base.h"
#include "store/store.h"
#include "store/store_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2000, ID_CHARS = 36, FILE_BYTES_MAX = 64 << 20 };

static void check(enum err code, const struct error *e)
{
	if (code == ERR_NONE)
		return;
	fprintf(stderr, "tasks_make: %s\n", e->msg);
	exit(1);
}

/* Puts the new id wherever the old one stands; both have the same length. */
static void renamed(struct buf *b, const char *old, const char *new)
{
	for (char *at = b->data; (at = memmem(at, b->len - (size_t)(at - b->data), old, ID_CHARS));
	     at += ID_CHARS)
		memcpy(at, new, ID_CHARS);
}

/* A version 7 UUID of that millisecond. */
static void id_at(int64_t ms, size_t n, char text[ID_CHARS + 1])
{
	snprintf(text, ID_CHARS + 1, "%08llx-%04llx-7%03zx-8%03zx-%012llx", (unsigned long long)ms >> 16,
		 (unsigned long long)ms & 0xffff, n & 0xfff, (n >> 12) & 0xfff,
		 (unsigned long long)n * 2654435761u % (1ULL << 48));
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "usage: tasks_make FOLDER COUNT ID STATE DOCUMENT EVENTS\n");
		return 2;
	}
	const struct db_backend *back = db_backend_find("sqlite");
	struct db_options o = {.path = argv[1], .cache_bytes = 64 << 20};
	size_t count = (size_t)atoll(argv[2]);
	struct buf doc = BUF_INIT, events = BUF_INIT;
	struct task_saved t = {0};
	struct error e = {0};
	struct db *db;
	char old[ID_CHARS + 1], new[ID_CHARS + 1];
	check(file_read(argv[5], FILE_BYTES_MAX, &doc, &e), &e);
	check(file_read(argv[6], FILE_BYTES_MAX, &events, &e), &e);
	check(back->open(&o, &db, &e), &e);
	if (strlen(argv[3]) != ID_CHARS || !task_state_parse(argv[4], &t.state))
		return 2;
	memcpy(old, argv[3], sizeof(old));
	struct slice rest = buf_slice(&events);
	for (struct event_view v; event_next(&rest, &v);)
		t.last_seq = v.seq;
	for (size_t n = 0; n < count; n++) {
		t.created_ms = t.updated_ms = clock_wall_ms() - (int64_t)(count - n);
		id_at(t.created_ms, n, new);
		renamed(&doc, old, new);
		renamed(&events, old, new);
		memcpy(old, new, sizeof(old));
		if (!id_parse(new, ID_CHARS, &t.id))
			return 2;
		t.doc = buf_slice(&doc);
		if (n % BATCH == 0)
			check(back->begin(db, &e), &e);
		check(back->task_put(db, &t, &e), &e);
		check(back->events_put(db, &t.id, buf_slice(&events), &e), &e);
		if (n % BATCH == BATCH - 1 || n == count - 1) {
			check(back->commit(db, &e), &e);
			check(back->checkpoint(db, false, &e), &e);
		}
	}
	check(back->checkpoint(db, true, &e), &e);
	back->close(db);
	buf_release(&doc);
	buf_release(&events);
	return 0;
}
