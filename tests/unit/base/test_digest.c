/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c and base64.c: published test vectors, spread of the hash, strictness of the decoder. */
#include "base/base.h"

#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sha256_hex__matches_the_standard(void **state)
{
	char hex[SHA256_HEX_SIZE];

	(void)state;
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex(NULL, 0, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void sha256_bytes__are_those_of_the_hex(void **state)
{
	char hex[SHA256_HEX_SIZE];
	uint8_t bytes[SHA256_BYTES];

	(void)state;
	sha256_hex("abc", 3, hex);
	sha256_bytes("abc", 3, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		char two[3];

		snprintf(two, sizeof(two), "%02x", bytes[i]);
		assert_memory_equal(two, hex + 2 * i, 2);
	}
	sha256_bytes(NULL, 0, bytes);
	assert_int_equal(bytes[0], 0xe3);
}

static void hash64__is_stable_and_spreads(void **state)
{
	enum { N = 20000, BUCKETS = 256 };
	static uint64_t all[N];
	int low[BUCKETS] = {0}, high[BUCKETS] = {0};

	(void)state;
	assert_true(hash64("task", 4) == hash64("task", 4));
	for (uint32_t i = 0; i < N; i++) { /* keys that differ in few bits */
		all[i] = hash64(&i, sizeof(i));
		low[all[i] % BUCKETS]++;
		high[all[i] >> 56]++;
	}
	for (int i = 0; i < BUCKETS; i++) { /* 78 expected; 5 standard deviations are 44 */
		assert_in_range(low[i], 30, 130);
		assert_in_range(high[i], 30, 130);
	}
	qsort(all, N, sizeof(all[0]), order);
	for (int i = 1; i < N; i++)
		assert_true(all[i - 1] != all[i]);
}

static void hash64__sees_every_byte_and_the_length(void **state)
{
	char text[64] = {0};

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		uint64_t h = hash64(text, n);
		assert_true(n == 0 || h != hash64(text, n - 1));
		for (size_t i = 0; i < n; i++) {
			text[i] = 1;
			assert_true(hash64(text, n) != h);
			text[i] = 0;
		}
	}
}

static void base64__matches_the_rfc_and_reads_back(void **state)
{
	static const char *const pairs[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"},
					       {"\xff\xfe\xfb", "//77"},
					       {"\xfb\xef\xbe", "++++"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct buf out = BUF_INIT, back = BUF_INIT;
		base64_encode(pairs[i][0], strlen(pairs[i][0]), &out);
		assert_string_equal(buf_cstr(&out), pairs[i][1]);
		assert_true(base64_decode(out.data, out.len, &back));
		assert_string_equal(buf_cstr(&back), pairs[i][0]);
		buf_release(&out);
		buf_release(&back);
	}
}

static void base64_decode__is_strict(void **state)
{
	static const char *const bad[] = {"Z",      "Zg",   "Zg=",  "Zg===", "Zh==",     "Zm9=",
					  "Zm9v\n", "Zm 9", "Z===", "====",  "Zg==Zg==", "Zm-_"};
	struct buf out = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(base64_decode(bad[i], strlen(bad[i]), &out));
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_hex__matches_the_standard),
		cmocka_unit_test(sha256_bytes__are_those_of_the_hex),
		cmocka_unit_test(hash64__is_stable_and_spreads),
		cmocka_unit_test(hash64__sees_every_byte_and_the_length),
		cmocka_unit_test(base64__matches_the_rfc_and_reads_back),
		cmocka_unit_test(base64_decode__is_strict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
