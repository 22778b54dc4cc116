/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target for recorded exchanges. Whatever a file holds: it is an exchange or refused with a reason; what
 * was read is written so that it is read again as the same; its request can be looked up, and compared with
 * any other.
 */
#include "base/base.h"
#include "llm/cassette_int.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_check(const struct cassette_exchange *a, const struct cassette_exchange *b)
{
	ensure(strcmp(a->provider, b->provider) == 0 && strcmp(a->path, b->path) == 0);
	ensure(slice_eq(buf_slice(&a->body), buf_slice(&b->body)));
	ensure(slice_eq(buf_slice(&a->request), buf_slice(&b->request)));
	ensure(a->status == b->status && a->end == b->end && a->e.code == b->e.code);
	ensure(a->pieces_count == b->pieces_count);
	ensure(memcmp(a->pieces, b->pieces, a->pieces_count * sizeof *a->pieces) == 0);
}

static void exchange_check(const struct cassette_exchange *x)
{
	struct cassette_exchange again;
	struct error e = {0};
	struct buf text = BUF_INIT, once = BUF_INIT, twice = BUF_INIT, where = BUF_INIT;
	char key[SHA256_HEX_SIZE];
	size_t sum = 0;
	for (size_t i = 0; i < x->pieces_count; i++)
		sum += x->pieces[i];
	ensure(sum == x->body.len && x->pieces_count > 0);
	cassette_file_write(x, &text);
	ensure(cassette_file_read(buf_slice(&text), &again, &e) == ERR_NONE);
	same_check(x, &again);
	cassette_exchange_release(&again);
	cassette_request_plain(buf_slice(&x->request), NULL, &once);
	cassette_request_plain(buf_slice(&once), NULL, &twice);
	ensure(slice_eq(buf_slice(&once), buf_slice(&twice)));
	cassette_key(x->provider, x->path, buf_slice(&once), key);
	cassette_difference(buf_slice(&once), SLICE_LIT("{\"messages\":[]}"), &where);
	ensure(where.len > 0 && utf8_valid(where.data, where.len));
	buf_release(&text);
	buf_release(&once);
	buf_release(&twice);
	buf_release(&where);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cassette_exchange x;
	struct error e = {0};
	if (cassette_file_read((struct slice){(const char *)data, size}, &x, &e) == ERR_NONE) {
		exchange_check(&x);
		cassette_exchange_release(&x);
	} else {
		ensure(e.msg[0] != '\0' && utf8_valid(e.msg, strlen(e.msg)));
	}
	return 0;
}
