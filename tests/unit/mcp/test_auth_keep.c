/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept: only readable with the key, only for the server it was kept for, only by its owner. */
#include "mcp/auth_int.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char KEY[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static char folder[64], path[400];

static int folder_make(void **state)
{
	(void)state;
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	strcpy(folder, "/tmp/auth_keep.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
	char *text = xasprintf("rm -r %s", folder);
	int rc = system(text);
	(void)state;
	free(text);
	return rc;
}

static struct keep *opened(const char *key)
{
	struct keep *k;
	struct error e;
	assert_int_equal(keep_open(folder, key, &k, &e), ERR_NONE);
	return k;
}

static void save(const char *key, const char *url)
{
	struct client c = {CLIENT_DYNAMIC,
			   (char[]){"iss"},
			   (char[]){"id"},
			   (char[]){"SECRET-1"},
			   (char[]){"client_secret_post"},
			   (char[]){"uri"},
			   77};
	struct tokens t = {(char[]){"SECRET-2"}, (char[]){"SECRET-3"}, (char[]){"a b"}, (char[]){"iss"}, 99};
	struct keep *k = opened(key);
	struct dirent *d;
	keep_save(k, url, &c, &t);
	keep_close(k);
	DIR *dir = opendir(folder);
	while ((d = readdir(dir))) {
		if (d->d_name[0] != '.')
			snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
	}
	closedir(dir);
}

/* Was anything found? */
static bool load(const char *key, const char *url)
{
	struct client c = {0};
	struct tokens t = {0};
	struct keep *k = opened(key);
	keep_load(k, url, &c, &t);
	bool found = t.access != NULL;
	if (found) {
		assert_int_equal(c.kind, CLIENT_DYNAMIC);
		assert_string_equal(c.secret, "SECRET-1");
		assert_string_equal(c.method, "client_secret_post");
		assert_int_equal(c.expires_s, 77);
		assert_string_equal(t.access, "SECRET-2");
		assert_string_equal(t.refresh, "SECRET-3");
		assert_string_equal(t.scope, "a b");
		assert_int_equal(t.expires_ms, 99);
	}
	keep_close(k);
	client_release(&c);
	tokens_release(&t);
	return found;
}

static void keep_load__finds_what_was_saved(void **state)
{
	struct stat st;
	struct buf file = BUF_INIT;
	struct error e;
	(void)state;
	save(KEY, "https://a/mcp");
	save(KEY, "https://a/mcp"); /* replaces it */
	assert_true(load(KEY, "https://a/mcp"));
	/* The same key, in base64. */
	assert_true(load("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", "https://a/mcp"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(file_read(path, 100000, &file, &e), ERR_NONE);
	assert_null(memmem(file.data, file.len, "SECRET", 6));
	assert_null(memmem(file.data, file.len, "iss", 3));
	buf_release(&file);
}

static void keep_load__finds_nothing_with_another_key_or_for_another_server(void **state)
{
	(void)state;
	save(KEY, "https://a/mcp");
	assert_false(
		load("ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "https://a/mcp"));
	assert_false(load(KEY, "https://b/mcp"));
	/* One file in the place of another. */
	char was[400];
	strcpy(was, path);
	assert_int_equal(rename(was, "/tmp/auth_keep.moved"), 0);
	save(KEY, "https://b/mcp");
	assert_int_equal(rename("/tmp/auth_keep.moved", path), 0);
	assert_false(load(KEY, "https://b/mcp"));
}

static void keep_load__survives_every_broken_byte(void **state)
{
	struct buf file = BUF_INIT;
	struct error e;
	(void)state;
	save(KEY, "https://a/mcp");
	assert_int_equal(file_read(path, 100000, &file, &e), ERR_NONE);
	for (size_t i = 0; i < file.len; i++) {
		FILE *f = fopen(path, "w");
		file.data[i] ^= 1;
		fwrite(file.data, 1, file.len, f);
		fclose(f);
		assert_false(load(KEY, "https://a/mcp"));
		file.data[i] ^= 1;
	}
	for (size_t n = 0; n < file.len; n += 7) {
		FILE *f = fopen(path, "w");
		fwrite(file.data, 1, n, f);
		fclose(f);
		assert_false(load(KEY, "https://a/mcp"));
	}
	buf_release(&file);
}

static void keep_open__refuses_bad_keys_and_folders(void **state)
{
	static const char *const bad[] = {
		"", "short", "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00"};
	struct keep *k;
	struct error e;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(keep_open(folder, bad[i], &k, &e), ERR_CONFIG);
		assert_null(k);
		assert_true(!*bad[i] || !strstr(e.msg, bad[i]));
	}
	assert_int_not_equal(keep_open("/proc/nowhere/at/all", KEY, &k, &e), ERR_NONE);
	assert_int_equal(keep_open(NULL, KEY, &k, &e), ERR_NONE);
	assert_null(k);
	assert_int_equal(keep_open(folder, NULL, &k, &e), ERR_NONE);
	assert_null(k);
}

#define test(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		test(keep_load__finds_what_was_saved),
		test(keep_load__finds_nothing_with_another_key_or_for_another_server),
		test(keep_load__survives_every_broken_byte),
		test(keep_open__refuses_bad_keys_and_folders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
