/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange as it is recorded: what comes is copied beside the decoder, piece by piece, and when it is over
 * the whole of it is made a file. An exchange that was given up from outside (its task was cancelled, its
 * time was over) had no end and is not kept.
 *
 * The key, and the headers the operator gave, which may hold others, are overwritten wherever request or
 * answer quote them. What no key is as short as is left: it would be found in plain words.
 */
#include "base/base.h"
#include "llm/cassette_int.h"
#include "llm/llm_int.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MIN = 5, HEADER_BYTES_MIN = 12 };

struct cassette_take {
	const struct llm_provider *provider;
	struct cassette_exchange x;
};

struct cassette_take *cassette_take_new(const struct llm_provider *p)
{
	if (p->writer == NULL || atomic_load(&p->cassette->shared->stopped))
		return NULL;
	struct cassette_take *t = xcalloc(1, sizeof *t);
	t->provider = p;
	t->x.end = CASSETTE_LEFT;
	return t;
}

void cassette_take_news(struct cassette_take *t, const struct fetch_news *n)
{
	if (t->x.status == 0)
		cassette_head_take(&t->x, n->head);
	if (n->over || n->body.len > 0)
		cassette_piece_add(&t->x, n->body);
	if (!n->over)
		return;
	t->x.end = n->e->code == ERR_NONE ? CASSETTE_WHOLE : CASSETTE_FAILED;
	t->x.e = *n->e;
}

static void text_mask(struct slice text, const char *secret, size_t min)
{
	size_t n = strlen(secret), left = text.len;
	char *at = (char *)(uintptr_t)text.ptr;
	if (n < min || text.len == 0)
		return;
	for (char *found; (found = memmem(at, left, secret, n)) != NULL; at = found + n) {
		memset(found, '*', n);
		left = text.len - (size_t)(found + n - text.ptr);
	}
}

/* The first lines are of every request alike; see llm_wire_headers. */
static void secrets_mask(const struct llm_provider *p, struct slice text)
{
	static const char *const plain[] = {"Content-Type:", "Accept:", "anthropic-version:"};
	text_mask(text, p->options.api_key, KEY_BYTES_MIN);
	for (char **h = p->headers; *h != NULL; h++) {
		const char *value = strchr(*h, ':');
		bool known = value == NULL;
		for (size_t i = 0; i < COUNT_OF(plain); i++)
			known = known || strncasecmp(*h, plain[i], strlen(plain[i])) == 0;
		if (!known)
			text_mask(text, value + 1 + strspn(value + 1, " \t"), HEADER_BYTES_MIN);
	}
}

const char *cassette_path(const struct llm_provider *p)
{
	const char *host = strstr(p->shown, "://");
	const char *path = strchr(host != NULL ? host + 3 : p->shown, '/');
	return path != NULL ? path : "/";
}

void cassette_take_keep(struct cassette_take *t, struct slice request)
{
	if (t == NULL)
		return;
	const struct llm_provider *p = t->provider;
	struct cassette_exchange *x = &t->x;
	struct buf text = BUF_INIT;
	x->provider = xstrdup(p->options.name);
	x->api = xstrdup(p->wire->name);
	x->path = xstrdup(cassette_path(p));
	cassette_request_plain(request, p->cassette->options.plain, &x->request);
	secrets_mask(p, buf_slice(&x->request));
	cassette_key(x->provider, x->path, buf_slice(&x->request), x->key);
	secrets_mask(p, buf_slice(&x->body));
	secrets_mask(p, slice_str(x->e.msg));
	for (size_t i = 0; i < CASSETTE_HEADERS; i++)
		if (x->headers[i] != NULL)
			secrets_mask(p, slice_str(x->headers[i]));
	cassette_file_write(x, &text);
	text.overflow = text.overflow || x->request.overflow || x->body.overflow;
	cassette_writer_put(p->writer, &text, x->key);
	cassette_take_drop(t);
}

void cassette_take_drop(struct cassette_take *t)
{
	if (t == NULL)
		return;
	cassette_exchange_release(&t->x);
	free(t);
}
