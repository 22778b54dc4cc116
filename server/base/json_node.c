/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of JSON trees. The nodes of a parsed text, their names and their strings stand in one pool, which
 * goes with the root: most texts cost one allocation and one free instead of three for each member. Nodes
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

enum { BLOCK_BYTES_MIN = 512, BLOCK_BYTES_FIRST_MAX = 4096, BLOCK_BYTES_MAX = 64 << 10, PIECE_ALIGN = 8 };

struct block {
	struct block *next;
};

/* At the front of its first block. */
struct json_pool {
	struct block *more; /* further blocks */
	char *at, *end;     /* the free part of the block that is being filled */
	size_t block_bytes; /* of the next one */
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
		json_pool_free(pool);
}

__attribute__((constructor)) static void allocator_set(void)
{
	cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = piece_malloc, .free_fn = piece_free});
}

struct json_pool *json_pool_new(size_t text_bytes)
{
	/* A text of short members takes six times its length as a tree, one of long strings little more. */
	size_t bytes = text_bytes < BLOCK_BYTES_MIN / 4         ? BLOCK_BYTES_MIN
		       : text_bytes > BLOCK_BYTES_FIRST_MAX / 4 ? BLOCK_BYTES_FIRST_MAX
								: text_bytes * 4;
	struct json_pool *pool = malloc(sizeof(*pool) + bytes);

	if (!pool)
		return NULL;
	char *free_part = (char *)(pool + 1);
	*pool = (struct json_pool){.at = free_part, .end = free_part + bytes, .block_bytes = 2 * bytes};
	return pool;
}

void json_pool_free(struct json_pool *pool)
{
	for (struct block *b = pool->more, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(pool);
}

/* In a new block; a large piece has one of its own, so that the rest of the last one stays in use. */
static void *piece_find(struct json_pool *pool, size_t bytes)
{
	bool is_large = bytes > pool->block_bytes / 2;
	size_t size = is_large ? bytes : pool->block_bytes;
	struct block *b = malloc(sizeof(*b) + size);

	if (!b)
		return NULL;
	b->next = pool->more;
	pool->more = b;
	char *piece = (char *)(b + 1);
	if (!is_large) {
		pool->at = piece + bytes;
		pool->end = piece + size;
		pool->block_bytes = size < BLOCK_BYTES_MAX ? 2 * size : size;
	}
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
	cJSON *n = json_pool_alloc(pool, sizeof(*n));

	if (!n)
		return NULL;
	*n = (cJSON){0};
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
		json_pool_free(pool);
	else
		cJSON_Delete(n);
}
