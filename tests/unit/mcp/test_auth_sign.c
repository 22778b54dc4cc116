/* SPDX-License-Identifier: Apache-2.0 */
/* The PKCE vector of RFC 7636, and assertions that the public key verifies. */
#include "mcp/auth_int.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void pkce_challenge__is_that_of_the_rfc(void **state)
{
	char out[PKCE_SIZE], other[PKCE_SIZE];
	(void)state;
	pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", out);
	assert_string_equal(out, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	token_random(out);
	token_random(other);
	assert_int_equal(strlen(out), PKCE_SIZE - 1);
	assert_string_not_equal(out, other);
}

static char *pem_of(EVP_PKEY *key)
{
	char *data;
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	long n = BIO_get_mem_data(bio, &data);
	char *pem = xstrndup(data, (size_t)n);
	BIO_free(bio);
	return pem;
}

static void unbase64url(const char *s, size_t n, struct buf *out)
{
	char *copy = xstrndup(s, n);
	struct buf b = BUF_INIT;
	for (char *c = copy; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	buf_add_str(&b, copy);
	while (b.len % 4)
		buf_add_char(&b, '=');
	assert_true(base64_decode(b.data, b.len, out));
	buf_release(&b);
	free(copy);
}

static struct buf der_of(const struct buf *flat)
{
	unsigned char *der = NULL;
	struct buf out = BUF_INIT;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	assert_int_equal(flat->len, 64);
	ECDSA_SIG_set0(sig, BN_bin2bn((const unsigned char *)flat->data, 32, NULL),
		       BN_bin2bn((const unsigned char *)flat->data + 32, 32, NULL));
	int n = i2d_ECDSA_SIG(sig, &der);
	buf_add(&out, der, (size_t)n);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	return out;
}

static void assert_verifies(EVP_PKEY *key, const char *jwt, const char *alg)
{
	const char *dot = strchr(jwt, '.'), *last = strrchr(jwt, '.');
	struct buf head = BUF_INIT, claims = BUF_INIT, sig = BUF_INIT, der;
	struct error e;
	unbase64url(jwt, (size_t)(dot - jwt), &head);
	unbase64url(dot + 1, (size_t)(last - dot - 1), &claims);
	unbase64url(last + 1, strlen(last + 1), &sig);
	assert_non_null(strstr(head.data, alg));
	struct json *j = json_parse(claims.data, claims.len, 0, &e);
	assert_string_equal(json_get_text(j, "iss", ""), "client");
	assert_string_equal(json_get_text(j, "sub", ""), "client");
	assert_string_equal(json_get_text(j, "aud", ""), "https://issuer");
	assert_int_equal(json_get_integer(j, "exp", 0) - json_get_integer(j, "iat", 0), 60);
	der = alg[0] == 'E' ? der_of(&sig) : BUF_INIT;
	const struct buf *used = alg[0] == 'E' ? &der : &sig;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(ctx, (const unsigned char *)used->data, used->len,
					  (const unsigned char *)jwt, (size_t)(last - jwt)),
			 1);
	EVP_MD_CTX_free(ctx);
	json_free(j);
	buf_release(&head);
	buf_release(&claims);
	buf_release(&sig);
	buf_release(&der);
}

static void check_key(EVP_PKEY *key, const char *alg, const char *other)
{
	struct error e;
	char *jwt = NULL, *pem = pem_of(key);
	assert_int_equal(assertion_make(pem, NULL, "client", "https://issuer", &jwt, &e), ERR_NONE);
	assert_verifies(key, jwt, alg);
	secret_free(jwt);
	assert_int_equal(assertion_make(pem, alg, "client", "https://issuer", &jwt, &e), ERR_NONE);
	secret_free(jwt);
	assert_int_equal(assertion_make(pem, other, "client", "https://issuer", &jwt, &e), ERR_CONFIG);
	free(pem);
	EVP_PKEY_free(key);
}

static void assertion_make__signs_with_either_kind_of_key(void **state)
{
	(void)state;
	check_key(EVP_RSA_gen(2048), "RS256", "ES256");
	check_key(EVP_EC_gen("P-256"), "ES256", "RS256");
}

static void assertion_make__refuses_other_keys_and_shows_none(void **state)
{
	struct error e;
	char *jwt = NULL;
	(void)state;
	EVP_PKEY *weak = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-384");
	char *weak_pem = pem_of(weak), *curve_pem = pem_of(curve);
	assert_int_equal(assertion_make(weak_pem, NULL, "c", "a", &jwt, &e), ERR_CONFIG);
	assert_int_equal(assertion_make(curve_pem, NULL, "c", "a", &jwt, &e), ERR_CONFIG);
	assert_int_equal(assertion_make("SECRET-TEXT", NULL, "c", "a", &jwt, &e), ERR_CONFIG);
	assert_null(strstr(e.msg, "SECRET"));
	assert_null(jwt);
	free(weak_pem);
	free(curve_pem);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(curve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pkce_challenge__is_that_of_the_rfc),
		cmocka_unit_test(assertion_make__signs_with_either_kind_of_key),
		cmocka_unit_test(assertion_make__refuses_other_keys_and_shows_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
