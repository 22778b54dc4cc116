/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gates: what all participants together may do with one model provider. Each has a circuit breaker, room for
 * so many calls at once, and a sliding window of what was begun in the last minute.
 *
 * What a participant holds is counted under its number and generation: when it dies, that counts no more, and
 * the news of its death wakes those who wait. The same goes for the probe of a breaker that is half open.
 * Each field is right by itself at any instruction, and what is taken is counted before it is used, so that a
 * death within the lock leaves nothing to repair: a little was counted for nothing, for a minute at most.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

enum { SECOND_MS = 1000, WINDOW_SECONDS = GATE_SECONDS - 1 };

static struct gate *gate_at(const struct store *s, uint32_t i)
{
	ensure(i < s->map->gates_max);
	return (struct gate *)map_at(s, s->map->gates_at) + i;
}

static struct gate *gate_take(struct store *s, uint32_t i)
{
	struct gate *g = gate_at(s, i);
	lock_take(s, &g->lock, LOCK_GATE, NULL, NULL);
	return g;
}

static void gate_give(struct gate *g)
{
	lock_give(&g->lock, LOCK_GATE);
}

void gate_format(struct gate *g, const struct gate_limits *limits)
{
	lock_init(&g->lock);
	g->limits = *limits;
	g->probe_proc = NONE;
}

static uint32_t gen_of(const struct store *s, uint32_t proc)
{
	return atomic_load(&proc_at(s, proc)->gen);
}

static bool lives(const struct store *s, uint32_t proc, uint32_t gen)
{
	return proc < s->map->procs_max && atomic_load(&proc_at(s, proc)->alive) && gen_of(s, proc) == gen;
}

static uint32_t in_flight(const struct store *s, const struct gate *g)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (lives(s, i, g->held[i].gen))
			sum += g->held[i].count;
	return sum;
}

/* --- the window --- */

static struct gate_second *second_of(struct gate *g, int64_t second)
{
	struct gate_second *w = &g->window[second % GATE_SECONDS];
	if (w->second != second) {
		w->requests = 0;
		w->tokens = 0;
		w->second = second;
	}
	return w;
}

static bool within(const struct gate_second *w, int64_t now_s)
{
	return w->second > now_s - GATE_SECONDS && w->second <= now_s;
}

/* How long until so many more requests and tokens are within the limits; 0: now. */
static int64_t window_wait_ms(const struct gate *g, int64_t tokens, int64_t now_ms)
{
	int64_t now_s = now_ms / SECOND_MS, requests = 0, used = 0;
	const struct gate_limits *l = &g->limits;
	for (size_t i = 0; i < GATE_SECONDS; i++) {
		if (!within(&g->window[i], now_s))
			continue;
		requests += g->window[i].requests;
		used += g->window[i].tokens;
	}
	/* The oldest seconds leave first. One call that is alone larger than the limit is let through when
	 * nothing else is there. */
	for (int64_t s = now_s - WINDOW_SECONDS; s <= now_s; s++) {
		bool fits = (l->requests_per_minute == 0 || requests < l->requests_per_minute) &&
			    (l->tokens_per_minute == 0 || used == 0 || used + tokens <= l->tokens_per_minute);
		if (fits)
			return s == now_s - WINDOW_SECONDS ? 0 : (s + WINDOW_SECONDS) * SECOND_MS - now_ms;
		if (s < 0 || g->window[s % GATE_SECONDS].second != s)
			continue;
		requests -= g->window[s % GATE_SECONDS].requests;
		used -= g->window[s % GATE_SECONDS].tokens;
	}
	return (int64_t)GATE_SECONDS * SECOND_MS;
}

static void window_change(struct gate *g, int64_t second, int64_t now_s, int64_t more)
{
	struct gate_second *w = &g->window[second % GATE_SECONDS];
	if (w->second != second || !within(w, now_s))
		return;
	w->tokens = w->tokens + more > 0 ? w->tokens + more : 0;
}

/* --- the breaker --- */

static bool is_shut(const struct gate *g)
{
	return g->limits.breaker_failures > 0 && g->shut_until_ms != 0;
}

static bool is_probed(const struct store *s, const struct gate *g)
{
	return g->probe_proc != NONE && lives(s, g->probe_proc, g->probe_gen);
}

static enum gate_state state_of(const struct store *s, const struct gate *g, int64_t now_ms)
{
	if (!is_shut(g))
		return GATE_CLOSED;
	return now_ms < g->shut_until_ms && !is_probed(s, g) ? GATE_TRIPPED : GATE_HALF_OPEN;
}

/* GATE_PASS: nothing of the breaker stands in the way; *probe: it is half open, and this is the one call that
 * is let through. */
static enum gate_answer breaker_ask(const struct store *s, const struct gate *g, int64_t now_ms, bool *probe,
				    int64_t *wait_ms)
{
	*probe = false;
	if (!is_shut(g))
		return GATE_PASS;
	if (now_ms < g->shut_until_ms) {
		*wait_ms = g->shut_until_ms - now_ms;
		return GATE_SHUT;
	}
	*wait_ms = -1;
	*probe = !is_probed(s, g);
	return *probe ? GATE_PASS : GATE_SHUT;
}

static void breaker_told(struct gate *g, const struct gate_pass *p, enum gate_outcome outcome, int64_t now_ms)
{
	bool probe = p->probe && g->probe_proc == p->proc && g->probe_gen == p->proc_gen;
	if (g->limits.breaker_failures == 0)
		return;
	if (outcome == GATE_FAILED && (probe || !is_shut(g))) {
		uint32_t failures = g->failures + (probe ? 0 : 1);
		/* Shut before the last failure is counted: a death in between leaves it shut. */
		if (probe || failures >= g->limits.breaker_failures) {
			g->trips += probe ? 0 : 1;
			g->shut_until_ms = now_ms + g->limits.breaker_ms;
		}
		KILL_POINT("gate-shut");
		g->failures = failures;
	} else if (outcome == GATE_WORKED && (probe || !is_shut(g))) {
		g->failures = 0;
		KILL_POINT("gate-opened");
		g->shut_until_ms = 0;
	}
	/* Last: as long as it is there no other is let through. */
	if (probe)
		g->probe_proc = NONE;
}

/* --- the face --- */

static void hold(struct store *s, struct gate *g, struct gate_pass *pass, bool probe, int64_t now_ms)
{
	uint32_t gen = gen_of(s, s->proc);
	struct gate_held *h = &g->held[s->proc];
	if (h->gen != gen) {
		h->count = 0;
		h->gen = gen;
	}
	*pass = (struct gate_pass){.gate = pass->gate,
				   .proc = s->proc,
				   .proc_gen = gen,
				   .probe = probe,
				   .tokens = pass->tokens,
				   .second = now_ms / SECOND_MS};
	struct gate_second *w = second_of(g, pass->second);
	w->tokens += pass->tokens;
	w->requests++;
	KILL_POINT("gate-counted");
	if (probe) {
		g->probe_gen = gen;
		g->probe_proc = s->proc;
		KILL_POINT("gate-probing");
	}
	h->count++;
	g->calls++;
	KILL_POINT("gate-held");
}

enum gate_answer gate_acquire(struct store *s, uint32_t gate, int64_t tokens, int64_t now_ms,
			      struct gate_pass *pass, int64_t *wait_ms)
{
	bool probe;
	*wait_ms = 0;
	*pass = (struct gate_pass){.gate = gate, .tokens = tokens > 0 ? tokens : 0};
	struct gate *g = gate_take(s, gate);
	enum gate_answer answer = breaker_ask(s, g, now_ms, &probe, wait_ms);
	if (answer == GATE_PASS && now_ms < g->pause_until_ms)
		*wait_ms = g->pause_until_ms - now_ms;
	else if (answer == GATE_PASS)
		*wait_ms = window_wait_ms(g, pass->tokens, now_ms);
	if (answer == GATE_PASS && *wait_ms == 0 && g->limits.concurrency_max > 0 &&
	    in_flight(s, g) >= g->limits.concurrency_max)
		*wait_ms = -1;
	if (answer == GATE_PASS && *wait_ms != 0)
		answer = GATE_WAIT;
	if (answer == GATE_PASS)
		hold(s, g, pass, probe, now_ms);
	else if (*wait_ms < 0)
		atomic_fetch_or(&g->waiting, (uint64_t)1 << s->proc);
	gate_give(g);
	return answer;
}

/* The length is written last: a text that was begun and not ended is none. */
static void error_keep(struct gate *g, const char *why, int64_t wall_ms)
{
	struct slice text = slice_str(why);
	size_t len = utf8_cut(text.ptr, text.len, sizeof g->error - 1);
	g->error_len = 0;
	KILL_POINT("gate-error");
	memcpy(g->error, text.ptr, len);
	g->error_ms = wall_ms;
	g->error_len = (uint32_t)len;
}

void gate_report(struct store *s, const struct gate_pass *p, const struct gate_end *end, int64_t now_ms)
{
	struct gate *g = gate_take(s, p->gate);
	struct gate_held *h = &g->held[p->proc];
	window_change(g, p->second, now_ms / SECOND_MS, end->tokens - p->tokens);
	if (end->pause_ms > 0 && now_ms + end->pause_ms > g->pause_until_ms)
		g->pause_until_ms = now_ms + end->pause_ms;
	if (end->why != NULL)
		error_keep(g, end->why, end->wall_ms);
	g->failed += end->outcome == GATE_FAILED;
	uint64_t trips = g->trips;
	breaker_told(g, p, end->outcome, now_ms);
	trips = g->trips - trips;
	KILL_POINT("gate-told");
	if (h->gen == p->proc_gen && h->count > 0)
		h->count--;
	uint64_t waiting = atomic_exchange(&g->waiting, 0);
	gate_give(g);
	store_count(s, COUNTER_BREAKER_TRIPS, trips);
	KILL_POINT("gate-before-wake");
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (waiting >> i & 1)
			wake_proc(s, i, WAKE_GATES);
}

void gate_view_get(struct store *s, uint32_t gate, int64_t now_ms, struct gate_view *out)
{
	struct gate *g = gate_take(s, gate);
	*out = (struct gate_view){.state = state_of(s, g, now_ms),
				  .limits = g->limits,
				  .failures = g->failures,
				  .in_flight = in_flight(s, g),
				  .calls = g->calls,
				  .failed = g->failed,
				  .trips = g->trips,
				  .error_ms = g->error_ms};
	if (is_shut(g) && g->shut_until_ms > now_ms)
		out->shut_ms = g->shut_until_ms - now_ms;
	if (g->pause_until_ms > now_ms)
		out->pause_ms = g->pause_until_ms - now_ms;
	for (size_t i = 0; i < GATE_SECONDS; i++) {
		if (!within(&g->window[i], now_ms / SECOND_MS))
			continue;
		out->requests += g->window[i].requests;
		out->tokens += g->window[i].tokens;
	}
	memcpy(out->error, g->error, g->error_len);
	gate_give(g);
}

uint32_t store_gates(const struct store *s)
{
	return s->map->gates_max;
}

enum err gates_check(struct store *s, struct error *e)
{
	for (uint32_t i = 0; i < s->map->gates_max; i++) {
		struct gate *g = gate_take(s, i);
		uint32_t held = in_flight(s, g), most = g->limits.concurrency_max;
		uint32_t failures = g->failures, threshold = g->limits.breaker_failures;
		bool untripped = threshold > 0 && failures >= threshold && g->shut_until_ms == 0;
		gate_give(g);
		if (most > 0 && held > most)
			return err_set(e, ERR_INTERNAL, "gate %u: %u calls in flight of %u", i, held, most);
		if (untripped)
			return err_set(e, ERR_INTERNAL, "gate %u: %u failures of %u and not shut", i,
				       failures, threshold);
	}
	return ERR_NONE;
}
