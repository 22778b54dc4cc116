/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what is published becomes durable: a word and a reason in the mapping, written by the keeper, read
 * by everybody without a lock. The reason is written into the text that is not in use, then the word names
 * it.
 */
#include "base/base.h"
#include "store/store_int.h"
#include "store/store_db.h"

#include <string.h>

enum store_health store_health(const struct store *s, char why[ERROR_MSG_MAX])
{
	uint32_t word = atomic_load(&s->map->health), again = word + 1;
	while (why != NULL && again != word) {
		word = atomic_load(&s->map->health);
		memcpy(why, s->map->health_why[word & 1], ERROR_MSG_MAX);
		why[ERROR_MSG_MAX - 1] = '\0';
		again = atomic_load(&s->map->health);
	}
	return (enum store_health)(word / 2);
}

void store_health_set(struct store *s, enum store_health h, const char *why)
{
	uint32_t word = atomic_load(&s->map->health), next = !(word & 1);
	char *text = s->map->health_why[next];
	if (word / 2 == h && strncmp(s->map->health_why[word & 1], why, ERROR_MSG_MAX - 1) == 0)
		return;
	memset(text, 0, ERROR_MSG_MAX);
	memcpy(text, why, strnlen(why, ERROR_MSG_MAX - 1));
	atomic_store(&s->map->health, h * 2 + next);
	if (word / 2 != h)
		wake_all(s, WAKE_HEALTH);
}

enum err store_accepts(const struct store *s, struct error *e)
{
	char why[ERROR_MSG_MAX];
	switch ((enum store_health)(atomic_load(&s->map->health) / 2)) {
	case STORE_STARTING:
		return err_set(e, ERR_UNAVAILABLE, "the service is starting: its tasks are being restored");
	case STORE_NO_SPACE:
		store_health(s, why);
		return err_set(e, ERR_NO_SPACE, "nothing new is taken until there is room: %s", why);
	case STORE_BROKEN:
		store_health(s, why);
		return err_set(e, ERR_UNAVAILABLE, "nothing can be stored any more: %s", why);
	case STORE_WORKS: break;
	}
	return ERR_NONE;
}
