/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fold states kept by a handle, so that whoever changes a task again and again need not parse its document
 * each time. An entry is good for exactly one last event; taking it out and not putting it back (a refused
 * change) only costs a parse. Bounded in number and in bytes of text.
 */
#include "base/base.h"
#include "store/store_int.h"

static const size_t CACHE_BYTES_MAX = 8 << 20;

/* DOC_CACHE: not there. */
static size_t entry_find(const struct store *s, struct task_ref ref, uint64_t last_seq)
{
	size_t i = 0;
	for (; i < DOC_CACHE; i++) {
		const struct doc_entry *c = &s->cache[i];
		if (c->doc != NULL && c->ref.slot == ref.slot && c->ref.gen == ref.gen &&
		    c->last_seq == last_seq)
			break;
	}
	return i;
}

static void entry_drop(struct store *s, struct doc_entry *c)
{
	if (c->doc == NULL)
		return;
	doc_free(c->doc);
	s->cache_bytes -= c->bytes;
	*c = (struct doc_entry){0};
}

bool cache_has(const struct store *s, struct task_ref ref, uint64_t last_seq)
{
	return entry_find(s, ref, last_seq) < DOC_CACHE;
}

struct task_doc *cache_take(struct store *s, struct task_ref ref, uint64_t last_seq)
{
	size_t i = entry_find(s, ref, last_seq);
	if (i == DOC_CACHE)
		return NULL;
	struct task_doc *doc = s->cache[i].doc;
	s->cache_bytes -= s->cache[i].bytes;
	s->cache[i] = (struct doc_entry){0};
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

void cache_put(struct store *s, struct task_ref ref, uint64_t last_seq, struct task_doc *doc, size_t bytes)
{
	struct doc_entry *at = NULL;
	/* What is over will not be changed again. */
	if (task_state_terminal(doc_state(doc)) || bytes > CACHE_BYTES_MAX / 2) {
		doc_free(doc);
		return;
	}
	for (size_t i = 0; i < DOC_CACHE; i++) {
		struct doc_entry *c = &s->cache[i];
		if (c->doc != NULL && c->ref.slot == ref.slot)
			entry_drop(s, c); /* an older state of it, or the task that had its slot */
	}
	while (s->cache_bytes + bytes > CACHE_BYTES_MAX)
		entry_drop(s, entry_oldest(s));
	for (size_t i = 0; i < DOC_CACHE && at == NULL; i++)
		if (s->cache[i].doc == NULL)
			at = &s->cache[i];
	if (at == NULL) {
		at = entry_oldest(s);
		entry_drop(s, at);
	}
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
