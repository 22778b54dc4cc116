/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in a process group, counted in /proc. A server cannot leave the group it was started in
 * (sandbox_seccomp.c), so this is all of it. Blocks for as long as that takes: a directory and a line of each
 * process of the machine. Without /proc there is nothing.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STAT_BYTES = 512 };

/* Threads of a process when it is of this group, else 0. */
static int64_t threads_of(const char *pid, int group, bool alive)
{
	char path[64], text[STAT_BYTES], state = 'Z';
	int pgrp = 0;
	long threads = 0;
	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	fd_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	const char *after = strrchr(text, ')'); /* the name may hold anything */
	if (!after ||
	    sscanf(after + 1, " %c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld",
		   &state, &pgrp, &threads) != 3)
		return 0;
	return pgrp == group && !(alive && (state == 'Z' || state == 'X')) ? threads : 0;
}

int64_t group_threads(int group, bool alive)
{
	int64_t count = 0;
	DIR *d = opendir("/proc");
	for (const struct dirent *entry; d && (entry = readdir(d));)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			count += threads_of(entry->d_name, group, alive);
	if (d)
		closedir(d);
	return count;
}
