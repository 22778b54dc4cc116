/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests. SHA-256 comes from OpenSSL and is what approvals are bound to. hash64 is our own, for hash tables
 * in the shared mapping: a multiply-and-fold hash in the manner of wyhash, with a fixed seed because every
 * process must get the same value. It does not withstand someone who builds collisions on purpose; tables
 * that take keys from clients bound their chains.
 */
#include "base/base.h"

#include <string.h>

#include <openssl/evp.h>

static const uint64_t secret[] = {0xa0761d6478bd642fULL, 0xe7037ed1a0b428dbULL, 0x8ebc6af09c88c6e3ULL};

void sha256_bytes(const void *p, size_t n, uint8_t out[SHA256_BYTES])
{
	static EVP_MD *sha256; /* looking it up takes as long as a short digest */

	if (!sha256)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	ensure(sha256 && EVP_Digest(p ? p : "", n, out, NULL, sha256, NULL));
}

void sha256_hex(const void *p, size_t n, char out[SHA256_HEX_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t md[SHA256_BYTES];

	sha256_bytes(p, n, md);
	for (size_t i = 0; i < sizeof(md); i++) {
		out[2 * i] = hex[md[i] >> 4];
		out[2 * i + 1] = hex[md[i] & 15];
	}
	out[2 * sizeof(md)] = '\0';
}

/* The two halves of the 128-bit product, folded. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* n (at most 8) bytes as a number, the missing ones 0. */
static uint64_t load(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

uint64_t hash64(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = secret[0] ^ mix((uint64_t)n ^ secret[1], secret[2]);

	for (size_t left = n; left > 0;) {
		size_t low = left < 8 ? left : 8;
		size_t high = left - low < 8 ? left - low : 8;
		uint64_t a = load(p, low), b = high ? load(p + 8, high) : 0;
		h = mix(a ^ secret[1] ^ h, b ^ secret[2]) + 0x9e3779b97f4a7c15ULL * (h | 1);
		p += low + high;
		left -= low + high;
	}
	return mix(h ^ secret[0], (uint64_t)n ^ secret[1]) ^ h >> 32;
}
