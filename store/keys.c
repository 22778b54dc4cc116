/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of requests (Idempotency-Key): a table of fixed size in the mapping, where each key has a few places.
 * It remembers what is being carried out now and what was not long ago; the database remembers the rest. A
 * key whose owner died is BEGUN when a change may have been made, else free for whoever comes next: the place
 * is written before the status that says so, and stays as it is.
 */
#include "base/base.h"
#include "store/store_int.h"
#include "store/store_db.h"

#include <stdlib.h>
#include <string.h>

static struct key_entry *entry_at(const struct store *s, uint32_t i)
{
	return (struct key_entry *)map_at(s, s->map->keys_at) + i;
}

static void keys_take(struct store *s)
{
	/* Nothing needs repair: an entry is what its status says, which is written last. */
	lock_take(s, &s->map->keys_lock, LOCK_KEYS, NULL, NULL);
}

static void keys_give(struct store *s)
{
	lock_give(&s->map->keys_lock, LOCK_KEYS);
}

static struct key_entry *ways_of(const struct store *s, const uint8_t key[REQUEST_DIGEST])
{
	uint32_t sets = s->map->keys_max / KEY_WAYS;
	return entry_at(s, (uint32_t)(hash64(key, REQUEST_DIGEST) % sets) * KEY_WAYS);
}

static struct key_entry *entry_find(const struct store *s, const struct request_key *k)
{
	struct key_entry *ways = ways_of(s, k->key);
	for (int i = 0; i < KEY_WAYS; i++)
		if (atomic_load(&ways[i].status) != KEY_FREE &&
		    memcmp(ways[i].key.key, k->key, REQUEST_DIGEST) == 0)
			return &ways[i];
	return NULL;
}

static bool owner_alive(const struct store *s, const struct key_entry *k)
{
	const struct proc *p = proc_at(s, k->proc);
	return atomic_load(&p->alive) && atomic_load(&p->gen) == k->proc_gen;
}

/* A free place, also one whose owner died before it began; or that of the oldest key that nobody is at and
 * the database has, too. */
static struct key_entry *entry_room(const struct store *s, const struct request_key *k)
{
	struct key_entry *ways = ways_of(s, k->key), *oldest = NULL;
	for (int i = 0; i < KEY_WAYS; i++) {
		uint32_t status = atomic_load(&ways[i].status);
		bool left = status == KEY_DONE || (status != KEY_FREE && !owner_alive(s, &ways[i]));
		if (status == KEY_FREE || (status == KEY_CLAIMED && left))
			return &ways[i];
		if (left && ways[i].saved && !ways[i].taken &&
		    (oldest == NULL || ways[i].place.at_ms < oldest->place.at_ms))
			oldest = &ways[i];
	}
	return oldest;
}

static void entry_own(struct store *s, struct key_entry *k)
{
	atomic_store(&k->status, KEY_FREE);
	k->proc = s->proc;
	k->proc_gen = atomic_load(&proc_at(s, s->proc)->gen);
	k->saved = k->taken = k->awaited = false;
	memset(&k->place, 0, sizeof k->place);
}

enum err request_key_claim(struct store *s, const struct request_key *k, enum request_status *status,
			   struct request_place *place, struct error *e)
{
	enum err code = ERR_NONE;
	keys_take(s);
	struct key_entry *at = entry_find(s, k);
	uint32_t now = at != NULL ? atomic_load(&at->status) : KEY_FREE;
	bool claimed = now == KEY_CLAIMED || now == KEY_BEGUN;
	if (at != NULL && memcmp(at->key.body, k->body, REQUEST_DIGEST) != 0 &&
	    (now == KEY_DONE || now == KEY_BEGUN || owner_alive(s, at))) {
		*status = REQUEST_OTHER;
	} else if (claimed && owner_alive(s, at)) {
		at->awaited = true;
		*status = REQUEST_BUSY;
	} else if (now == KEY_BEGUN || now == KEY_DONE) {
		*place = at->place;
		*status = REQUEST_BEGUN;
	} else if (at == NULL && (at = entry_room(s, k)) == NULL) {
		code = err_set(e, ERR_FULL,
			       "all places for this Idempotency-Key are in use (store.idempotency_keys): try "
			       "again");
	} else {
		entry_own(s, at);
		at->key = *k;
		KILL_POINT("key-claimed");
		atomic_store(&at->status, KEY_CLAIMED);
		*status = REQUEST_NEW;
	}
	keys_give(s);
	return code;
}

void request_key_begin(struct store *s, const struct request_key *k, const struct request_place *place)
{
	keys_take(s);
	struct key_entry *at = entry_find(s, k);
	ensure(at != NULL && at->proc == s->proc);
	atomic_store(&at->status, KEY_CLAIMED);
	at->place = *place;
	at->saved = !keeper_is(s);
	at->taken = false;
	KILL_POINT("key-placed");
	atomic_store(&at->status, KEY_BEGUN);
	atomic_store(&s->map->keys_unsaved, 1);
	keys_give(s);
}

/* Under the lock. */
static bool awaited_take(struct key_entry *k)
{
	bool awaited = k->awaited;
	k->awaited = false;
	return awaited;
}

static void awaiting_tell(struct store *s, bool awaited)
{
	if (!awaited)
		return;
	wake_all(s, WAKE_REQUESTS);
	wake_proc(s, s->proc, WAKE_REQUESTS);
}

void request_key_settle(struct store *s, const struct request_key *k, const struct request_place *place,
			bool saved)
{
	bool awaited = false;
	keys_take(s);
	struct key_entry *at = entry_find(s, k);
	if (at != NULL) {
		/* Where it began it is: only one that did not begin here learns its place now. */
		bool new = atomic_load(&at->status) == KEY_CLAIMED;
		if (new)
			at->place = *place;
		at->saved = at->saved || saved || !keeper_is(s);
		atomic_store(&at->status, KEY_DONE);
		if (new && !at->saved)
			atomic_store(&s->map->keys_unsaved, 1);
		awaited = awaited_take(at);
	}
	keys_give(s);
	awaiting_tell(s, awaited);
}

void request_key_drop(struct store *s, const struct request_key *k)
{
	bool awaited = false;
	keys_take(s);
	struct key_entry *at = entry_find(s, k);
	if (at != NULL && at->proc == s->proc) {
		awaited = awaited_take(at);
		atomic_store(&at->status, KEY_FREE);
	}
	keys_give(s);
	awaiting_tell(s, awaited);
}

bool request_key_reclaim(struct store *s, const struct request_key *k, const struct request_place *place)
{
	keys_take(s);
	struct key_entry *at = entry_find(s, k);
	uint32_t now = at != NULL ? atomic_load(&at->status) : KEY_FREE;
	bool ours = now == KEY_DONE || (now == KEY_BEGUN && !owner_alive(s, at));
	/* At another place it may have taken effect since. */
	ours = ours && memcmp(&at->place, place, sizeof *place) == 0;
	if (ours) {
		entry_own(s, at);
		at->key = *k;
		atomic_store(&at->status, KEY_CLAIMED);
	}
	keys_give(s);
	return ours;
}

void request_key_hex(const struct request_key *k, char out[REQUEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < REQUEST_DIGEST; i++) {
		out[2 * i] = digits[k->key[i] >> 4];
		out[2 * i + 1] = digits[k->key[i] & 15];
	}
	out[2 * REQUEST_DIGEST] = '\0';
}

/* --- the keeper's side --- */

size_t requests_take(struct store *s, size_t max, struct request_unsaved *out)
{
	size_t n = 0;
	if (atomic_exchange(&s->map->keys_unsaved, 0) == 0)
		return 0;
	keys_take(s);
	for (uint32_t i = 0; i < s->map->keys_max && n < max; i++) {
		struct key_entry *k = entry_at(s, i);
		uint32_t status = atomic_load(&k->status);
		if ((status != KEY_BEGUN && status != KEY_DONE) || k->saved || k->taken)
			continue;
		k->taken = true;
		out[n++] = (struct request_unsaved){k->key, k->place};
	}
	keys_give(s);
	if (n == max)
		atomic_store(&s->map->keys_unsaved, 1);
	return n;
}

static void requests_end(struct store *s, const struct request_unsaved *r, size_t n, bool saved)
{
	keys_take(s);
	for (size_t i = 0; i < n; i++) {
		struct key_entry *k = entry_find(s, &r[i].key);
		/* It may have been dropped and claimed anew meanwhile: then it is another one. */
		if (k == NULL || !k->taken || memcmp(&k->place, &r[i].place, sizeof k->place) != 0)
			continue;
		k->taken = false;
		k->saved = saved;
	}
	keys_give(s);
	if (!saved)
		atomic_store(&s->map->keys_unsaved, 1);
}

void requests_done(struct store *s, const struct request_unsaved *r, size_t n)
{
	requests_end(s, r, n, true);
}

void requests_again(struct store *s, const struct request_unsaved *r, size_t n)
{
	requests_end(s, r, n, false);
}

void keys_mark_all(struct store *s)
{
	keys_take(s);
	for (uint32_t i = 0; i < s->map->keys_max; i++)
		entry_at(s, i)->taken = false;
	keys_give(s);
	atomic_store(&s->map->keys_unsaved, 1);
}
