/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model that goes in circles: the same call with the same answer, two calls in turn, the same mistake again
 * and again. It is warned once, in the answer of the call, then the step ends as stuck: further turns would
 * cost money and change nothing. Calls are the same when tool and arguments are, whatever the order of
 * members. Decided from what was said alone, so that a run that is taken over decides the same.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

enum { SAME_WARNED = 2, SAME_MAX = 3, PAIRS_WARNED = 4, ERRORS_MAX = 3, ERROR_HEAD_BYTES = 48 };

static uint64_t call_hash(const char *tool, const char *arguments);
static int times_seen(struct repeats *r, uint64_t call, uint64_t result);
static size_t pairs_length(const struct repeats *r);
static int errors_count(struct repeats *r, const char *tool, const char *answer, bool is_error);

struct repeats_verdict repeats_note(struct repeats *r, const char *tool, const char *arguments,
				    const char *answer, bool is_error)
{
	struct repeats_verdict v = {0};
	uint64_t call = call_hash(tool, arguments);
	int times = times_seen(r, call, hash64(answer, strlen(answer)));
	memmove(r->sequence, r->sequence + 1, sizeof r->sequence - sizeof r->sequence[0]);
	r->sequence[REPEATS_SEQUENCE - 1] = call;
	r->sequence_count += r->sequence_count < REPEATS_SEQUENCE;
	size_t pairs = pairs_length(r);
	int errors = errors_count(r, tool, answer, is_error);
	if (times >= SAME_MAX)
		v.stuck = "the model made the same call three times and got the same answer each time";
	else if (pairs >= REPEATS_SEQUENCE)
		v.stuck = "the model made the same two calls in turn, three times over";
	else if (errors >= ERRORS_MAX)
		v.stuck = "the model made the same mistake three times in a row";
	else if (times == SAME_WARNED)
		v.warning = "You have made this very call before, with the same answer. Do not repeat it: do "
			    "something else, or finish the step.";
	else if (pairs == PAIRS_WARNED)
		v.warning = "You are making the same two calls in turn. Do something else, or finish the "
			    "step.";
	return v;
}

/* --- helpers --- */

static uint64_t call_hash(const char *tool, const char *arguments)
{
	struct buf text = BUF_INIT;
	struct json *j = json_parse(arguments, strlen(arguments), 0, NULL);
	buf_add_str(&text, tool);
	buf_add_char(&text, ' ');
	if (j == NULL || !json_print_canonical(j, &text))
		buf_add_str(&text, arguments);
	uint64_t h = hash64(text.data, text.len);
	json_free(j);
	buf_release(&text);
	return h;
}

static int times_seen(struct repeats *r, uint64_t call, uint64_t result)
{
	for (size_t i = 0; i < REPEATS_KEPT; i++)
		if (r->seen[i].times > 0 && r->seen[i].call == call && r->seen[i].result == result)
			return ++r->seen[i].times;
	r->seen[r->seen_next] = (struct repeats_call){call, result, 1};
	r->seen_next = (r->seen_next + 1) % REPEATS_KEPT;
	return 1;
}

/* How many of the last calls are two that alternate. */
static size_t pairs_length(const struct repeats *r)
{
	const uint64_t *last = r->sequence + REPEATS_SEQUENCE - 1;
	size_t n = 2;
	if (r->sequence_count < 2 || last[0] == last[-1])
		return 0;
	while (n < r->sequence_count && last[-(ptrdiff_t)n] == last[-(ptrdiff_t)n + 2])
		n++;
	return n;
}

/* A mistake is the same when the tool is and the complaint begins alike. */
static int errors_count(struct repeats *r, const char *tool, const char *answer, bool is_error)
{
	size_t head = strlen(answer) < ERROR_HEAD_BYTES ? strlen(answer) : ERROR_HEAD_BYTES;
	uint64_t class = is_error ? hash64(tool, strlen(tool)) ^ hash64(answer, head) : 0;
	r->errors = class != 0 && class == r->error_class ? r->errors + 1 : class != 0;
	r->error_class = class;
	return r->errors;
}
