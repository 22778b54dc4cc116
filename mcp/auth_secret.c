/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that held credentials: wiped before it is given back, so that what is freed here is not found in a
 * core file or in another allocation. It reaches what we allocate; copies inside libcurl and OpenSSL are
 * theirs.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void secret_set(char **at, char *s)
{
	ensure(!s || *at != s);
	secret_free(*at);
	*at = s;
}

void secret_buf_release(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

static void texts_wipe(const struct json *j)
{
	const char *text = json_text(j);
	if (text)
		explicit_bzero((char *)(uintptr_t)text, strlen(text));
	for (const struct json *m = json_first(j); m; m = json_next(m))
		texts_wipe(m);
}

void secret_json_free(struct json *j)
{
	if (j)
		texts_wipe(j);
	json_free(j);
}

bool secret_equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	return n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}
