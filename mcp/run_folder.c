/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private temporary folders of tool servers: one for each start, in a folder of this supervisor's, in a
 * folder of this user's, all of mode 0700. A supervisor holds a lock on its own folder for as long as it
 * lives, so the next one knows whose folders belong to nobody any more and removes them.
 *
 * What a server leaves behind is not trusted: nothing is followed out of the folder. Removing an empty folder
 * is done at once; one with contents, which may be millions of files, is left to a process made for it.
 * Without a folder to work in servers have no private one, which is reported with their confinement.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WALK_FDS_MAX = 16 };
static const char PREFIX[] = "s-";

/* Of this process; one broker at a time has it open. */
static char *own_path; /* NULL: there is none */
static int own_lock = -1;

/* --- removing --- */

static int entry_remove(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st;
	(void)walk;
	if (kind == FTW_DNR)
		chmod(path, 0700);
	remove(path); /* what stays makes its folder stay, too */
	return 0;
}

static void tree_remove(const char *path)
{
	/* A folder its owner made unreadable is opened up on the first pass. */
	for (int i = 0; i < 2 && access(path, F_OK) == 0; i++)
		nftw(path, entry_remove, WALK_FDS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void run_folder_remove(const char *path)
{
	if (rmdir(path) == 0 || errno == ENOENT)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		tree_remove(path);
		_exit(0);
	}
	if (pid < 0)
		log_warn("a tool server's temporary folder is left behind until the next start",
			 LF_STR("path", path), LF_INT("errno", errno));
}

/* --- leftovers --- */

static void leftover_remove(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		run_folder_remove(path);
	close(fd);
}

static void leftovers_remove(const char *folder)
{
	DIR *d = opendir(folder);
	for (const struct dirent *entry; d && (entry = readdir(d));) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
			continue;
		char *path = xasprintf("%s/%s", folder, entry->d_name);
		leftover_remove(path);
		free(path);
	}
	if (d)
		closedir(d);
}

/* --- the supervisor's own --- */

/* Ours alone: in a folder where anybody may write, somebody else may have come first. */
static bool base_make(const char *path)
{
	struct stat st;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return false;
	if (lstat(path, &st) != 0)
		return false;
	errno = EPERM;
	return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

void run_folder_open(const char *path)
{
	ensure(!own_path);
	if (!path)
		return;
	if (!base_make(path)) {
		log_warn("tool servers have no private temporary folders: the folder for them is not ours "
			 "alone "
			 "or cannot be made; set TMPDIR",
			 LF_STR("path", path), LF_STR("error", strerror(errno)));
		return;
	}
	leftovers_remove(path);
	char *own = xasprintf("%s/%sXXXXXX", path, PREFIX);
	if (mkdtemp(own))
		own_lock = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own_lock >= 0 && flock(own_lock, LOCK_EX | LOCK_NB) == 0) {
		own_path = own;
		return;
	}
	log_warn("tool servers have no private temporary folders", LF_STR("path", own),
		 LF_STR("error", strerror(errno)));
	fd_close(&own_lock);
	free(own);
}

void run_folder_close(void)
{
	if (!own_path)
		return;
	tree_remove(own_path);
	fd_close(&own_lock);
	free(own_path);
	own_path = NULL;
}

bool run_folder_is_open(void)
{
	return own_path != NULL;
}

char *run_folder_make(void)
{
	if (!own_path)
		return NULL;
	char *path = xasprintf("%s/XXXXXX", own_path);
	if (mkdtemp(path))
		return path;
	log_warn("a tool server has no private temporary folder", LF_STR("path", path),
		 LF_STR("error", strerror(errno)));
	free(path);
	return NULL;
}
