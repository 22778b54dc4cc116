/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cassette as the processes share it: opened by the first of them, inherited by all. What is read stays
 * as it was; what they count together stands in a mapping of its own, so that a request that several workers
 * make is answered in order, and a worker that is replaced goes on where its predecessor stopped. Who has
 * recorded what does not matter: an answer belongs to a request, not to a task.
 */
#include "base/base.h"
#include "llm/cassette_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct llm_cassette *cassette_new(const struct llm_cassette_options *o, bool replays)
{
	struct llm_cassette *k = xcalloc(1, sizeof *k);
	k->options = *o;
	k->options.dir = xstrdup(o->dir);
	k->replays = replays;
	k->dir_fd = -1;
	return k;
}

static enum err shared_map(struct llm_cassette *k, struct error *e)
{
	size_t bytes = sizeof *k->shared + k->found * sizeof k->shared->taken[0];
	void *at =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (at == MAP_FAILED)
		return err_set_errno(e, errno, "cannot map %zu bytes for the counters of a cassette", bytes);
	k->shared = at;
	k->shared_bytes = bytes;
	return ERR_NONE;
}

enum err llm_cassette_record(const struct llm_cassette_options *o, struct llm_cassette **out, struct error *e)
{
	uint64_t seq = 0, bytes = 0;
	struct llm_cassette *k = cassette_new(o, false);
	enum err code = cassette_dir_open(k, e);
	code = code != ERR_NONE ? code : cassette_dir_scan(k, &seq, &bytes, e);
	code = code != ERR_NONE ? code : shared_map(k, e);
	if (code != ERR_NONE) {
		llm_cassette_free(k);
		return code;
	}
	atomic_store(&k->shared->seq, seq);
	atomic_store(&k->shared->bytes, bytes);
	*out = k;
	return ERR_NONE;
}

enum err llm_cassette_replay(const struct llm_cassette_options *o, struct llm_cassette **out, struct error *e)
{
	struct llm_cassette *k = cassette_new(o, true);
	enum err code = cassette_dir_open(k, e);
	code = code != ERR_NONE ? code : cassette_dir_load(k, e);
	code = code != ERR_NONE ? code : shared_map(k, e);
	if (code != ERR_NONE) {
		llm_cassette_free(k);
		return code;
	}
	*out = k;
	return ERR_NONE;
}

void llm_cassette_free(struct llm_cassette *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; k->list != NULL && i < k->found; i++)
		cassette_exchange_release(&k->list[i]);
	free(k->list);
	if (k->shared != NULL)
		munmap(k->shared, k->shared_bytes);
	fd_close(&k->dir_fd);
	free((char *)(uintptr_t)k->options.dir);
	free(k);
}

bool llm_cassette_replays(const struct llm_cassette *k)
{
	return k->replays;
}

size_t llm_cassette_exchanges(const struct llm_cassette *k)
{
	return k->found;
}

const char *llm_cassette_marks(const struct llm_cassette *k)
{
	return k->marks;
}

const struct cassette_exchange *cassette_next(struct llm_cassette *k, const char key[SHA256_HEX_SIZE])
{
	size_t low = 0, high = k->found, count = 0;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strcmp(k->list[mid].key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + count < k->found && strcmp(k->list[low + count].key, key) == 0)
		count++;
	if (count == 0)
		return NULL;
	uint64_t n = atomic_fetch_add(&k->shared->taken[low], 1);
	return &k->list[low + (n < count ? n : count - 1)];
}
