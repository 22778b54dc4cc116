/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of a cassette, as it is found when it is opened: `cassette.json`, its head, and one file for
 * each exchange, `NUMBER-KEY.json`, numbered in the order in which they ended. Whatever else lies there is
 * left alone. All of it blocks, and all errors are for whoever starts the service.
 */
#include "base/base.h"
#include "llm/cassette_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES_MAX = 4096, HEAD_VERSION = 1 };
static const char HEAD[] = "cassette.json";

/* --- the head --- */

static enum err head_make(const struct llm_cassette *k, struct error *e)
{
	char text[96], name[32];
	int n = snprintf(text, sizeof text, "{\"version\":%d,\"marks\":\"%016" PRIx64 "%016" PRIx64 "\"}\n",
			 HEAD_VERSION, random_u64(), random_u64());
	snprintf(name, sizeof name, ".%ld-head.tmp", (long)getpid());
	int fd = openat(k->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set_errno(e, errno, "%s: cannot be written to", k->options.dir);
	enum err code = fd_write_all(fd, text, (size_t)n, e);
	fd_close(&fd);
	/* Another service that begins to record here, too, may have been faster. */
	if (code == ERR_NONE && linkat(k->dir_fd, name, k->dir_fd, HEAD, 0) != 0 && errno != EEXIST)
		code = err_set_errno(e, errno, "%s/%s: cannot be made", k->options.dir, HEAD);
	else if (code != ERR_NONE)
		err_prefix(e, "%s/%s", k->options.dir, HEAD);
	unlinkat(k->dir_fd, name, 0);
	return code;
}

static enum err head_read(struct llm_cassette *k, const char *path, struct error *e)
{
	struct buf text = BUF_INIT;
	struct json *j = NULL;
	if (file_read(path, HEAD_BYTES_MAX, &text, e) != ERR_NONE)
		goto out;
	j = json_parse(text.data, text.len, 0, e);
	const char *marks = json_get_text(j, "marks", "");
	if (j == NULL)
		err_prefix(e, "%s", path);
	else if (json_get_integer(j, "version", 0) != HEAD_VERSION || strlen(marks) != sizeof k->marks - 1)
		err_set(e, ERR_CONFIG, "%s: is not the head of a recording, or of one of another version",
			path);
	else
		memcpy(k->marks, marks, sizeof k->marks);
out:
	json_free(j);
	buf_release(&text);
	return e->code;
}

enum err cassette_dir_open(struct llm_cassette *k, struct error *e)
{
	const char *dir = k->options.dir;
	*e = (struct error){0};
	if (!k->replays && mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_set_errno(e, errno, "%s: the folder for the recording cannot be made", dir);
	k->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->dir_fd < 0)
		return err_set_errno(e, errno, "%s: cannot open the folder of the recording", dir);
	if (!k->replays && faccessat(k->dir_fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return err_set_errno(e, errno, "%s: cannot be written to", dir);
	bool there = faccessat(k->dir_fd, HEAD, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (!there && k->replays)
		return err_set(e, ERR_CONFIG,
			       "%s: there is no %s in it: no recording was made there with --record", dir,
			       HEAD);
	if (!there && head_make(k, e) != ERR_NONE)
		return e->code;
	char *path = xasprintf("%s/%s", dir, HEAD);
	enum err code = head_read(k, path, e);
	free(path);
	return code;
}

/* --- the exchanges --- */

/* "000012-3fa4....json" */
static bool name_parse(const char *name, uint64_t *seq)
{
	size_t digits = strspn(name, "0123456789"), key = 0;
	if (digits == 0 || digits > 18 || name[digits] != '-')
		return false;
	key = strspn(name + digits + 1, "0123456789abcdef");
	*seq = strtoull(name, NULL, 10);
	return key > 0 && strcmp(name + digits + 1 + key, ".json") == 0 &&
	       strlen(name) < sizeof((struct cassette_exchange *)NULL)->name;
}

typedef enum err name_fn(struct llm_cassette *k, const char *name, uint64_t seq, size_t bytes, void *arg,
			 struct error *e);

static enum err names_walk(struct llm_cassette *k, name_fn *fn, void *arg, struct error *e)
{
	enum err code = ERR_NONE;
	const struct dirent *d;
	uint64_t seq;
	DIR *dir = opendir(k->options.dir);
	if (dir == NULL)
		return err_set_errno(e, errno, "%s: cannot read the folder", k->options.dir);
	while (code == ERR_NONE && (errno = 0, d = readdir(dir)) != NULL) {
		struct stat st;
		if (!name_parse(d->d_name, &seq))
			continue;
		if (fstatat(dirfd(dir), d->d_name, &st, 0) != 0)
			code = err_set_errno(e, errno, "%s/%s", k->options.dir, d->d_name);
		else
			code = fn(k, d->d_name, seq, (size_t)st.st_size, arg, e);
	}
	if (code == ERR_NONE && errno != 0)
		code = err_set_errno(e, errno, "%s: cannot read the folder", k->options.dir);
	closedir(dir);
	return code;
}

struct sum {
	uint64_t seq, bytes;
};

static enum err name_count(struct llm_cassette *k, const char *name, uint64_t seq, size_t bytes, void *arg,
			   struct error *e)
{
	struct sum *s = arg;
	(void)name;
	(void)e;
	k->found++;
	s->bytes += bytes;
	s->seq = seq > s->seq ? seq : s->seq;
	return ERR_NONE;
}

enum err cassette_dir_scan(struct llm_cassette *k, uint64_t *seq, uint64_t *bytes, struct error *e)
{
	struct sum s = {0};
	enum err code = names_walk(k, name_count, &s, e);
	*seq = s.seq;
	*bytes = s.bytes;
	return code;
}

static enum err file_load(const struct llm_cassette *k, const char *path, struct cassette_exchange *x,
			  struct error *e)
{
	struct buf text = BUF_LIMIT(k->options.bytes_max + 1), plain = BUF_INIT;
	enum err code = file_read(path, k->options.bytes_max, &text, e);
	if (code == ERR_NONE && (code = cassette_file_read(buf_slice(&text), x, e)) != ERR_NONE)
		err_prefix(e, "%s", path);
	buf_release(&text);
	if (code != ERR_NONE)
		return code;
	cassette_request_plain(buf_slice(&x->request), k->options.plain, &plain);
	buf_release(&x->request);
	x->request = plain;
	cassette_key(x->provider, x->path, buf_slice(&x->request), x->key);
	return ERR_NONE;
}

struct load {
	size_t bytes, room;
};

static enum err name_load(struct llm_cassette *k, const char *name, uint64_t seq, size_t bytes, void *arg,
			  struct error *e)
{
	struct load *l = arg;
	l->bytes += bytes;
	if (l->bytes > k->options.bytes_max)
		return err_set(e, ERR_CONFIG,
			       "%s: holds more than %zu bytes of exchanges; raise llm.cassette_bytes to "
			       "replay it",
			       k->options.dir, k->options.bytes_max);
	if (k->found == l->room) {
		l->room = 2 * l->room + 16;
		k->list = xrealloc(k->list, l->room * sizeof *k->list);
	}
	struct cassette_exchange *x = &k->list[k->found];
	char *path = xasprintf("%s/%s", k->options.dir, name);
	enum err code = file_load(k, path, x, e);
	free(path);
	if (code != ERR_NONE)
		return code;
	x->seq = seq;
	snprintf(x->name, sizeof x->name, "%s", name);
	k->found++;
	return ERR_NONE;
}

static int by_key(const void *a, const void *b)
{
	const struct cassette_exchange *x = a, *y = b;
	int order = strcmp(x->key, y->key);
	return order != 0 ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

enum err cassette_dir_load(struct llm_cassette *k, struct error *e)
{
	struct load l = {0};
	enum err code = names_walk(k, name_load, &l, e);
	if (code != ERR_NONE)
		return code;
	if (k->found == 0)
		return err_set(e, ERR_CONFIG, "%s: nothing was recorded there", k->options.dir);
	qsort(k->list, k->found, sizeof *k->list, by_key);
	fd_close(&k->dir_fd);
	return ERR_NONE;
}
