/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that use files by their paths, as far as Landlock may refuse them: which argument is the
 * path, from which folder it counts, and what is done to the file. One table, read by the filter that asks
 * about them (sandbox_seccomp.c) and by who answers (sandbox_files.c). Pure: memory of the asking process is
 * read elsewhere.
 *
 * Left out is what Landlock never refuses (attributes, links read, the working directory, O_PATH), and what
 * no path is given for.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

enum { NO_FOLDER = -1, NO_FLAGS = -1, FLAGS_ARE_READ = -2 };
/* How a path is used, when it is not by the flags of open. */
enum { BY_FLAGS = -1 };

struct part {
	int8_t folder, path, kind; /* arguments; enum file_use_kind or BY_FLAGS */
	bool write;
};
static const struct row {
	int number;
	const char *name;
	struct part parts[FILE_USES_MAX];
	size_t count;
	int8_t flags; /* argument */
} ROWS[] = {
#define AT(nr, parts_count, flags, ...)                                      \
	{                                                                    \
		SYS_##nr, #nr, {__VA_ARGS__}, (parts_count), (int8_t)(flags) \
	}
#define ONE(nr, folder, path, kind, write) AT(nr, 1, NO_FLAGS, {folder, path, kind, write})
#define TWO(nr, from_folder, from, to_folder, to, to_kind) \
	AT(nr, 2, NO_FLAGS, {from_folder, from, FILE_REMOVED, true}, {to_folder, to, to_kind, true})
	AT(openat, 1, 2, {0, 1, BY_FLAGS, false}),
	AT(openat2, 1, FLAGS_ARE_READ, {0, 1, BY_FLAGS, false}),
	ONE(execve, NO_FOLDER, 0, FILE_OPENED, false),
	ONE(execveat, 0, 1, FILE_OPENED, false),
	ONE(truncate, NO_FOLDER, 0, FILE_OPENED, true),
	ONE(mkdirat, 0, 1, FILE_MADE, true),
	ONE(mknodat, 0, 1, FILE_MADE, true),
	ONE(symlinkat, 1, 2, FILE_MADE, true),
	ONE(unlinkat, 0, 1, FILE_REMOVED, true),
	TWO(renameat, 0, 1, 2, 3, FILE_PLACED),
	TWO(renameat2, 0, 1, 2, 3, FILE_PLACED),
	TWO(linkat, 0, 1, 2, 3, FILE_MADE),
#ifdef SYS_open
	AT(open, 1, 1, {NO_FOLDER, 0, BY_FLAGS, false}),
	AT(creat, 1, NO_FLAGS, {NO_FOLDER, 0, BY_FLAGS, false}),
	ONE(mkdir, NO_FOLDER, 0, FILE_MADE, true),
	ONE(mknod, NO_FOLDER, 0, FILE_MADE, true),
	ONE(symlink, NO_FOLDER, 1, FILE_MADE, true),
	ONE(unlink, NO_FOLDER, 0, FILE_REMOVED, true),
	ONE(rmdir, NO_FOLDER, 0, FILE_REMOVED, true),
	TWO(rename, NO_FOLDER, 0, NO_FOLDER, 1, FILE_PLACED),
	TWO(link, NO_FOLDER, 0, NO_FOLDER, 1, FILE_MADE),
#endif
#undef AT
#undef ONE
#undef TWO
};

int file_call_number(size_t i)
{
	return i < COUNT_OF(ROWS) ? ROWS[i].number : -1;
}

static const struct row *row_find(int number)
{
	for (size_t i = 0; i < COUNT_OF(ROWS); i++)
		if (ROWS[i].number == number)
			return &ROWS[i];
	return NULL;
}

const char *file_call_name(int number)
{
	const struct row *r = row_find(number);
	return r ? r->name : NULL;
}

bool file_call_executes(int number)
{
	return number == SYS_execve || number == SYS_execveat;
}

uint64_t file_call_flags_at(const struct seccomp_data *d)
{
	const struct row *r = row_find(d->nr);
	return r && r->flags == FLAGS_ARE_READ ? d->args[2] : 0;
}

/* false: such an open is not refused for where the file is. */
static bool opened_as(struct file_use *u, uint64_t flags)
{
	uint64_t access = flags & O_ACCMODE;
	if (flags & O_PATH || access == O_ACCMODE)
		return false;
	u->kind = (flags & O_CREAT) && (flags & O_EXCL) ? FILE_MADE : FILE_OPENED;
	u->write = access != O_RDONLY || flags & O_TRUNC || u->kind == FILE_MADE;
	u->create = flags & O_CREAT;
	u->folder_only = (flags & O_DIRECTORY) && (flags & O_TMPFILE) != O_TMPFILE;
	u->link_itself = flags & O_NOFOLLOW;
	return true;
}

size_t file_call_uses(const struct seccomp_data *d, uint64_t flags_read, struct file_use out[FILE_USES_MAX])
{
	const struct row *r = row_find(d->nr);
	size_t count = 0;
	for (size_t i = 0; r && i < r->count; i++) {
		const struct part *p = &r->parts[i];
		struct file_use *u = &out[count];
		*u = (struct file_use){.folder = p->folder == NO_FOLDER ? AT_FDCWD : (int)d->args[p->folder],
				       .path = d->args[p->path],
				       .write = p->write};
		uint64_t flags = r->flags >= 0                ? d->args[r->flags]
				 : r->flags == FLAGS_ARE_READ ? flags_read
							      : O_CREAT | O_WRONLY | O_TRUNC;
		if (p->kind != BY_FLAGS)
			u->kind = (enum file_use_kind)p->kind;
		else if (!opened_as(u, flags))
			continue;
		count++;
	}
	return count;
}
