/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registrations and tokens that outlive the process: one small file for each server in a folder of the
 * operator's choice, encrypted with AES-256-GCM under the operator's key, mode 0600. The name and
 * the address of the server are authenticated with it, so that a file cannot be put in another's place.
 * Without a key or a folder nothing is kept, and people log in again after a restart.
 *
 * File: "ARTK1\n", 12 random bytes, the encrypted JSON, 16 bytes of tag. It is replaced by rename, never
 * written in place, and not synced (this runs on the loop): a power cut may cost a log-in, never more. What
 * cannot be read or decrypted is left alone and reported; the next save replaces it.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, FILE_BYTES_MAX = 1 << 20 };
static const char MAGIC[] = "ARTK1\n";
enum { MAGIC_BYTES = sizeof(MAGIC) - 1, HEAD_BYTES = MAGIC_BYTES + NONCE_BYTES };

struct keep {
	char *folder;
	uint8_t key[KEY_BYTES];
};

/* --- the key --- */

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool key_hex(struct slice s, uint8_t *out)
{
	for (size_t i = 0; s.len == 2 * KEY_BYTES && i < KEY_BYTES; i++) {
		int high = hex_value(s.ptr[2 * i]), low = hex_value(s.ptr[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return s.len == 2 * KEY_BYTES;
}

static bool key_read(const char *text, uint8_t *out)
{
	struct slice s = {text, strcspn(text, " \t\r\n")};
	struct buf b = BUF_INIT;
	bool good = key_hex(s, out);
	if (!good && base64_decode(s.ptr, s.len, &b) && b.len == KEY_BYTES) {
		memcpy(out, b.data, KEY_BYTES);
		good = true;
	}
	secret_buf_release(&b);
	return good;
}

enum err keep_open(const char *folder, const char *key, struct keep **out, struct error *e)
{
	struct keep *k = xcalloc(1, sizeof(*k));
	enum err rc = ERR_NONE;
	*out = NULL;
	if (!folder || !key)
		goto out;
	if (!key_read(key, k->key))
		rc = err_set(
			e, ERR_CONFIG,
			"the key for tokens must be 32 bytes, written as 64 hexadecimal digits or as base64 "
			"(openssl rand -hex 32)");
	else if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		rc = err_set_errno(e, errno, "cannot make the folder for tokens, %s", folder);
	else if (access(folder, W_OK | X_OK) != 0)
		rc = err_set_errno(e, errno, "cannot write to the folder for tokens, %s", folder);
	if (rc)
		goto out;
	k->folder = xstrdup(folder);
	*out = k;
	return ERR_NONE;
out:
	keep_close(k);
	return rc;
}

void keep_close(struct keep *k)
{
	if (!k)
		return;
	free(k->folder);
	explicit_bzero(k, sizeof(*k));
	free(k);
}

/* --- encryption --- */

/* Either way; in and out may not overlap. */
static bool sealed(const struct keep *k, bool seal, const char *bound, uint8_t *nonce, struct slice in,
		   uint8_t *out, uint8_t tag[TAG_BYTES])
{
	int n, rest;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool good = c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, k->key, nonce, seal) == 1 &&
		    EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)bound, (int)strlen(bound)) == 1 &&
		    EVP_CipherUpdate(c, out, &n, (const uint8_t *)in.ptr, (int)in.len) == 1 &&
		    (seal || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1) &&
		    EVP_CipherFinal_ex(c, out + n, &rest) == 1 &&
		    (!seal || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1);
	EVP_CIPHER_CTX_free(c);
	return good;
}

static char *path_make(const struct keep *k, const char *server)
{
	char hex[SHA256_HEX_SIZE];
	sha256_hex(server, strlen(server), hex);
	return xasprintf("%s/%.32s.token", k->folder, hex);
}

/* --- loading --- */

static char *text_take(const struct json *j, const char *name)
{
	return xstrdup(json_get_text(j, name, NULL));
}

static void contents_read(const struct json *j, struct client *c, struct tokens *t)
{
	const struct json *client = json_get(j, "client"), *tokens = json_get(j, "tokens");
	if (json_get_text(client, "id", NULL) && json_get_text(client, "issuer", NULL) &&
	    json_get_text(client, "method", NULL) && json_get_text(client, "redirect_uri", NULL)) {
		c->kind = json_get_bool(client, "dynamic", false) ? CLIENT_DYNAMIC : CLIENT_GIVEN;
		c->id = text_take(client, "id");
		c->issuer = text_take(client, "issuer");
		c->secret = text_take(client, "secret");
		c->method = text_take(client, "method");
		c->redirect_uri = text_take(client, "redirect_uri");
		c->expires_s = json_get_integer(client, "expires_s", 0);
	}
	if (json_get_text(tokens, "issuer", NULL)) {
		t->access = text_take(tokens, "access");
		t->refresh = text_take(tokens, "refresh");
		t->scope = text_take(tokens, "scope");
		t->issuer = text_take(tokens, "issuer");
		t->expires_ms = json_get_integer(tokens, "expires_ms", 0);
	}
}

static void sealed_read(const struct keep *k, const char *server, const char *path, struct buf *file,
			struct client *c, struct tokens *t)
{
	struct error e = {0};
	size_t len = file->len > HEAD_BYTES + TAG_BYTES ? file->len - HEAD_BYTES - TAG_BYTES : 0;
	uint8_t *bytes = (uint8_t *)file->data;
	char *plain = xcalloc(1, len + 1);
	struct json *j = NULL;
	if (len && !memcmp(bytes, MAGIC, MAGIC_BYTES) &&
	    sealed(k, false, server, bytes + MAGIC_BYTES, (struct slice){file->data + HEAD_BYTES, len},
		   (uint8_t *)plain, bytes + HEAD_BYTES + len))
		j = json_parse(plain, len, 0, &e);
	if (j)
		contents_read(j, c, t);
	else
		log_warn("kept tokens cannot be decrypted: is it the same key? a log-in may be needed",
			 LF_STR("path", path));
	explicit_bzero(plain, len);
	free(plain);
	secret_json_free(j);
}

void keep_load(struct keep *k, const char *server, struct client *c, struct tokens *t)
{
	struct error e;
	struct buf file = BUF_INIT;
	if (!k)
		return;
	char *path = path_make(k, server);
	if (access(path, F_OK) == 0) {
		if (file_read(path, FILE_BYTES_MAX, &file, &e) == ERR_NONE)
			sealed_read(k, server, path, &file, c, t);
		else
			log_warn("kept tokens cannot be read", LF_STR("error", e.msg));
	}
	buf_release(&file);
	free(path);
}

/* --- saving --- */

static void contents_write(const struct client *c, const struct tokens *t, struct buf *out)
{
	struct jw w = JW(out);
	jw_object(&w);
	if (c->kind == CLIENT_GIVEN || c->kind == CLIENT_DYNAMIC) {
		bool ours = c->kind == CLIENT_DYNAMIC;
		jw_name(&w, "client");
		jw_object(&w);
		jw_kv_bool(&w, "dynamic", ours);
		jw_kv_text(&w, "issuer", c->issuer);
		jw_kv_text(&w, "id", c->id);
		jw_kv_text(&w, "secret", ours ? c->secret : NULL);
		jw_kv_text(&w, "method", c->method);
		jw_kv_text(&w, "redirect_uri", c->redirect_uri);
		jw_kv_int(&w, "expires_s", c->expires_s);
		jw_object_end(&w);
	}
	if (t->issuer) {
		jw_name(&w, "tokens");
		jw_object(&w);
		jw_kv_text(&w, "issuer", t->issuer);
		jw_kv_text(&w, "access", t->access);
		jw_kv_text(&w, "refresh", t->refresh);
		jw_kv_text(&w, "scope", t->scope);
		jw_kv_int(&w, "expires_ms", t->expires_ms);
		jw_object_end(&w);
	}
	jw_object_end(&w);
}

static enum err file_replace(const char *path, struct slice bytes, struct error *e)
{
	char *aside = xasprintf("%s.new", path);
	enum err rc = ERR_NONE;
	int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		rc = err_set_errno(e, errno, "cannot write %s", aside);
	if (!rc)
		rc = fchmod(fd, 0600) ? err_set_errno(e, errno, "cannot protect %s", aside)
				      : fd_write_all(fd, bytes.ptr, bytes.len, e);
	fd_close(&fd);
	if (!rc && rename(aside, path) != 0)
		rc = err_set_errno(e, errno, "cannot replace %s", path);
	free(aside);
	return rc;
}

void keep_save(struct keep *k, const char *server, const struct client *c, const struct tokens *t)
{
	struct error e = {0};
	struct buf plain = BUF_INIT, file = BUF_INIT;
	uint8_t nonce[NONCE_BYTES], tag[TAG_BYTES];
	if (!k)
		return;
	char *path = path_make(k, server);
	contents_write(c, t, &plain);
	random_bytes(nonce, sizeof(nonce));
	buf_add(&file, MAGIC, MAGIC_BYTES);
	buf_add(&file, nonce, sizeof(nonce));
	char *room = buf_grow(&file, plain.len);
	ensure(room);
	ensure(sealed(k, true, server, nonce, buf_slice(&plain), (uint8_t *)room, tag));
	file.len += plain.len;
	buf_add(&file, tag, sizeof(tag));
	if (file_replace(path, buf_slice(&file), &e) != ERR_NONE)
		log_warn("tokens are not kept: a log-in may be needed after a restart",
			 LF_STR("error", e.msg));
	secret_buf_release(&plain);
	buf_release(&file);
	free(path);
}
