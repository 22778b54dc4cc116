/* SPDX-License-Identifier: Apache-2.0 */
/* A folder for cassettes, and exchanges made by hand. */
#ifndef TESTS_UNIT_LLM_CASSETTE_RIG_H
#define TESTS_UNIT_LLM_CASSETTE_RIG_H

#include "base/base.h"
#include "llm/cassette_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static inline char *folder_make(void)
{
	char path[] = "/tmp/cassette-test-XXXXXX";
	assert_non_null(mkdtemp(path));
	return xstrdup(path);
}

/* With all that is in it. Returns how many files that were, but for the head. */
static inline size_t folder_remove(char *path)
{
	size_t files = 0;
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		files += strcmp(d->d_name, "cassette.json") != 0;
		assert_int_equal(unlinkat(dirfd(dir), d->d_name, 0), 0);
	}
	closedir(dir);
	assert_int_equal(rmdir(path), 0);
	free(path);
	return files;
}

static inline void file_put(const char *dir, const char *name, const char *text)
{
	struct error e;
	char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), &e), ERR_NONE);
	fd_close(&fd);
	free(path);
}

static inline struct llm_cassette *recording(const char *dir, size_t bytes_max)
{
	struct error e;
	struct llm_cassette *k;
	if (llm_cassette_record(&(struct llm_cassette_options){.dir = dir, .bytes_max = bytes_max}, &k, &e))
		fail_msg("%s", e.msg);
	return k;
}

static inline struct llm_cassette *replaying(const char *dir)
{
	struct error e;
	struct llm_cassette *k;
	if (llm_cassette_replay(&(struct llm_cassette_options){.dir = dir, .bytes_max = 1 << 20}, &k, &e))
		fail_msg("%s", e.msg);
	return k;
}

static inline struct cassette_exchange exchange_make(const char *request, const char *body)
{
	struct cassette_exchange x = {.provider = xstrdup("main"),
				      .api = xstrdup("chat"),
				      .path = xstrdup("/v1/chat/completions"),
				      .status = 200};
	buf_add_str(&x.request, request);
	cassette_piece_add(&x, slice_str(body));
	return x;
}

/* The text of its file, in place of it. */
static inline char *exchange_text(struct cassette_exchange x)
{
	struct buf text = BUF_INIT;
	cassette_file_write(&x, &text);
	cassette_exchange_release(&x);
	return buf_take(&text);
}

static inline void exchange_put(const char *dir, const char *name, const char *request, const char *body)
{
	char *text = exchange_text(exchange_make(request, body));
	file_put(dir, name, text);
	free(text);
}

#endif
