/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of JSON trees. The nodes of a parsed text, their names and their strings stand in one arena, which
 * goes with the root: a text of twenty members costs two allocations and two frees instead of sixty. Nodes
 * that are built or copied later come from malloc, one by one, and may be hung into a parsed tree.
 *
 * cJSON's allocator is ours, so that cJSON may free either kind: a word before each piece names the pool it
 * stands in, NULL for malloc. A piece of a pool is not freed by itself. The root is: cJSON_Delete frees a
 * node after all that hangs below it, so that the pool goes with its root, wherever that root hangs by then.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

enum { BLOCK_BYTES_MIN = 512, BLOCK_BYTES_MAX = 32 << 10, BYTES_PER_BYTE = 4, PIECE_ALIGN = 8 };

struct json_pool {
	struct arena *arena; /* this struct stands in it too, and blocks, of which pieces are cut */
	char *at, *end;      /* the free part of the newest block, zeroed */
	size_t block_bytes;  /* of the next one */
	void *root;
	bool is_mixed; /* some pieces of the tree may come from malloc */
};

/* What precedes a piece from malloc; one from a pool has the second word only. */
struct piece_head {
	void *unused;
	struct json_pool *pool;
};

static struct json_pool **pool_word(const void *piece)
{
	return (struct json_pool **)(uintptr_t)piece - 1;
}

static void *piece_malloc(size_t n)
{
	struct piece_head *h = malloc(sizeof(*h) + n);

	if (!h)
		return NULL;
	h->pool = NULL;
	return h + 1;
}

static void piece_free(void *piece)
{
	if (!piece)
		return;
	struct json_pool *pool = *pool_word(piece);
	if (!pool)
		free((struct piece_head *)piece - 1);
	else if (piece == pool->root)
		arena_free(pool->arena);
}

__attribute__((constructor)) static void allocator_set(void)
{
	cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = piece_malloc, .free_fn = piece_free});
}

struct json_pool *json_pool_new(size_t text_bytes)
{
	struct arena *arena = arena_new(0);
	struct json_pool *pool = arena_alloc(arena, sizeof(*pool));

	if (!pool) {
		arena_free(arena);
		return NULL;
	}
	pool->arena = arena;
	pool->block_bytes = text_bytes < BLOCK_BYTES_MIN / BYTES_PER_BYTE   ? BLOCK_BYTES_MIN
			    : text_bytes > BLOCK_BYTES_MAX / BYTES_PER_BYTE ? BLOCK_BYTES_MAX
									    : text_bytes * BYTES_PER_BYTE;
	return pool;
}

void json_pool_free(struct json_pool *pool)
{
	arena_free(pool->arena);
}

/* A piece of this many bytes in all; a new block when it is small, else memory of its own. */
static void *piece_find(struct json_pool *pool, size_t bytes)
{
	if (bytes > pool->block_bytes / 2)
		return arena_alloc(pool->arena, bytes);
	pool->at = arena_alloc(pool->arena, pool->block_bytes);
	if (!pool->at)
		return pool->end = NULL;
	pool->end = pool->at + pool->block_bytes;
	if (pool->block_bytes < BLOCK_BYTES_MAX)
		pool->block_bytes *= 2;
	void *piece = pool->at;
	pool->at += bytes;
	return piece;
}

void *json_pool_alloc(struct json_pool *pool, size_t n)
{
	struct json_pool **word = (void *)pool->at;
	size_t bytes = (sizeof(*word) + n + PIECE_ALIGN - 1) & ~(size_t)(PIECE_ALIGN - 1);

	if (n > SIZE_MAX / 2)
		return NULL;
	if (bytes <= (size_t)(pool->end - pool->at))
		pool->at += bytes;
	else
		word = piece_find(pool, bytes);
	if (!word)
		return NULL;
	*word = pool;
	return word + 1;
}

cJSON *json_pool_node(struct json_pool *pool, cJSON *parent)
{
	cJSON *n = json_pool_alloc(pool, sizeof(*n)); /* zeroed */

	if (!n)
		return NULL;
	if (!parent) {
		pool->root = n;
	} else if (!parent->child) {
		parent->child = n->prev = n; /* the first one's prev is the last one */
	} else {
		n->prev = parent->child->prev;
		n->prev->next = n;
		parent->child->prev = n;
	}
	return n;
}

void json_tree_mix(cJSON *n)
{
	struct json_pool *pool = *pool_word(n);

	if (pool)
		pool->is_mixed = true;
}

void json_tree_free(cJSON *n)
{
	struct json_pool *pool = n ? *pool_word(n) : NULL;

	if (pool && n == pool->root && !pool->is_mixed)
		arena_free(pool->arena);
	else
		cJSON_Delete(n);
}
