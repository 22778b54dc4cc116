/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of HTTP/1.1: whatever comes, whole and cut at each byte it says the same and ends in the same
 * place. */
#include "base/base.h"
#include "base/fetch_int.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
	struct fetch_head head;
	struct fetch_reply reply;
	struct buf body;
};

static void hear(struct heard *h, const uint8_t *data, size_t n, size_t piece)
{
	*h = (struct heard){0};
	fetch_reply_init(&h->reply, &h->head);
	for (size_t at = 0; at < n; at += piece) {
		struct slice in = {(const char *)data + at, n - at < piece ? n - at : piece};
		while (in.len > 0 && h->reply.state != REPLY_DONE && h->reply.state != REPLY_BAD) {
			struct slice body;
			fetch_reply_take(&h->reply, &in, &body);
			buf_add_slice(&h->body, body);
		}
	}
}

static void heard_release(struct heard *h)
{
	buf_release(&h->body);
	fetch_reply_release(&h->reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct heard whole, cut;
	if (n == 0)
		return 0;
	hear(&whole, data, n, n);
	hear(&cut, data, n, 1);
	ensure(whole.reply.state == cut.reply.state && whole.head.status == cut.head.status);
	ensure(slice_eq(buf_slice(&whole.body), buf_slice(&cut.body)) && whole.body.len <= n);
	ensure(memcmp(&whole.head, &cut.head, sizeof(whole.head)) == 0);
	heard_release(&whole);
	heard_release(&cut);
	return 0;
}
