/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fold states kept by a handle, so that whoever changes a task again and again need not parse its document
 * each time. An entry is good for exactly one last event; taking it out and not putting it back (a refused
 * change) only costs a parse. Bounded in number and in bytes of text. A slot's state has a few places it may
 * be in, so that nobody looks through all of them on each event.
 */
#include "base/base.h"
#include "store/store_int.h"

enum { WAYS = 4 };
static const size_t CACHE_BYTES_MAX = 8 << 20;

/* The first of the WAYS places where the state of this slot may be. */
static struct doc_entry *places_of(struct store *s, uint32_t slot)
{
	return &s->cache[slot % (DOC_CACHE / WAYS) * WAYS];
}

static struct doc_entry *entry_find(struct store *s, struct task_ref ref, uint64_t last_seq)
{
	struct doc_entry *c = places_of(s, ref.slot);
	for (size_t i = 0; i < WAYS; i++, c++)
		if (c->doc != NULL && c->ref.slot == ref.slot && c->ref.gen == ref.gen &&
		    c->last_seq == last_seq)
			return c;
	return NULL;
}

static void entry_drop(struct store *s, struct doc_entry *c)
{
	if (c->doc == NULL)
		return;
	doc_free(c->doc);
	s->cache_bytes -= c->bytes;
	*c = (struct doc_entry){0};
}

bool cache_has(struct store *s, struct task_ref ref, uint64_t last_seq)
{
	return entry_find(s, ref, last_seq) != NULL;
}

struct task_doc *cache_take(struct store *s, struct task_ref ref, uint64_t last_seq)
{
	struct doc_entry *c = entry_find(s, ref, last_seq);
	if (c == NULL)
		return NULL;
	struct task_doc *doc = c->doc;
	s->cache_bytes -= c->bytes;
	*c = (struct doc_entry){0};
	return doc;
}

static struct doc_entry *entry_oldest(struct store *s)
{
	struct doc_entry *oldest = NULL;
	for (size_t i = 0; i < DOC_CACHE; i++)
		if (s->cache[i].doc != NULL && (oldest == NULL || s->cache[i].age < oldest->age))
			oldest = &s->cache[i];
	return oldest;
}

/* Where a state of this slot goes: in place of an older one of it, or of the task that had the slot; into an
 * empty place; in place of the oldest. */
static struct doc_entry *entry_for(struct store *s, uint32_t slot)
{
	struct doc_entry *c = places_of(s, slot), *best = c;
	for (size_t i = 0; i < WAYS; i++, c++) {
		if (c->doc != NULL && c->ref.slot == slot)
			return c;
		if (c->age < best->age)
			best = c; /* an empty one has no age */
	}
	return best;
}

void cache_put(struct store *s, struct task_ref ref, uint64_t last_seq, struct task_doc *doc, size_t bytes)
{
	struct doc_entry *at;
	/* What is over will not be changed again. */
	if (task_state_terminal(doc_state(doc)) || bytes > CACHE_BYTES_MAX / 2) {
		doc_free(doc);
		return;
	}
	at = entry_for(s, ref.slot);
	entry_drop(s, at);
	while (s->cache_bytes + bytes > CACHE_BYTES_MAX)
		entry_drop(s, entry_oldest(s));
	*at = (struct doc_entry){
		.ref = ref, .last_seq = last_seq, .age = ++s->cache_clock, .bytes = bytes, .doc = doc};
	s->cache_bytes += bytes;
}

void cache_release(struct store *s)
{
	for (size_t i = 0; i < DOC_CACHE; i++)
		entry_drop(s, &s->cache[i]);
	ensure(s->cache_bytes == 0);
}
