/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that came to the master because whoever started them died: what tool servers had started when
 * the supervisor was killed. The servers themselves die with it (parent-death signal), but nobody is left to
 * end their groups, and a server may have cancelled that signal. The master is where orphans go, so it ends
 * them: the group of every server that dies as its child, and for a while after a supervisor's death whatever
 * else has come to it.
 *
 * An orphan within the group of a living server is that server's and is left alone. As process 1 of a
 * container the master cannot tell what else was orphaned there (by `docker exec`): that goes, too, when a
 * supervisor dies.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { WATCHFUL_MS = 10000 };

void strays_adopt(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		log_warn("what a killed supervisor leaves running cannot be ended");
}

static bool is_child(const struct master *m, pid_t pid)
{
	for (size_t i = 0; i < m->children_count; i++)
		if (m->children[i].pid == pid)
			return true;
	return false;
}

/* Parent and process group of a process; false when it is gone. */
static bool process_look(pid_t pid, pid_t *parent, pid_t *group)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	fd_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	const char *after = strrchr(text, ')'); /* the name may hold anything */
	return after != NULL && sscanf(after + 1, " %*c %d %d", parent, group) == 2;
}

/* Of a server that the present supervisor has. */
static bool is_of_living_server(const struct master *m, pid_t group)
{
	pid_t parent, its_group;
	return process_look(group, &parent, &its_group) && parent != getpid() && is_child(m, parent);
}

static void group_kill(pid_t group)
{
	if (group > 1 && group != getpgrp())
		kill(-group, SIGKILL);
}

void strays_kill(const struct master *m)
{
	DIR *d = opendir("/proc");
	size_t count = 0;
	for (const struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;) {
		pid_t pid = (pid_t)atoi(entry->d_name), parent, group;
		if (pid <= 1 || !process_look(pid, &parent, &group) || parent != getpid() ||
		    is_child(m, pid) || is_of_living_server(m, group))
			continue;
		group_kill(group);
		kill(pid, SIGKILL);
		count++;
	}
	if (d != NULL)
		closedir(d);
	if (count > 0)
		log_warn("processes that tool servers left behind were killed",
			 LF_INT("processes", (int64_t)count));
}

void stray_ended(struct master *m, pid_t pid)
{
	/* It is not reaped yet, so its number, and that of the group it leads, is nobody else's. */
	if (getpgid(pid) == pid)
		group_kill(pid);
	if (clock_mono_ms() < m->strays_until_ms)
		strays_kill(m);
}

void strays_expect(struct master *m)
{
	m->strays_until_ms = clock_mono_ms() + WATCHFUL_MS;
	strays_kill(m);
}
