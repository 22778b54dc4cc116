/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks where a path of a confined server leads, without ever waiting for a disk or a network: only what the
 * kernel has in its cache of names is found (RESOLVE_CACHED), which is so of what the server has just looked
 * up itself; of the rest nothing is known. In /proc names are made up as they are asked for, and waiting is
 * for the links of other processes only, which are not followed.
 *
 * A path below its own links in /proc (fd/3, cwd, root, exe) leads where these do.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int path_open(const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_PATH | O_CLOEXEC, .resolve = resolve};
	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

/* Where a link of /proc leads; false when that is no file, or it is gone. */
static bool link_read(const char *path, char *out, size_t size)
{
	ssize_t n = readlink(path, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	return *out == '/';
}

bool look_is_plain(const char *path)
{
	int fd = path_open(path, 0, RESOLVE_CACHED | RESOLVE_NO_SYMLINKS);
	bool plain = fd >= 0 || errno == ENOENT;
	fd_close(&fd);
	return plain;
}

/* --- /proc --- */

/* The process whose folder this is in; 0: none. */
static int process_in(const char *path)
{
	int process = 0, n = 0;
	sscanf(path, "/proc/%d%n", &process, &n);
	return n && (path[n] == '/' || !path[n]) ? process : 0;
}

bool look_is_of_group(const char *path, int group)
{
	int process = process_in(path);
	return process > 0 && getpgid(process) == group;
}

/* Behind this name and, number, the number after it; NULL: the text begins otherwise. */
static const char *behind(const char *text, const char *name, bool number)
{
	size_t n = strlen(name),
	       digits = number ? strspn(text + (strncmp(text, name, n) ? 0 : n), "0123456789") : 0;
	if (strncmp(text, name, n) || (number && !digits))
		return NULL;
	const char *end = text + n + digits;
	return *end == '/' || !*end ? end : NULL;
}

/* How much of the path is a link that leads out of /proc; 0: there is none. */
static size_t link_len(const char *path)
{
	const char *process = behind(path, "/proc/", true);
	const char *thread = process ? behind(process, "/task/", true) : NULL;
	const char *at = thread ? thread : process, *end = NULL;
	if (!at)
		return 0;
	if ((end = behind(at, "/fd/", true)) || (end = behind(at, "/cwd", false)) ||
	    (end = behind(at, "/root", false)) || (end = behind(at, "/exe", false)))
		return (size_t)(end - path);
	return 0;
}

/* --- looking --- */

static enum file_look absent_or_unknown(int errnum, bool of_links)
{
	bool absent = errnum == ENOENT || errnum == ENOTDIR || errnum == ENAMETOOLONG || errnum == ESRCH ||
		      (errnum == ELOOP && of_links);
	return absent ? FILE_ABSENT : FILE_UNKNOWN;
}

static bool is_link(int fd)
{
	struct statx st;
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	       S_ISLNK(st.stx_mode);
}

static enum file_look path_look(const char *path, const struct file_use *u, bool made_up, char real[PATH_MAX])
{
	char name[64];
	bool itself = u->kind != FILE_OPENED || u->link_itself;
	int fd = path_open(path, (itself ? O_NOFOLLOW : 0) | (u->folder_only ? O_DIRECTORY : 0),
			   made_up ? RESOLVE_NO_MAGICLINKS : RESOLVE_CACHED);
	if (fd < 0)
		return absent_or_unknown(errno, !made_up);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	bool found = link_read(name, real, PATH_MAX);
	/* The last link was not to be followed, and is one: an error of another kind. */
	bool link = u->kind == FILE_OPENED && itself && is_link(fd);
	close(fd);
	return link ? FILE_ABSENT : found ? FILE_FOUND : FILE_UNKNOWN;
}

enum file_look look_at(const char *path, const struct file_use *u, int group, char real[PATH_MAX])
{
	static const char PROC[] = "/proc/", MOUNTS[] = "/proc/sys/fs/"; /* others' file systems are there */
	char text[PATH_MAX], target[PATH_MAX], longer[2 * PATH_MAX];
	if (!path_collapse(path, text))
		return FILE_ABSENT;
	if (strncmp(text, PROC, strlen(PROC)) || !strncmp(text, MOUNTS, strlen(MOUNTS)))
		return path_look(path, u, false, real);
	size_t len = link_len(text);
	if (!len || !look_is_of_group(text, group))
		return path_look(text, u, true, real);
	const char *rest = text + len;
	char *link = xasprintf("%.*s", (int)len, text);
	bool file = link_read(link, target, sizeof target);
	free(link);
	if (!file || snprintf(longer, sizeof longer, "%s%s", target, rest) >= PATH_MAX)
		return FILE_ABSENT;
	return path_look(longer, u, false, real);
}
