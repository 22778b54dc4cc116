/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers straight from the kernel. There is no pool and no state here, so a fork cannot make two
 * processes draw the same bytes. A kernel without getrandom(2) is not one we run on: that is an assertion,
 * not an error.
 */
#include "base/base.h"

#include <errno.h>
#include <sys/random.h>

void random_bytes(void *p, size_t n)
{
	unsigned char *to = p;

	while (n > 0) {
		ssize_t got = getrandom(to, n, 0);
		if (got < 0) {
			ensure(errno == EINTR);
			continue;
		}
		to += got;
		n -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}
