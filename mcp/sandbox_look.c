/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks where a path of a confined server leads, without ever waiting for a network. What the kernel knows by
 * heart is asked first (RESOLVE_CACHED): what the server has just looked up itself it mostly does. Some file
 * systems keep no names that are not there, or no links: those of this machine's own memory and disks are
 * then asked name by name, which is quick for what was looked up milliseconds ago. Of all others (network
 * file systems, FUSE) nothing is known then.
 *
 * A path below its own links in /proc (fd/3, cwd, root, exe) leads where these do. Such links of other
 * processes are not followed.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { DEVICES_MAX = 64 };
enum { LINKS_MAX = 40 };
/* The file systems of this machine's own. */
static struct {
	unsigned major, minor;
} devices[DEVICES_MAX];
static size_t devices_count;

static int path_open(int folder, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_PATH | O_CLOEXEC, .resolve = resolve};
	return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
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
	int fd = path_open(AT_FDCWD, path, 0, RESOLVE_CACHED | RESOLVE_NO_SYMLINKS);
	bool plain = fd >= 0 || errno == ENOENT;
	fd_close(&fd);
	return plain;
}

/* --- file systems --- */

static bool type_is_local(const char *type)
{
	static const char *const TYPES[] = {"proc",   "sysfs",   "tmpfs", "ramfs", "devpts",   "devtmpfs",
					    "cgroup", "cgroup2", "ext2",  "ext3",  "ext4",     "xfs",
					    "btrfs",  "f2fs",    "zfs",   "erofs", "squashfs", "overlay"};
	for (size_t i = 0; i < COUNT_OF(TYPES); i++) {
		size_t n = strlen(TYPES[i]);
		if (!strncmp(type, TYPES[i], n) && type[n] == ' ')
			return true;
	}
	return false;
}

void look_prepare(void)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	devices_count = 0;
	while (f && devices_count < DEVICES_MAX && getline(&line, &size, f) > 0) {
		unsigned major, minor;
		const char *type = strstr(line, " - ");
		if (type && type_is_local(type + 3) && sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2) {
			devices[devices_count].major = major;
			devices[devices_count++].minor = minor;
		}
	}
	free(line);
	if (f)
		fclose(f);
}

static bool is_local(int fd, bool *is_link)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) != 0)
		return false;
	*is_link = S_ISLNK(st.stx_mode);
	for (size_t i = 0; i < devices_count; i++)
		if (devices[i].major == st.stx_dev_major && devices[i].minor == st.stx_dev_minor)
			return true;
	return false;
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

static enum file_look absent_or_unknown(int errnum)
{
	bool absent = errnum == ENOENT || errnum == ENOTDIR || errnum == ENAMETOOLONG || errnum == ESRCH ||
		      errnum == ELOOP;
	return absent ? FILE_ABSENT : FILE_UNKNOWN;
}

/* --- name by name --- */

struct walk {
	int at;              /* -1: failed, errno */
	char rest[PATH_MAX]; /* still to go */
	int links;
};

static void walk_fail(struct walk *w, int errnum)
{
	fd_close(&w->at);
	errno = errnum;
}

static void walk_to(struct walk *w, int fd)
{
	close(w->at);
	w->at = fd;
}

/* A link of /proc is another one for each process. */
static void walk_follow(struct walk *w, int link, bool local)
{
	char target[PATH_MAX], rest[PATH_MAX];
	struct statfs fs;
	ssize_t n = local && fstatfs(link, &fs) == 0 && fs.f_type != PROC_SUPER_MAGIC
			    ? readlinkat(link, "", target, sizeof target - 1)
			    : -1;
	close(link);
	target[n > 0 ? n : 0] = '\0';
	if (n <= 0 || ++w->links > LINKS_MAX ||
	    snprintf(rest, sizeof rest, "%s/%s", target, w->rest) >= (int)sizeof rest) {
		walk_fail(w, n > 0 ? ELOOP : EAGAIN);
		return;
	}
	memcpy(w->rest, rest, sizeof rest);
	if (*target == '/')
		walk_to(w, path_open(AT_FDCWD, "/", 0, 0));
}

static void walk_step(struct walk *w, bool follows_last)
{
	char name[NAME_MAX + 1];
	bool link = false;
	char *from = w->rest + strspn(w->rest, "/"), *end = from + strcspn(from, "/");
	size_t n = (size_t)(end - from), more = strspn(end, "/");
	if (n > NAME_MAX) {
		walk_fail(w, ENAMETOOLONG);
		return;
	}
	memcpy(name, from, n);
	name[n] = '\0';
	memmove(w->rest, end + more, strlen(end + more) + 1);
	int fd = path_open(w->at, name, O_NOFOLLOW, RESOLVE_CACHED);
	if (fd < 0 && errno == EAGAIN && is_local(w->at, &link))
		fd = path_open(w->at, name, O_NOFOLLOW, RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
	bool local = fd >= 0 && is_local(fd, &link);
	if (fd < 0)
		walk_fail(w, errno);
	else if (link && (*w->rest || more || follows_last))
		walk_follow(w, fd, local);
	else
		walk_to(w, fd);
}

static int path_walk(const char *path, uint64_t flags)
{
	struct walk w = {.at = path_open(AT_FDCWD, "/", 0, 0)};
	bool is_folder;
	if ((size_t)snprintf(w.rest, sizeof w.rest, "%s", path) >= sizeof w.rest)
		walk_fail(&w, ENAMETOOLONG);
	while (w.at >= 0 && w.rest[strspn(w.rest, "/")])
		walk_step(&w, !(flags & O_NOFOLLOW));
	if (w.at >= 0 && flags & O_DIRECTORY) {
		int folder = path_open(w.at, ".", O_DIRECTORY, RESOLVE_CACHED);
		is_folder = folder >= 0 || errno != ENOTDIR;
		fd_close(&folder);
		if (!is_folder)
			walk_fail(&w, ENOTDIR);
	}
	return w.at;
}

/* --- looking --- */

static enum file_look path_look(const char *path, const struct file_use *u, char real[PATH_MAX])
{
	char name[64];
	bool itself = u->kind != FILE_OPENED || u->link_itself;
	uint64_t flags = (itself ? O_NOFOLLOW : 0) | (u->folder_only ? O_DIRECTORY : 0);
	int fd = path_open(AT_FDCWD, path, flags, RESOLVE_CACHED);
	bool link = false;
	if (fd < 0 && errno == EAGAIN)
		fd = path_walk(path, flags);
	if (fd < 0)
		return absent_or_unknown(errno);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	bool found = link_read(name, real, PATH_MAX);
	/* The last link was not to be followed, and is one: an error of another kind. */
	if (u->kind == FILE_OPENED && itself)
		is_local(fd, &link);
	close(fd);
	return link ? FILE_ABSENT : found ? FILE_FOUND : FILE_UNKNOWN;
}

enum file_look look_at(const char *path, const struct file_use *u, int group, char real[PATH_MAX])
{
	char text[PATH_MAX], target[PATH_MAX], longer[2 * PATH_MAX];
	size_t len = path_collapse(path, text) ? link_len(text) : 0;
	if (!len || !look_is_of_group(text, group))
		return path_look(path, u, real);
	const char *rest = text + len;
	char *link = xasprintf("%.*s", (int)len, text);
	bool file = link_read(link, target, sizeof target);
	free(link);
	if (!file || snprintf(longer, sizeof longer, "%s%s", target, rest) >= PATH_MAX)
		return FILE_ABSENT;
	return path_look(longer, u, real);
}
