/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which states of the disk are worth trying, and what of the unsynced is left in each. Exhaustive about the
 * newest write, where tears and holes hurt, and about each single write that is missing; by the seed about
 * all combinations.
 */
#include "tests/fault/disk.h"

#include <stdio.h>
#include <stdlib.h>

enum { ONES_MAX = 12, RANDOM_EACH = 3 };

bool disk_keeps(const struct disk *d, const struct disk_state *st, size_t pending, size_t sector)
{
	(void)d;
	switch (st->keep) {
	case KEEP_ALL: return true;
	case KEEP_NONE: return false;
	case KEEP_BUT: return pending != st->one;
	case KEEP_ONLY: return pending == st->one;
	case KEEP_TORN: return pending < st->one || (pending == st->one && sector < st->sectors);
	case KEEP_TORN_ALONE: return pending == st->one && sector < st->sectors;
	case KEEP_HOLED: return pending != st->one || sector != st->sectors;
	case KEEP_SECTORS: return mix64(st->seed ^ mix64(pending << 20 ^ sector)) & 1;
	case KEEP_WRITES: return mix64(st->seed ^ mix64(pending)) & 1;
	}
	return false;
}

bool disk_keeps_name(const struct disk_state *st, size_t pending)
{
	switch (st->names) {
	case KEEP_ALL: return true;
	case KEEP_BUT: return pending != st->name;
	case KEEP_TORN: return pending < st->name;
	default: return false;
	}
}

static size_t sectors_of(const struct io_rec *r)
{
	return r->data_len ? (r->offset + r->data_len - 1) / SECTOR - r->offset / SECTOR + 1 : 0;
}

struct list {
	struct disk_state *at;
	size_t n;
	uint64_t seed;
};

static void add(struct list *l, struct disk_state st)
{
	l->seed = mix64(l->seed);
	st.seed = l->seed;
	st.fill = l->seed >> 40 & 1 ? 0xe5 : 0;
	l->at = xrealloc(l->at, (l->n + 1) * sizeof *l->at);
	l->at[l->n++] = st;
}

static void add_one_missing(const struct disk *d, struct list *l)
{
	size_t first = d->data_count > ONES_MAX ? d->data_count - ONES_MAX : 0;
	for (size_t i = first; i < d->data_count; i++) {
		add(l, (struct disk_state){.keep = KEEP_BUT, .one = i});
		add(l, (struct disk_state){.keep = KEEP_ONLY, .one = i});
		add(l, (struct disk_state){.keep = KEEP_ONLY, .one = i, .size = SIZE_NEW});
	}
}

static void add_torn(const struct disk *d, struct list *l)
{
	size_t last = d->data_count - 1, n = sectors_of(d->ops[d->data[last].op]);
	for (size_t s = 0; s < n; s++) {
		add(l, (struct disk_state){.keep = KEEP_TORN, .one = last, .sectors = s});
		add(l, (struct disk_state){.keep = KEEP_TORN, .one = last, .sectors = s, .size = SIZE_NEW});
		add(l, (struct disk_state){.keep = KEEP_TORN_ALONE, .one = last, .sectors = s});
		add(l, (struct disk_state){.keep = KEEP_HOLED, .one = last, .sectors = s});
	}
	for (int i = 0; i < RANDOM_EACH; i++) { /* and somewhere in the middle */
		size_t one = mix64(l->seed + 1) % d->data_count;
		n = sectors_of(d->ops[d->data[one].op]);
		size_t s = n ? mix64(l->seed + 2) % n : 0;
		add(l, (struct disk_state){.keep = KEEP_HOLED, .one = one, .sectors = s});
		add(l, (struct disk_state){.keep = KEEP_TORN, .one = one, .sectors = s});
	}
}

static void add_random(struct list *l)
{
	for (int i = 0; i < RANDOM_EACH; i++)
		for (enum disk_size size = SIZE_AS_KEPT; size <= SIZE_NEW; size++) {
			add(l, (struct disk_state){.keep = KEEP_SECTORS, .size = size});
			add(l, (struct disk_state){.keep = KEEP_WRITES, .size = size});
		}
}

/* All of the above once more with names that were not synced undone. */
static void add_names(const struct disk *d, struct list *l)
{
	size_t n = l->n;
	for (size_t i = 0; i < n; i++) {
		struct disk_state st = l->at[i];
		st.names = KEEP_NONE;
		add(l, st);
		for (st.name = 0; st.name < d->names_count && st.keep <= KEEP_NONE; st.name++) {
			st.names = KEEP_BUT;
			add(l, st);
			st.names = KEEP_TORN;
			add(l, st);
		}
	}
}

struct disk_state *disk_states(const struct disk *d, uint64_t seed, size_t *n)
{
	struct list l = {.seed = seed};
	add(&l, (struct disk_state){.keep = KEEP_ALL});
	if (d->data_count) {
		add(&l, (struct disk_state){.keep = KEEP_ALL, .size = SIZE_OLD});
		add(&l, (struct disk_state){.keep = KEEP_NONE});
		add(&l, (struct disk_state){.keep = KEEP_NONE, .size = SIZE_NEW});
		add_one_missing(d, &l);
		add_torn(d, &l);
		add_random(&l);
	}
	if (d->names_count)
		add_names(d, &l);
	*n = l.n;
	return l.at;
}

void disk_state_text(const struct disk_state *st, char out[128])
{
	static const char *const keeps[] = {"all",        "none",  "all but one", "only one", "torn",
					    "torn alone", "holed", "sectors",     "writes"};
	static const char *const sizes[] = {"as kept", "old", "new"};
	snprintf(out, 128, "keep %s (%zu, sector %zu), sizes %s, names %s (%zu), seed %016llx, fill %02x",
		 keeps[st->keep], st->one, st->sectors, sizes[st->size], keeps[st->names], st->name,
		 (unsigned long long)st->seed, st->fill);
}
