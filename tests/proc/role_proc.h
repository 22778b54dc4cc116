/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the service as processes. The test is a subreaper: every orphan becomes its child, so that
 * waiting until it has none proves that nothing is left.
 *
 * The binary is $AGENT_RUNTIME, or the one that `make` built.
 */
#ifndef TESTS_PROC_ROLE_PROC_H
#define TESTS_PROC_ROLE_PROC_H

#include "base/base.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, WORDS_MAX = 32 };

struct proc {
	pid_t pid;
	int out; /* its stdout and stderr */
	struct buf text;
};

static char binary[PATH_MAX], fake[PATH_MAX], dir[] = "/tmp/role-proc-XXXXXX", config[PATH_MAX];

/* --- processes --- */

static inline void proc_start(struct proc *p, const char *const *words)
{
	int ends[2];
	*p = (struct proc){0};
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		const char *argv[WORDS_MAX + 2] = {binary};
		for (int i = 0; words[i] != NULL && i < WORDS_MAX; i++)
			argv[i + 1] = words[i];
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execv(binary, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(ends[1]);
	p->out = ends[0];
	fcntl(p->out, F_SETFL, O_NONBLOCK);
}
#define start(p, ...) proc_start((p), (const char *[]){__VA_ARGS__, NULL})

/* Takes what was written; false at its end. */
static inline bool proc_read(struct proc *p, int wait_ms)
{
	char bytes[4096];
	struct pollfd f = {.fd = p->out, .events = POLLIN};
	if (poll(&f, 1, wait_ms) <= 0)
		return true;
	ssize_t n = read(p->out, bytes, sizeof bytes);
	if (n > 0)
		buf_add(&p->text, bytes, (size_t)n);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static inline void proc_says(struct proc *p, const char *what)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	while (strstr(buf_cstr(&p->text), what) == NULL && clock_mono_ms() < until && proc_read(p, 100))
		;
	if (strstr(buf_cstr(&p->text), what) == NULL)
		fail_msg("never said \"%s\": %s", what, buf_cstr(&p->text));
}

static inline size_t proc_said(struct proc *p, const char *what)
{
	size_t n = 0;
	for (const char *at = buf_cstr(&p->text); (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

/* Waits until this process and everything it has left behind are gone; its exit status. */
static inline int all_gone(struct proc *p)
{
	int status = -1, got;
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	for (;;) {
		pid_t pid = waitpid(-1, &got, WNOHANG);
		if (pid == p->pid)
			status = got;
		if (pid < 0 && errno == ECHILD)
			break;
		if (clock_mono_ms() > until)
			fail_msg("something is left: %s", buf_cstr(&p->text));
		if (pid == 0)
			proc_read(p, 10);
	}
	while (proc_read(p, 0) && p->out >= 0) {
		struct pollfd f = {.fd = p->out, .events = POLLIN};
		if (poll(&f, 1, 0) <= 0)
			break;
	}
	return status;
}

static inline void proc_close(struct proc *p)
{
	close(p->out);
	buf_release(&p->text);
}

/* Children of pid whose title or program begins so; how many, the first in *first. */
static inline int children_of(pid_t pid, const char *title, pid_t *first)
{
	char path[64], text[256];
	int count = 0;
	DIR *d = opendir("/proc");
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		int its_parent = 0, fd;
		pid_t its = (pid_t)atoi(e->d_name);
		if (its <= 0)
			continue;
		snprintf(path, sizeof path, "/proc/%d/stat", its);
		FILE *f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%*d (%*[^)]) %*c %d", &its_parent) != 1)
			its_parent = 0;
		fclose(f);
		snprintf(path, sizeof path, "/proc/%d/cmdline", its);
		fd = its_parent == pid ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
		if (fd >= 0)
			close(fd);
		if (n <= 0)
			continue;
		text[n] = '\0';
		if (strncmp(text, title, strlen(title)) != 0)
			continue;
		if (count++ == 0 && first != NULL)
			*first = its;
	}
	closedir(d);
	return count;
}

/* --- peers --- */

/* A listening socket that nobody answers at: a model that thinks for ever. Its address as --set. */
static inline int hang_open(char out[64])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 16) == 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(out, 64, "openai.base_url=http://127.0.0.1:%d/v1", ntohs(a.sin_port));
	return fd;
}

/* Waits until the model was asked. */
static inline void hang_asked(int fd, struct proc *p)
{
	struct pollfd f = {.fd = fd, .events = POLLIN};
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	while (poll(&f, 1, 50) != 1)
		if (!proc_read(p, 0) || clock_mono_ms() > until)
			fail_msg("the model was never asked: %s", buf_cstr(&p->text));
}

/* A model that plans one step, finishes it and answers; a thread, since a process would be waited for. When
 * it is told of a tool "doubt__count", the step calls that one first. */
struct model {
	int fd;
	pthread_t thread;
	char set[64];
};

static inline void model_answer(int fd)
{
	static const char planned[] = "{\\\"steps\\\":[{\\\"id\\\":\\\"s1\\\",\\\"title\\\":\\\"Think\\\","
				      "\\\"objective\\\":\\\"think\\\",%s"
				      "\\\"side_effects\\\":\\\"%s\\\"}]}";
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	struct buf b = BUF_INIT, out = BUF_INIT;
	char bytes[8192];
	const char *head = NULL, *length;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;) {
		buf_add(&b, bytes, (size_t)n);
		head = strstr(buf_cstr(&b), "\r\n\r\n");
		length = strcasestr(buf_cstr(&b), "content-length:");
		if (head != NULL && length != NULL &&
		    b.len >= (size_t)(head - b.data) + 4 + strtoul(length + 15, NULL, 10))
			break;
	}
	buf_add_str(
		&out,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
		"{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",");
	bool calls = strstr(buf_cstr(&b), "doubt__count") != NULL;
	if (strstr(buf_cstr(&b), "You are the planner") != NULL) {
		buf_add_str(&out, "\"content\":\"");
		buf_printf(&out, planned, calls ? "\\\"tool_hints\\\":[\\\"doubt__count\\\"]," : "",
			   calls ? "write" : "none");
		buf_add_str(&out, "\"");
	} else if (strstr(buf_cstr(&b), "You are the executor") != NULL && calls &&
		   strstr(buf_cstr(&b), "\"role\":\"tool\"") == NULL)
		buf_add_str(&out,
			    "\"tool_calls\":[{\"id\":\"d\",\"type\":\"function\",\"function\":{\"name\":"
			    "\"doubt__count\",\"arguments\":\"{\\\"file\\\":\\\"never\\\"}\"}}]");
	else if (strstr(buf_cstr(&b), "You are the executor") != NULL)
		buf_add_str(&out,
			    "\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":"
			    "\"finish_step\","
			    "\"arguments\":\"{\\\"status\\\":\\\"success\\\",\\\"result\\\":\\\"r\\\"}\"}}]");
	else
		buf_add_str(&out, "\"content\":\"The thought.\"");
	buf_add_str(&out, "}}]}");
	(void)send(fd, out.data, out.len, MSG_NOSIGNAL);
	buf_release(&b);
	buf_release(&out);
}

static inline void *model_main(void *arg)
{
	struct model *m = arg;
	for (int fd; (fd = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(fd))
		model_answer(fd);
	return NULL;
}

static inline void model_open(struct model *m)
{
	m->fd = hang_open(m->set);
	assert_int_equal(pthread_create(&m->thread, NULL, model_main, m), 0);
}

static inline void model_close(struct model *m)
{
	shutdown(m->fd, SHUT_RDWR);
	pthread_join(m->thread, NULL);
	close(m->fd);
}

/* Port that a server wrote to its file. */
static inline int port_of(const char *path, struct proc *p)
{
	int port = 0;
	for (int64_t until = clock_mono_ms() + PATIENCE_MS; port == 0 && clock_mono_ms() < until;
	     proc_read(p, 20)) {
		FILE *f = fopen(path, "re");
		if (f != NULL && fscanf(f, "%d", &port) != 1)
			port = 0;
		if (f != NULL)
			fclose(f);
	}
	if (port == 0)
		fail_msg("no port: %s", buf_cstr(&p->text));
	return port;
}

static inline bool lives(int port)
{
	static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				.sin_port = htons((uint16_t)port)};
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	char text[64] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
		  send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0 &&
		  recv(fd, text, sizeof text - 1, 0) > 0 && strncmp(text, "HTTP/1.1 200", 12) == 0;
	close(fd);
	return ok;
}

/* One request on a connection of its own; its status, 0 when there was no answer. body: NULL for GET. */
static inline int ask(int port, const char *path, const char *body, struct buf *answer)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				.sin_port = htons((uint16_t)port)};
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	char bytes[4096];
	int status = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *request = xasprintf(
		"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		body != NULL ? "POST" : "GET", path, body != NULL ? strlen(body) : 0,
		body != NULL ? body : "");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	buf_reset(answer);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
	    send(fd, request, strlen(request), MSG_NOSIGNAL) > 0)
		for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
			buf_add(answer, bytes, (size_t)n);
	if (sscanf(buf_cstr(answer), "HTTP/1.1 %d", &status) != 1)
		status = 0;
	close(fd);
	free(request);
	return status;
}

static inline char *port_file_set(char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/port", dir);
	return xasprintf("server.port_file=%s", path);
}

/* --- set-up --- */

static inline void paths_find(void)
{
	char self[PATH_MAX - 64];
	const char *given = getenv("AGENT_RUNTIME"), *fakes = getenv("FAKES");
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	ensure(n > 0);
	self[n] = '\0';
	for (int i = 0; i < 4; i++)
		*strrchr(self, '/') = '\0'; /* BUILD/tests/proc/test_x: the folder of the Makefile */
	snprintf(binary, sizeof binary, given != NULL ? "%.4000s" : "%.4000s/build/agent-runtime",
		 given != NULL ? given : self);
	snprintf(fake, sizeof fake, fakes != NULL ? "%.4000s/mcp_fake" : "%.4000s/build/tests/fake/mcp_fake",
		 fakes != NULL ? fakes : self);
	if (access(binary, X_OK) != 0 || access(fake, X_OK) != 0) {
		fprintf(stderr, "%s and %s are needed: make all fakes\n", binary, fake);
		exit(1);
	}
}

static inline void config_write(void)
{
	char path[PATH_MAX];
	ensure(mkdtemp(dir) != NULL);
	snprintf(config, sizeof config, "%s/config.yaml", dir);
	snprintf(path, sizeof path, "%s/tool_registry.yaml", dir);
	FILE *f = fopen(config, "we");
	ensure(f != NULL);
	fprintf(f,
		"server:\n  workers: 2\nstore:\n  size_mb: 16\n  path: %s/data\ntools:\n  stop_grace_ms: "
		"100\n",
		dir);
	fclose(f);
	f = fopen(path, "we");
	ensure(f != NULL);
	fprintf(f,
		"tool_registry:\n  - id: good\n    enabled: true\n    type: local_stdio\n    config:\n      "
		"command: %s\n"
		"      args: [stubborn]\n",
		fake);
	fclose(f);
}

/* The registry of one tool server that ends in the middle of each call. */
static inline char *doubt_set(void)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%.4000s/doubt.yaml", dir);
	FILE *f = fopen(path, "we");
	ensure(f != NULL);
	fprintf(f,
		"tool_registry:\n  - id: doubt\n    enabled: true\n    type: local_stdio\n    config:\n"
		"      command: %s\n      args: [exit-after, \"0\"]\n",
		fake);
	fclose(f);
	return xasprintf("tools.registry=%s", path);
}

static inline int entry_remove(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)what;
	(void)at;
	return remove(path);
}

/* The database of the tests before. */
static inline void store_remove(void)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/data", dir);
	nftw(path, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void config_remove(void)
{
	nftw(dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* What a failed test left, so that it neither stays nor spoils the next one. */
static inline void leftovers_kill(void)
{
	pid_t pid;
	while (children_of(getpid(), "", &pid) > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static inline int leftovers_teardown(void **state)
{
	(void)state;
	leftovers_kill();
	return 0;
}

/* Before the tests. */
static inline void role_proc_begin(void)
{
	paths_find();
	config_write();
	unsetenv("OPENAI_API_KEY");
	unsetenv("OPENAI_BASE_URL");
	unsetenv("AGENT_RUNTIME_CONFIG");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT,
	       SIG_DFL); /* a shell that runs us in the background has it ignored, for our children, too */
}

#endif
