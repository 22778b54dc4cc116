/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What authorization needs of cryptography: unguessable texts, the PKCE challenge (RFC 7636, S256 only), and
 * client assertions (RFC 7523): a JSON Web Token signed with the operator's private key, RS256 or ES256.
 * A key that cannot be used is an error of the configuration with a text that never shows any of it.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { RANDOM_BYTES = 32, ASSERTION_SECONDS = 60, ES256_HALF = 32, RSA_BITS_MIN = 2048 };

void base64url_add(struct buf *out, const void *p, size_t n)
{
	size_t from = out->len;
	base64_encode(p, n, out);
	while (out->len > from && out->data[out->len - 1] == '=')
		out->data[--out->len] = '\0';
	for (size_t i = from; i < out->len; i++)
		out->data[i] = out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i];
}

static void text_of(const uint8_t *p, char out[PKCE_SIZE])
{
	struct buf b = BUF_INIT;
	base64url_add(&b, p, RANDOM_BYTES);
	ensure(b.len == PKCE_SIZE - 1);
	memcpy(out, b.data, PKCE_SIZE);
	secret_buf_release(&b);
}

void token_random(char out[PKCE_SIZE])
{
	uint8_t bytes[RANDOM_BYTES];
	random_bytes(bytes, sizeof(bytes));
	text_of(bytes, out);
	explicit_bzero(bytes, sizeof(bytes));
}

void pkce_challenge(const char *verifier, char out[PKCE_SIZE])
{
	uint8_t digest[SHA256_BYTES];
	sha256_bytes(verifier, strlen(verifier), digest);
	text_of(digest, out);
}

/* --- client assertions --- */

static EVP_PKEY *key_read(const char *pem, struct error *e)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	ensure(bio);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
	BIO_free(bio);
	ERR_clear_error();
	if (!key)
		err_set(e, ERR_CONFIG,
			"auth.private_key_file holds no private key in PEM that is readable "
			"without a passphrase");
	return key;
}

/* The algorithm's name, or NULL: the key and the wish do not go together. */
static const char *alg_of(EVP_PKEY *key, const char *wanted, struct error *e)
{
	char group[32] = "";
	const char *alg = NULL;
	EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
	if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
		alg = "RS256";
	else if (EVP_PKEY_is_a(key, "EC") && (!strcmp(group, "prime256v1") || !strcmp(group, "P-256")))
		alg = "ES256";
	if (alg && (!wanted || !strcmp(alg, wanted)))
		return alg;
	err_set(e, ERR_CONFIG,
		"the key in auth.private_key_file does not do for %s: RS256 takes RSA of %d bits and more, "
		"ES256 takes P-256",
		wanted ? wanted : "RS256 or ES256", RSA_BITS_MIN);
	return NULL;
}

/* DER to the two halves side by side (RFC 7518 section 3.4). */
static bool es256_flat(const uint8_t *der, size_t len, uint8_t out[2 * ES256_HALF])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool good = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, ES256_HALF) == ES256_HALF &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + ES256_HALF, ES256_HALF) == ES256_HALF;
	ECDSA_SIG_free(sig);
	return good;
}

static bool signature_add(EVP_PKEY *key, bool ec, struct buf *jwt)
{
	uint8_t sig[1024], flat[2 * ES256_HALF];
	size_t len = sizeof(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		    EVP_DigestSign(ctx, sig, &len, (const uint8_t *)jwt->data, jwt->len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!good || (ec && !es256_flat(sig, len, flat)))
		return false;
	buf_add_char(jwt, '.');
	base64url_add(jwt, ec ? flat : sig, ec ? sizeof(flat) : len);
	return true;
}

static void claims_write(const char *client_id, const char *audience, struct buf *out)
{
	char id[PKCE_SIZE];
	int64_t now = clock_wall_ms() / 1000;
	struct jw w = JW(out);
	token_random(id);
	jw_object(&w);
	jw_kv_text(&w, "iss", client_id);
	jw_kv_text(&w, "sub", client_id);
	jw_kv_text(&w, "aud", audience);
	jw_kv_text(&w, "jti", id);
	jw_kv_int(&w, "iat", now);
	jw_kv_int(&w, "exp", now + ASSERTION_SECONDS);
	jw_object_end(&w);
}

enum err assertion_make(const char *pem, const char *alg, const char *client_id, const char *audience,
			char **out, struct error *e)
{
	struct buf jwt = BUF_INIT, part = BUF_INIT;
	EVP_PKEY *key = key_read(pem, e);
	const char *used = key ? alg_of(key, alg, e) : NULL;
	enum err rc = used ? ERR_NONE : ERR_CONFIG;
	if (rc)
		goto out;
	buf_printf(&part, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", used);
	base64url_add(&jwt, part.data, part.len);
	buf_add_char(&jwt, '.');
	buf_reset(&part);
	claims_write(client_id, audience, &part);
	base64url_add(&jwt, part.data, part.len);
	if (signature_add(key, used[0] == 'E', &jwt))
		*out = buf_take(&jwt);
	else
		rc = err_set(e, ERR_INTERNAL, "the client assertion could not be signed");
out:
	EVP_PKEY_free(key);
	secret_buf_release(&jwt);
	secret_buf_release(&part);
	return rc;
}
