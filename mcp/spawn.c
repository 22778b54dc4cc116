/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a tool server's process: no shell, own session and process group, an environment of an allow-list
 * and what is configured, nothing inherited but three pipes, dead when we die, and confined (sandbox.c)
 * unless the operator says otherwise. Between fork and exec only async-signal-safe calls are made, on data
 * prepared before.
 *
 * A failing exec does not look like a server that ended: the child reports stage and errno through a
 * close-on-exec pipe, which reads end-of-file when exec succeeded. Reaping is the caller's.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum spawn_stage { STAGE_DIRECTORY, STAGE_DESCRIPTORS, STAGE_SANDBOX, STAGE_EXEC };
enum { STATUS_FD = 3, FD_LOWEST = 4, CLOSE_FDS_MAX = 1 << 16 };

static const char *const env_allowed[] = {"PATH",  "HOME", "USER", "LOGNAME",
					  "SHELL", "TERM", "LANG", "TMPDIR"};

/* Everything the child needs, made before the fork. NULL-terminated lists, owned. */
struct plan {
	char **paths; /* to try in order */
	char **argv;
	char **env;
	const char *cwd;
	int in, out, err, status; /* the child's ends */
	pid_t parent;
	int fds_max;                           /* where closing one by one ends */
	const struct confinement *confinement; /* NULL: none */
};

struct list {
	char **items;
	size_t count;
};

static void list_add(struct list *l, char *item)
{
	l->items = xrealloc(l->items, (l->count + 2) * sizeof(*l->items));
	l->items[l->count++] = item;
	l->items[l->count] = NULL;
}

static void list_free(char **items)
{
	for (char **p = items; p && *p; p++)
		free(*p);
	free(items);
}

static const char *env_value(const struct mcp_server_options *o, const char *name)
{
	for (size_t i = 0; i < o->env_count; i++) {
		if (strcmp(o->env[i].name, name) == 0)
			return o->env[i].value;
	}
	return getenv(name);
}

static bool env_is_given(const struct mcp_server_options *o, const char *name)
{
	for (size_t i = 0; i < o->env_count; i++)
		if (strcmp(o->env[i].name, name) == 0)
			return true;
	return false;
}

/* folder: for temporary files; NULL: the service's. */
static char **env_make(const struct mcp_server_options *o, const char *folder)
{
	static const char *const temporary[] = {"TMPDIR", "TMP", "TEMP"};
	struct list l = {0};
	for (size_t i = 0; folder && i < COUNT_OF(temporary); i++)
		if (!env_is_given(o, temporary[i]))
			list_add(&l, xasprintf("%s=%s", temporary[i], folder));
	for (size_t i = 0; i < COUNT_OF(env_allowed); i++) {
		const char *value = env_value(o, env_allowed[i]);
		if (folder && !strcmp(env_allowed[i], temporary[0]) && !env_is_given(o, temporary[0]))
			continue;
		if (value)
			list_add(&l, xasprintf("%s=%s", env_allowed[i], value));
	}
	for (size_t i = 0; i < o->env_count; i++) {
		bool allowed = false;
		for (size_t k = 0; k < COUNT_OF(env_allowed) && !allowed; k++)
			allowed = strcmp(o->env[i].name, env_allowed[k]) == 0;
		if (!allowed)
			list_add(&l, xasprintf("%s=%s", o->env[i].name, o->env[i].value));
	}
	if (!l.items)
		l.items = xcalloc(1, sizeof(*l.items));
	return l.items;
}

static char **argv_make(const struct mcp_server_options *o)
{
	struct list l = {0};
	list_add(&l, xstrdup(o->command));
	for (const char *const *a = o->args; a && *a; a++)
		list_add(&l, xstrdup(*a));
	return l.items;
}

/* What execvp would try; it may not be called after a fork. */
static char **paths_make(const struct mcp_server_options *o)
{
	struct list l = {0};
	const char *path = env_value(o, "PATH");
	if (strchr(o->command, '/')) {
		list_add(&l, xstrdup(o->command));
		return l.items;
	}
	for (const char *p = path && *path ? path : "/usr/local/bin:/usr/bin:/bin"; *p;) {
		size_t n = strcspn(p, ":");
		if (n)
			list_add(&l, xasprintf("%.*s/%s", (int)n, p, o->command));
		p += n + (p[n] == ':');
	}
	if (!l.items)
		l.items = xcalloc(1, sizeof(*l.items));
	return l.items;
}

/* --- in the child: async-signal-safe calls only --- */

_Noreturn static void child_fail(int fd, int stage, int errnum)
{
	struct spawn_failure f = {stage, errnum};
	ssize_t n = write(fd, &f, sizeof(f));
	(void)n;
	_exit(127);
}

static void signals_reset(void)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t none;
	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void child_run(const struct plan *p)
{
	int worst = ENOENT;
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != p->parent)
		_exit(127); /* it died before the line above took effect */
	if (dup2(p->in, 0) < 0 || dup2(p->out, 1) < 0 || dup2(p->err, 2) < 0 ||
	    dup3(p->status, STATUS_FD, O_CLOEXEC) < 0)
		child_fail(p->status, STAGE_DESCRIPTORS, errno);
	if (p->cwd && chdir(p->cwd) != 0)
		child_fail(STATUS_FD, STAGE_DIRECTORY, errno);
	if (p->confinement && !confinement_enter(p->confinement))
		child_fail(STATUS_FD, STAGE_SANDBOX, errno);
	if (close_range(FD_LOWEST, ~0U, 0) != 0) {
		for (int fd = FD_LOWEST; fd < p->fds_max; fd++)
			close(fd);
	}
	signals_reset();
	for (char **path = p->paths; *path; path++) {
		execve(*path, p->argv, p->env);
		if (errno != ENOENT && errno != ENOTDIR)
			worst = errno;
	}
	child_fail(STATUS_FD, STAGE_EXEC, worst);
}

/* --- in the parent --- */

/* A pipe whose ends are no low numbers, which the child overwrites. */
static enum err pipe_open(int ends[2], struct error *e)
{
	if (pipe2(ends, O_CLOEXEC) != 0) {
		ends[0] = ends[1] = -1;
		return err_set_errno(e, errno, "cannot make a pipe");
	}
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= FD_LOWEST)
			continue;
		int high = fcntl(ends[i], F_DUPFD_CLOEXEC, FD_LOWEST);
		if (high < 0)
			return err_set_errno(e, errno, "cannot move a descriptor");
		close(ends[i]);
		ends[i] = high;
	}
	return ERR_NONE;
}

static enum err pipes_open(int pipes[4][2], struct error *e)
{
	for (int i = 0; i < 4; i++)
		pipes[i][0] = pipes[i][1] = -1;
	for (int i = 0; i < 4; i++) {
		enum err rc = pipe_open(pipes[i], e);
		if (rc)
			return rc;
	}
	enum err rc = fd_set_nonblock(pipes[0][1], e);
	for (int i = 1; i < 4 && !rc; i++)
		rc = fd_set_nonblock(pipes[i][0], e);
	return rc;
}

static void pipes_close(int pipes[4][2])
{
	for (int i = 0; i < 4; i++) {
		fd_close(&pipes[i][0]);
		fd_close(&pipes[i][1]);
	}
}

/* No handler of ours may run in the child: signals wait until it has reset them. */
static pid_t fork_quiet(const struct plan *p)
{
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		child_run(p);
	int errnum = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = errnum;
	return pid;
}

static int fds_max_get(void)
{
	struct rlimit lim;
	if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur > CLOSE_FDS_MAX)
		return CLOSE_FDS_MAX;
	return (int)lim.rlim_cur;
}

enum err spawn_start(const struct mcp_server_options *o, struct spawned *out, struct error *e)
{
	int pipes[4][2]; /* stdin, stdout, stderr, status */
	struct plan p = {.cwd = o->cwd, .parent = getpid(), .fds_max = fds_max_get()};
	struct confinement *confinement = NULL;
	enum err rc = pipes_open(pipes, e);
	if (rc)
		goto out;
	if (!o->sandbox.off) {
		confinement = confinement_new(o, env_value(o, "PATH"), e);
		rc = confinement ? ERR_NONE : e->code;
		if (rc)
			goto out;
		p.confinement = confinement;
	}
	p.in = pipes[0][0];
	p.out = pipes[1][1];
	p.err = pipes[2][1];
	p.status = pipes[3][1];
	p.paths = paths_make(o);
	p.argv = argv_make(o);
	p.env = env_make(o, confinement ? confinement_folder(confinement) : NULL);
	pid_t pid = fork_quiet(&p);
	if (pid < 0) {
		rc = err_set_errno(e, errno, "cannot fork");
		goto out;
	}
	*out = (struct spawned){pid, pipes[0][1], pipes[1][0], pipes[2][0], pipes[3][0], confinement};
	confinement = NULL;
	pipes[0][1] = pipes[1][0] = pipes[2][0] = pipes[3][0] = -1;
out:
	confinement_free(confinement);
	pipes_close(pipes);
	list_free(p.paths);
	list_free(p.argv);
	list_free(p.env);
	return rc;
}

enum err spawn_failure_set(const struct mcp_server_options *o, const struct spawn_failure *f, struct error *e)
{
	if (f->stage == STAGE_DIRECTORY)
		return err_set(e, ERR_UNAVAILABLE, "cannot enter the working directory %s: %s", o->cwd,
			       strerror(f->errnum));
	if (f->stage == STAGE_SANDBOX)
		return err_set(e, ERR_UNAVAILABLE,
			       "the sandbox of %s cannot be entered: %s (sandbox: off does without)",
			       o->command, strerror(f->errnum));
	if (f->stage == STAGE_EXEC && f->errnum == ENOENT && strchr(o->command, '/'))
		return err_set(e, ERR_UNAVAILABLE, "command not found: %s (or its interpreter)", o->command);
	if (f->stage == STAGE_EXEC && f->errnum == ENOENT)
		return err_set(e, ERR_UNAVAILABLE, "command not found: %s (looked for in PATH)", o->command);
	if (f->stage == STAGE_EXEC)
		return err_set(e, ERR_UNAVAILABLE, "cannot run %s: %s", o->command, strerror(f->errnum));
	return err_set(e, ERR_UNAVAILABLE, "cannot set up the process of %s: %s", o->command,
		       strerror(f->errnum));
}
