/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what is published becomes durable: a word and a reason in the mapping, written by the keeper, read
 * by everybody without a lock. The reason is written into the text that is not in use, then the word names
 * it; the word counts its changes, so that who reads knows when both texts were written over meanwhile.
 */
#include "base/base.h"
#include "store/store_int.h"
#include "store/store_db.h"

#include <string.h>

enum { HEALTH_BITS = 3, WHY_WORDS = ERROR_MSG_MAX / sizeof(uint64_t) };

static enum store_health health_of(uint32_t word)
{
	return (enum store_health)(word & ((1u << HEALTH_BITS) - 1));
}

static _Atomic uint64_t *why_of(const struct store *s, uint32_t word)
{
	return s->map->health_why[word >> HEALTH_BITS & 1];
}

static void why_read(const struct store *s, uint32_t word, char why[ERROR_MSG_MAX])
{
	for (size_t i = 0; i < WHY_WORDS; i++) {
		uint64_t part = atomic_load_explicit(&why_of(s, word)[i], memory_order_relaxed);
		memcpy(why + i * sizeof part, &part, sizeof part);
	}
	why[ERROR_MSG_MAX - 1] = '\0';
	atomic_thread_fence(memory_order_seq_cst);
}

static void why_write(struct store *s, uint32_t word, const char *why)
{
	char text[ERROR_MSG_MAX] = "";
	memcpy(text, why, strnlen(why, ERROR_MSG_MAX - 1));
	atomic_thread_fence(memory_order_seq_cst);
	for (size_t i = 0; i < WHY_WORDS; i++) {
		uint64_t part;
		memcpy(&part, text + i * sizeof part, sizeof part);
		atomic_store_explicit(&why_of(s, word)[i], part, memory_order_relaxed);
	}
}

enum store_health store_health(const struct store *s, char why[ERROR_MSG_MAX])
{
	uint32_t word = atomic_load(&s->map->health), again = word + 1;
	while (why != NULL && again != word) {
		word = atomic_load(&s->map->health);
		why_read(s, word, why);
		again = atomic_load(&s->map->health);
	}
	return health_of(word);
}

void store_health_set(struct store *s, enum store_health h, const char *why)
{
	uint32_t word = atomic_load(&s->map->health), next = (word >> HEALTH_BITS) + 1;
	char now[ERROR_MSG_MAX];
	why_read(s, word, now);
	if (health_of(word) == h && strncmp(now, why, ERROR_MSG_MAX - 1) == 0)
		return;
	why_write(s, next << HEALTH_BITS, why);
	atomic_store(&s->map->health, next << HEALTH_BITS | h);
	if (health_of(word) != h)
		wake_all(s, WAKE_HEALTH);
}

enum err store_accepts_task(const struct store *s, struct error *e)
{
	char why[ERROR_MSG_MAX];
	if (store_health(s, why) == STORE_FULL)
		return err_set(e, ERR_NO_SPACE, "no new task is taken: %s", why);
	return store_accepts(s, e);
}

enum err store_accepts(const struct store *s, struct error *e)
{
	char why[ERROR_MSG_MAX];
	switch (store_health(s, NULL)) {
	case STORE_STARTING:
		return err_set(e, ERR_UNAVAILABLE, "the service is starting: its tasks are being restored");
	case STORE_NO_SPACE:
		store_health(s, why);
		return err_set(e, ERR_NO_SPACE, "nothing new is taken until there is room: %s", why);
	case STORE_AWAY:
		store_health(s, why);
		return err_set(e, ERR_UNAVAILABLE, "nothing new is taken for now: %s", why);
	case STORE_BROKEN:
		store_health(s, why);
		return err_set(e, ERR_UNAVAILABLE, "nothing can be stored any more: %s", why);
	case STORE_FULL:
	case STORE_WORKS: break;
	}
	return ERR_NONE;
}
