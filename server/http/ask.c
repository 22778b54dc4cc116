/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the archive on behalf of a request. The archive asks every keeper there is until one answers;
 * a client is not kept waiting as long as that: after store.ack_seconds the question is taken back and the
 * answer is that there is none.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>

static void ask_over(struct http_waiter *w)
{
	struct api_ask *q = (struct api_ask *)((char *)w - offsetof(struct api_ask, waiter));
	struct archive_answer none = {0};

	archive_cancel(q->call);
	q->call = NULL;
	err_set(&none.error, ERR_UNAVAILABLE,
		"the database has not answered after %lld ms (store.ack_seconds)",
		(long long)q->http->options.ack_ms_max);
	q->fn(&none, q->arg);
}

void api_ask_came(const struct archive_answer *a, void *ask)
{
	struct api_ask *q = ask;

	q->call = NULL;
	http_wait_end(q->http->waiters, &q->waiter);
	q->fn(a, q->arg);
}

void api_ask_start(struct api_ask *q, struct http *h, struct archive_call *call, archive_fn *fn, void *arg)
{
	ensure(!q->call);
	*q = (struct api_ask){.http = h, .call = call, .fn = fn, .arg = arg};
	q->waiter.on_over = ask_over;
	http_wait(h->waiters, &q->waiter);
}

void api_ask_cancel(struct api_ask *q)
{
	if (!q->call)
		return;
	archive_cancel(q->call);
	q->call = NULL;
	http_wait_end(q->http->waiters, &q->waiter);
}
