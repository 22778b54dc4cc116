/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cassettes: a folder that keeps every exchange with a model server, and answers from it later with the
 * network off. Opened once, before the processes are forked, which share its counters; each process names it
 * in its llm_setup. Like a recording on tape it has an order: a request that was made several times is
 * answered in the order of then, and after the last answer with that again.
 *
 * A request is looked up by the provider's name, the path of the address and the body, without what varies
 * from run to run (cassette_digest.c). Keys are not kept: no request header is, and the values of those that
 * hold secrets are masked wherever an answer or a body quotes them.
 */
#ifndef LLM_CASSETTE_H
#define LLM_CASSETTE_H

#include "base/base.h"

struct llm_cassette;

struct llm_cassette_options {
	const char *dir;
	size_t bytes_max; /* of all exchanges in the folder */
	/* Appends a text of a request without what is another in each run; NULL: texts as they are. */
	void (*plain)(struct slice text, struct buf *out);
};

/* Both block on files: boot path only. Errors name the folder or the file, for a broken one with its line.
 * The caller frees *out, in each process. To record makes the folder when it is not there, but not those
 * above it; what it has already is added to. */
must_check enum err llm_cassette_record(const struct llm_cassette_options *o, struct llm_cassette **out,
					struct error *e);
must_check enum err llm_cassette_replay(const struct llm_cassette_options *o, struct llm_cassette **out,
					struct error *e);
void llm_cassette_free(struct llm_cassette *k); /* NULL is fine */
bool llm_cassette_replays(const struct llm_cassette *k);
size_t llm_cassette_exchanges(const struct llm_cassette *k); /* in the folder when it was opened */
/* Random text that is the same whenever this folder is used: for marks that must come out the same in a
 * replay. */
const char *llm_cassette_marks(const struct llm_cassette *k);

#endif
