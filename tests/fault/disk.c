/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the disk: per file what was synced, and the lists of what was not, moved forwards operation by
 * operation; then, for one state, the files put together and written out. Files are followed by their birth,
 * not by their name: an unlinked one that nobody saw disappear can come back.
 */
#include "tests/fault/disk.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER = -1 }; /* as the file of a name */

struct disk_file {
	uint64_t ino;
	struct buf synced;
	uint64_t size; /* as of the last operation, synced or not */
};
struct disk_name {
	const char *path; /* in the log */
	ssize_t file;
};

uint64_t mix64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t hash_on(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t w;
	for (; n >= 8; n -= 8, b += 8) {
		memcpy(&w, b, 8);
		h = (h ^ w) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	for (; n; n--, b++)
		h = (h ^ *b) * 0x100000001b3u;
	return mix64(h);
}

struct disk *disk_load(const char *log)
{
	struct disk *d = xcalloc(1, sizeof *d);
	struct error e = {0};
	if (file_read(log, BUF_MAX_DEFAULT, &d->log, &e) != ERR_NONE)
		die(70, "%s", e.msg);
	for (size_t at = 0; at < d->log.len;) {
		const struct io_rec *r = (const struct io_rec *)(const void *)(d->log.data + at);
		ensure(at + sizeof *r <= d->log.len && r->bytes >= sizeof *r && r->op < IO_OP_COUNT);
		d->ops = xrealloc(d->ops, (d->ops_count + 1) * sizeof *d->ops);
		d->ops[d->ops_count++] = r;
		at += r->bytes;
	}
	return d;
}

void disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->files_count; i++)
		buf_release(&d->files[i].synced);
	free(d->files);
	free(d->data);
	free(d->names);
	free(d->durable);
	free(d->ops);
	buf_release(&d->log);
	free(d);
}

size_t disk_ops(const struct disk *d)
{
	return d->ops_count;
}

const struct io_rec *disk_op(const struct disk *d, size_t i)
{
	return d->ops[i];
}

/* --- going forwards --- */

/* The youngest file with that number: numbers are used again. */
static size_t file_of(const struct disk *d, const struct io_rec *r)
{
	for (size_t i = d->files_count; i-- > 0;)
		if (d->files[i].ino == r->ino)
			return i;
	die(70, "the log names the file %s, which it did not see being made", io_rec_path(r));
}

static void pending_add(struct disk_pending **list, size_t *n, size_t op, size_t file)
{
	*list = xrealloc(*list, (*n + 1) * sizeof **list);
	(*list)[(*n)++] = (struct disk_pending){op, file};
}

static void bytes_resize(struct buf *b, uint64_t size, uint8_t fill)
{
	if (size <= b->len) {
		b->len = size;
		return;
	}
	size_t more = size - b->len;
	memset(buf_grow(b, more), fill, more);
	b->len = size;
}

static void bytes_put(struct buf *b, uint64_t at, const uint8_t *p, size_t n, uint8_t fill)
{
	if (at + n > b->len)
		bytes_resize(b, at + n, fill);
	memcpy(b->data + at, p, n);
}

static void file_synced(struct disk *d, size_t file)
{
	size_t kept = 0;
	for (size_t i = 0; i < d->data_count; i++) {
		const struct io_rec *r = d->ops[d->data[i].op];
		if (d->data[i].file != file)
			d->data[kept++] = d->data[i];
		else if (r->op == IO_TRUNCATE)
			bytes_resize(&d->files[file].synced, r->offset, 0);
		else
			bytes_put(&d->files[file].synced, r->offset, io_rec_data(r), r->data_len, 0);
	}
	d->data_count = kept;
}

static size_t parent_len(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) : 0;
}

static bool is_in(const char *path, const char *folder)
{
	return parent_len(path) == strlen(folder) && strncmp(path, folder, strlen(folder)) == 0;
}

static ssize_t name_find(const struct disk_name *names, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i].path, path) == 0)
			return (ssize_t)i;
	return -1;
}

/* Applies one change of names, where it makes sense. */
static void name_apply(struct disk_name **names, size_t *n, const struct io_rec *r, size_t file)
{
	ssize_t at = name_find(*names, *n, io_rec_path(r)), to;
	switch (r->op) {
	case IO_CREATE:
	case IO_MKDIR:
		if (at < 0) {
			*names = xrealloc(*names, (*n + 1) * sizeof **names);
			at = (ssize_t)(*n)++;
		}
		(*names)[at] = (struct disk_name){io_rec_path(r), r->op == IO_MKDIR ? FOLDER : (ssize_t)file};
		break;
	case IO_RENAME:
		if (at < 0)
			break;
		(*names)[at].path = (const char *)io_rec_data(r);
		to = name_find(*names, (size_t)at, (*names)[at].path);
		if (to < 0)
			to = name_find(*names + at + 1, *n - (size_t)at - 1, (*names)[at].path);
		if (to >= 0)
			(*names)[to < at ? to : to + at + 1] = (*names)[--*n];
		break;
	case IO_UNLINK:
		if (at >= 0)
			(*names)[at] = (*names)[--*n];
		break;
	default: break;
	}
}

static void folder_synced(struct disk *d, const char *folder)
{
	size_t kept = 0;
	for (size_t i = 0; i < d->names_count; i++) {
		const struct io_rec *r = d->ops[d->names[i].op];
		if (is_in(io_rec_path(r), folder))
			name_apply(&d->durable, &d->durable_count, r, d->names[i].file);
		else
			d->names[kept++] = d->names[i];
	}
	d->names_count = kept;
}

static void op_begun(struct disk *d, size_t i)
{
	const struct io_rec *r = d->ops[i];
	size_t file = 0;
	if (r->error)
		return;
	if (r->op == IO_CREATE) {
		d->files = xrealloc(d->files, (d->files_count + 1) * sizeof *d->files);
		file = d->files_count++;
		d->files[file] = (struct disk_file){.ino = r->ino};
	} else if (r->op == IO_WRITE || r->op == IO_TRUNCATE || r->op == IO_SYNC) {
		file = file_of(d, r);
	}
	switch (r->op) {
	case IO_WRITE:
		pending_add(&d->data, &d->data_count, i, file);
		if (r->offset + r->data_len > d->files[file].size)
			d->files[file].size = r->offset + r->data_len;
		break;
	case IO_TRUNCATE:
		pending_add(&d->data, &d->data_count, i, file);
		d->files[file].size = r->offset;
		break;
	case IO_SYNC: file_synced(d, file); break;
	case IO_SYNC_DIR: folder_synced(d, io_rec_path(r)); break;
	case IO_CREATE:
	case IO_UNLINK:
	case IO_RENAME:
	case IO_MKDIR: pending_add(&d->names, &d->names_count, i, file); break;
	default: break;
	}
}

void disk_seek(struct disk *d, size_t at)
{
	ensure(at >= d->at && at <= d->ops_count);
	while (d->at < at)
		op_begun(d, d->at++);
}

/* --- one state --- */

static void write_keep(const struct disk *d, const struct disk_state *st, size_t p, struct buf *b)
{
	const struct io_rec *r = d->ops[d->data[p].op];
	for (size_t done = 0, n; done < r->data_len; done += n) {
		n = SECTOR - (r->offset + done) % SECTOR;
		if (n > r->data_len - done)
			n = r->data_len - done;
		if (disk_keeps(d, st, p, (r->offset + done) / SECTOR - r->offset / SECTOR))
			bytes_put(b, r->offset + done, io_rec_data(r) + done, n, st->fill);
	}
}

static void content_of(const struct disk *d, const struct disk_state *st, size_t file, struct buf *b)
{
	const struct disk_file *f = &d->files[file];
	buf_reset(b);
	buf_add(b, f->synced.data, f->synced.len);
	for (size_t p = 0; p < d->data_count; p++) {
		const struct io_rec *r = d->ops[d->data[p].op];
		if (d->data[p].file != file)
			continue;
		if (r->op == IO_WRITE)
			write_keep(d, st, p, b);
		else if (disk_keeps(d, st, p, 0))
			bytes_resize(b, r->offset, st->fill);
	}
	if (st->size == SIZE_OLD && b->len > f->synced.len)
		b->len = f->synced.len;
	if (st->size == SIZE_NEW)
		bytes_resize(b, f->size, st->fill);
	ensure(!b->overflow);
}

static int removed(const char *path, const struct stat *s, int type, struct FTW *f)
{
	(void)s;
	(void)type;
	return f->level ? remove(path) : 0;
}

static void file_write(const char *path, const struct buf *b)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	struct error e = {0};
	if (fd < 0 || fd_write_all(fd, b->data, b->len, &e) != ERR_NONE)
		die(73, "cannot write %s", path);
	close(fd);
}

/* A name is reached only when the folders above it are there. */
static bool reached(const struct disk_name *names, size_t n, const char *path)
{
	char up[256];
	size_t len = parent_len(path);
	if (!len)
		return true;
	snprintf(up, sizeof up, "%.*s", (int)len, path);
	ssize_t at = name_find(names, n, up);
	return at >= 0 && names[at].file == FOLDER && reached(names, n, up);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct disk_name *)a)->path, ((const struct disk_name *)b)->path);
}

uint64_t disk_build(const struct disk *d, const struct disk_state *st, const char *folder)
{
	size_t n = d->durable_count;
	struct disk_name *names = xcalloc(n + 1, sizeof *names);
	struct buf b = BUF_INIT;
	uint64_t hash = 1;
	if (n)
		memcpy(names, d->durable, n * sizeof *names);
	for (size_t i = 0; i < d->names_count; i++)
		if (disk_keeps_name(st, i))
			name_apply(&names, &n, d->ops[d->names[i].op], d->names[i].file);
	qsort(names, n, sizeof *names, by_path);
	if (folder && nftw(folder, removed, 8, FTW_DEPTH | FTW_PHYS) != 0)
		die(73, "cannot empty %s", folder);
	for (size_t i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", folder ? folder : "", names[i].path);
		buf_reset(&b);
		if (names[i].file != FOLDER)
			content_of(d, st, (size_t)names[i].file, &b);
		hash = hash_on(hash, names[i].path, strlen(names[i].path) + 1);
		hash = hash_on(hash, b.data, b.len);
		if (folder && reached(names, n, names[i].path)) {
			if (names[i].file != FOLDER)
				file_write(path, &b);
			else if (mkdir(path, 0700) < 0)
				die(73, "cannot make %s", path);
		}
		free(path);
	}
	buf_release(&b);
	free(names);
	return hash;
}
