/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange as it is replayed: its pieces come from the loop, one in each turn of it, as if a server had
 * sent them; then its end. Nothing is waited for; but of several that are under way the one that ended first
 * when they were recorded comes first, whole, so that steps side by side go on in the order of then. A
 * recording that stops where nobody listened any longer ends, for who listens still, as a lost connection.
 */
#include "base/base.h"
#include "llm/cassette_int.h"
#include "llm/llm_int.h"

#include <stdlib.h>
#include <string.h>

struct cassette_play {
	struct cassette_play *next, **link; /* in cassette->plays: those of this process, newest first */
	struct llm_cassette *cassette;
	struct loop *loop;
	const struct cassette_exchange *exchange;
	struct fetch_head head;
	size_t piece, at; /* of the body: the next piece, and where it begins */
	fetch_fn *fn;
	void *arg;
};

static void play_next(void *arg);

static void play_free(struct cassette_play *y)
{
	loop_defer_cancel(y->loop, y);
	*y->link = y->next;
	if (y->next != NULL)
		y->next->link = y->link;
	free(y);
}

static bool play_is_due(const struct cassette_play *y)
{
	bool newer = true; /* than y */
	for (const struct cassette_play *o = y->cassette->plays; o != NULL; o = o->next) {
		if (o == y)
			newer = false;
		else if (o->exchange->seq < y->exchange->seq ||
			 (o->exchange->seq == y->exchange->seq && !newer))
			return false;
	}
	return true;
}

/* The last news, with the piece that came with it. What is called may start another one. */
static void play_end(struct cassette_play *y, struct slice body)
{
	const struct cassette_exchange *x = y->exchange;
	struct fetch_head head = y->head;
	struct error e = x->e;
	fetch_fn *fn = y->fn;
	void *fn_arg = y->arg;
	if (x->end == CASSETTE_LEFT)
		err_set(&e, ERR_LOST, "the recording ends here (%s)", x->name);
	play_free(y);
	fn(&(struct fetch_news){.head = &head, .body = body, .over = true, .e = &e}, fn_arg);
}

/* What is called may cancel it. */
static void play_next(void *arg)
{
	struct cassette_play *y = arg;
	const struct cassette_exchange *x = y->exchange;
	struct fetch_head head = y->head;
	struct error none = {0};
	struct slice body = {0};
	if (!play_is_due(y)) {
		loop_defer(y->loop, play_next, y);
		return;
	}
	if (y->piece < x->pieces_count)
		body = (struct slice){x->body.data + y->at, x->pieces[y->piece++]};
	if (y->piece == x->pieces_count && (x->end != CASSETTE_LEFT || body.len == 0)) {
		play_end(y, body);
		return;
	}
	y->at += body.len;
	loop_defer(y->loop, play_next, y);
	y->fn(&(struct fetch_news){.head = &head, .body = body, .e = &none}, y->arg);
}

static void missing_tell(const struct llm_provider *p, const char *key, struct slice request, struct error *e)
{
	const struct llm_cassette *k = p->cassette;
	struct buf where = BUF_INIT;
	const struct cassette_exchange *near =
		&k->list[cassette_nearest(k->list, k->found, p->options.name, cassette_path(p), request)];
	if (strcmp(near->provider, p->options.name) != 0)
		buf_printf(&where, "the provider, which was %s", near->provider);
	else if (strcmp(near->path, cassette_path(p)) != 0)
		buf_printf(&where, "the path, which was %s", near->path);
	else
		cassette_difference(buf_slice(&near->request), request, &where);
	err_set(e, ERR_NOT_FOUND,
		"no answer to this request of the provider %s is recorded in %s (digest %.16s); the nearest "
		"one, %s, differs first in %s",
		p->options.name, k->options.dir, key, near->name, buf_cstr(&where));
	buf_release(&where);
}

struct cassette_play *cassette_play_start(const struct llm_provider *p, struct slice request, fetch_fn *fn,
					  void *arg, struct error *e)
{
	char key[SHA256_HEX_SIZE];
	struct buf plain = BUF_INIT;
	struct cassette_play *y = NULL;
	cassette_request_plain(request, p->cassette->options.plain, &plain);
	cassette_key(p->options.name, cassette_path(p), buf_slice(&plain), key);
	const struct cassette_exchange *x = cassette_next(p->cassette, key);
	if (x == NULL) {
		missing_tell(p, key, buf_slice(&plain), e);
	} else {
		y = xcalloc(1, sizeof *y);
		*y = (struct cassette_play){.cassette = p->cassette,
					    .next = p->cassette->plays,
					    .link = &p->cassette->plays,
					    .loop = p->loop,
					    .exchange = x,
					    .fn = fn,
					    .arg = arg};
		if (y->next != NULL)
			y->next->link = &y->next;
		p->cassette->plays = y;
		cassette_head_give(x, &y->head);
		loop_defer(y->loop, play_next, y);
	}
	buf_release(&plain);
	return y;
}

void cassette_play_cancel(struct cassette_play *y)
{
	play_free(y);
}
