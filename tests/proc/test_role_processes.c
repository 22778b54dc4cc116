/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service as processes: what is left when one is killed, what a worker that keeps dying costs, what comes
 * of a stop at any instant. The test is a subreaper: every orphan becomes its child, so that waiting until it
 * has none proves that nothing is left.
 *
 * The binary is $AGENT_RUNTIME, or the one that `make` built.
 */
#include "base/base.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

static void proc_start(struct proc *p, const char *const *words)
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
static bool proc_read(struct proc *p, int wait_ms)
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

static void proc_says(struct proc *p, const char *what)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	while (strstr(buf_cstr(&p->text), what) == NULL && clock_mono_ms() < until && proc_read(p, 100))
		;
	if (strstr(buf_cstr(&p->text), what) == NULL)
		fail_msg("never said \"%s\": %s", what, buf_cstr(&p->text));
}

static size_t proc_said(struct proc *p, const char *what)
{
	size_t n = 0;
	for (const char *at = buf_cstr(&p->text); (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

/* Waits until this process and everything it has left behind are gone; its exit status. */
static int all_gone(struct proc *p)
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

static void proc_close(struct proc *p)
{
	close(p->out);
	buf_release(&p->text);
}

/* Children of pid whose title or program begins so; how many, the first in *first. */
static int children_of(pid_t pid, const char *title, pid_t *first)
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
static int hang_open(char out[64])
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
static void hang_asked(int fd, struct proc *p)
{
	struct pollfd f = {.fd = fd, .events = POLLIN};
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	while (poll(&f, 1, 50) != 1)
		if (!proc_read(p, 0) || clock_mono_ms() > until)
			fail_msg("the model was never asked: %s", buf_cstr(&p->text));
}

/* A model that plans one step, finishes it and answers; a thread, since a process would be waited for. */
struct model {
	int fd;
	pthread_t thread;
	char set[64];
};

static void model_answer(int fd)
{
	static const char planned[] = "{\\\"steps\\\":[{\\\"id\\\":\\\"s1\\\",\\\"title\\\":\\\"Think\\\","
				      "\\\"objective\\\":\\\"think\\\","
				      "\\\"side_effects\\\":\\\"none\\\"}]}";
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
	if (strstr(buf_cstr(&b), "You are the planner") != NULL)
		buf_printf(&out, "\"content\":\"%s\"", planned);
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

static void *model_main(void *arg)
{
	struct model *m = arg;
	for (int fd; (fd = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(fd))
		model_answer(fd);
	return NULL;
}

static void model_open(struct model *m)
{
	m->fd = hang_open(m->set);
	assert_int_equal(pthread_create(&m->thread, NULL, model_main, m), 0);
}

static void model_close(struct model *m)
{
	shutdown(m->fd, SHUT_RDWR);
	pthread_join(m->thread, NULL);
	close(m->fd);
}

/* Port that a server wrote to its file. */
static int port_of(const char *path, struct proc *p)
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

static bool lives(int port)
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

static char *port_file_set(char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/port", dir);
	return xasprintf("server.port_file=%s", path);
}

/* --- tests --- */

static void worker__one_that_keeps_dying_is_reported_and_the_service_goes_on(void **state)
{
	struct proc p;
	char path[PATH_MAX];
	char *port_file = port_file_set(path);
	int64_t pauses[6];
	(void)state;
	start(&p, "serve", "-c", config, "--set", "server.port=0", "--set", "server.workers=2", "--set",
	      port_file, "--set", "log.format=json");
	int port = port_of(path, &p);
	proc_says(&p, "\"msg\":\"ready\"");
	for (int i = 0; i < 6; i++) {
		pid_t victim = 0;
		int64_t until = clock_mono_ms() + PATIENCE_MS, began = clock_mono_ms();
		while (children_of(p.pid, "agent-runtime: worker 0", &victim) == 0 && clock_mono_ms() < until)
			proc_read(&p, 5);
		pauses[i] = clock_mono_ms() - began;
		assert_true(victim > 0);
		assert_int_equal(kill(victim, SIGKILL), 0);
		while (children_of(p.pid, "agent-runtime: worker 0", NULL) != 0 && clock_mono_ms() < until)
			proc_read(&p, 1);
		assert_true(lives(port)); /* by the other worker */
	}
	/* 0, 100, 200, 400, 800 ms: it grows */
	assert_true(pauses[5] > 500 && pauses[5] > 2 * pauses[3] && pauses[4] > pauses[2]);
	proc_says(&p, "keeps dying");
	proc_says(&p, "signal 9 (Killed)");
	kill(p.pid, SIGTERM);
	int status = all_gone(&p);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(proc_said(&p, "\"worker 1\",\"reason\""), 0);
	assert_int_equal(access(path, F_OK), -1);
	proc_close(&p);
	free(port_file);
}

static void master__killed_leaves_nothing(void **state)
{
	struct proc p;
	pid_t supervisor = 0;
	(void)state;
	start(&p, "serve", "-c", config, "--set", "server.port=0", "--set", "log.format=json");
	proc_says(&p, "\"msg\":\"ready\"");
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	assert_int_equal(children_of(p.pid, "agent-runtime: supervisor", &supervisor), 1);
	/* a tool server that ignores SIGTERM and the end of its input */
	while (children_of(supervisor, fake, NULL) == 0 && clock_mono_ms() < until)
		proc_read(&p, 10);
	assert_int_equal(children_of(supervisor, fake, NULL), 1);
	kill(p.pid, SIGKILL);
	int status = all_gone(&p);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	proc_close(&p);
}

static void supervisor__killed_takes_its_tools_along_and_comes_back(void **state)
{
	struct proc p;
	pid_t supervisor = 0, next = 0, tool = 0;
	(void)state;
	start(&p, "serve", "-c", config, "--set", "server.port=0", "--set", "log.format=json");
	proc_says(&p, "\"msg\":\"ready\"");
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	assert_int_equal(children_of(p.pid, "agent-runtime: supervisor", &supervisor), 1);
	while (children_of(supervisor, fake, &tool) == 0 && clock_mono_ms() < until)
		proc_read(&p, 10);
	kill(supervisor, SIGKILL);
	while ((children_of(p.pid, "agent-runtime: supervisor", &next) == 0 || next == supervisor) &&
	       clock_mono_ms() < until)
		proc_read(&p, 10);
	assert_true(next != supervisor);
	while (kill(tool, 0) == 0 && clock_mono_ms() < until) {
		waitpid(tool, NULL, WNOHANG);
		proc_read(&p, 10);
	}
	assert_int_equal(kill(tool, 0), -1);
	kill(p.pid, SIGTERM);
	int status = all_gone(&p);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	proc_close(&p);
}

/* A stop in each phase of the boot: before main, while it prepares, while children come up, after. */
static void master__a_stop_at_any_instant_leaves_nothing(void **state)
{
	char path[PATH_MAX];
	char *port_file = port_file_set(path);
	(void)state;
	for (int us = 0; us < 60000; us += 3000) {
		struct proc p;
		start(&p, "serve", "-c", config, "--set", "server.port=0", "--set", port_file);
		usleep((useconds_t)us);
		kill(p.pid, SIGTERM);
		int status = all_gone(&p);
		/* before it has set itself up, the signal ends it as it ends any program */
		bool early = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
		if (!early && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
			fail_msg("after %d us: status %x: %s", us, (unsigned)status, buf_cstr(&p.text));
		assert_int_equal(access(path, F_OK), -1);
		proc_close(&p);
	}
	free(port_file);
}

static void master__a_worker_that_hangs_is_not_waited_for(void **state)
{
	struct proc p;
	pid_t worker = 0;
	(void)state;
	start(&p, "serve", "-c", config, "--set", "server.port=0", "--set", "server.drain_seconds=0", "--set",
	      "log.format=json");
	proc_says(&p, "\"msg\":\"ready\"");
	assert_int_equal(children_of(p.pid, "agent-runtime: worker 0", &worker), 1);
	kill(worker, SIGSTOP);
	kill(p.pid, SIGTERM);
	int status = all_gone(&p);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	proc_close(&p);
}

static void serve__says_why_it_cannot_start(void **state)
{
	struct proc p;
	char port[48], text[64];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	(void)state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 1) == 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(port, sizeof port, "server.port=%d", ntohs(a.sin_port));
	snprintf(text, sizeof text, "port %d", ntohs(a.sin_port));
	start(&p, "serve", "-c", config, "--set", port);
	assert_int_equal(WEXITSTATUS(all_gone(&p)), 69);
	proc_says(&p, text);
	proc_close(&p);
	close(fd);
	start(&p, "serve", "-c", config, "--set", "server.port=0", "--set",
	      "server.port_file=/nonexistent/port");
	assert_int_equal(WEXITSTATUS(all_gone(&p)), 73);
	proc_says(&p, "/nonexistent/port (server.port_file)");
	proc_close(&p);
}

static void run__killed_takes_its_server_along(void **state)
{
	struct proc p;
	char model[64];
	int fd = hang_open(model);
	(void)state;
	start(&p, "run", "--yes", "-c", config, "--set", model, "--set", "llm.api=chat", "think");
	hang_asked(fd, &p);
	kill(p.pid, SIGKILL);
	int status = all_gone(&p);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	proc_close(&p);
	close(fd);
}

static void run__interrupted_while_it_plans(void **state)
{
	struct proc p;
	char model[64];
	int fd = hang_open(model);
	(void)state;
	start(&p, "run", "--yes", "-c", config, "--set", model, "--set", "llm.api=chat", "think");
	hang_asked(fd, &p);
	kill(p.pid, SIGINT);
	int status = all_gone(&p);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	proc_says(&p, "cancelled");
	proc_close(&p);
	close(fd);
}

/* At any moment before the task is known to be accepted. */
static void run__interrupted_early(void **state)
{
	char model[64];
	int fd = hang_open(model);
	(void)state;
	for (int us = 0; us < 60000; us += 6000) {
		struct proc p;
		start(&p, "run", "--yes", "-c", config, "--set", model, "--set", "llm.api=chat", "think");
		usleep((useconds_t)us);
		kill(p.pid, SIGINT);
		int status = all_gone(&p);
		bool early = WIFSIGNALED(status) && WTERMSIG(status) == SIGINT;
		if (!early && !(WIFEXITED(status) && WEXITSTATUS(status) == 1))
			fail_msg("after %d us: status %x: %s", us, (unsigned)status, buf_cstr(&p.text));
		proc_close(&p);
	}
	close(fd);
}

/* On a terminal of its own, up to the question; then these keys. */
static void at_the_question(const char *keys, int code, const char *says)
{
	struct proc p = {0};
	struct model m;
	model_open(&m);
	p.pid = forkpty(&p.out, NULL, NULL, NULL);
	assert_true(p.pid >= 0);
	if (p.pid == 0) {
		execl(binary, binary, "run", "-c", config, "--set", m.set, "--set", "llm.api=chat", "--set",
		      "log.level=off", "think", (char *)NULL);
		_exit(127);
	}
	fcntl(p.out, F_SETFL, O_NONBLOCK);
	proc_says(&p, "Carry out this plan?");
	if (keys != NULL)
		assert_int_equal(write(p.out, keys, strlen(keys)), strlen(keys));
	else
		close(p.out); /* the terminal goes away: SIGHUP */
	int status = -1, got;
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	for (pid_t pid; (pid = waitpid(-1, &got, WNOHANG)) >= 0 || errno != ECHILD;) {
		if (pid == p.pid)
			status = got;
		if (clock_mono_ms() > until)
			fail_msg("something is left: %s", buf_cstr(&p.text));
		if (pid == 0 && (keys == NULL || !proc_read(&p, 10)))
			usleep(5000);
	}
	if (code >= 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == code))
		fail_msg("status %x: %s", (unsigned)status, buf_cstr(&p.text));
	if (says != NULL && strstr(buf_cstr(&p.text), says) == NULL)
		fail_msg("does not say \"%s\": %s", says, buf_cstr(&p.text));
	if (keys != NULL)
		close(p.out);
	model_close(&m);
	buf_release(&p.text);
}

static void run__at_the_question(void **state)
{
	(void)state;
	at_the_question("y\n", 0, "The thought.");
	at_the_question(" YES \n", 0, "The thought.");
	at_the_question("n\n", 1, "rejected");
	at_the_question("\x03", 1, "cancelled"); /* Ctrl-C */
	at_the_question("\x04", 1, "rejected");  /* end of input */
	at_the_question(NULL, -1, NULL);
}

static void run__without_a_terminal_nobody_can_be_asked(void **state)
{
	struct proc p;
	struct model m;
	(void)state;
	int saved = dup(0), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	model_open(&m);
	dup2(null, 0);
	start(&p, "run", "-c", config, "--set", m.set, "--set", "llm.api=chat", "think");
	int status = all_gone(&p);
	dup2(saved, 0);
	close(saved);
	close(null);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
		fail_msg("status %x: %s", (unsigned)status, buf_cstr(&p.text));
	proc_says(&p, "use --yes");
	model_close(&m);
	proc_close(&p);
}

/* --- set-up --- */

static void paths_find(void)
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

static void config_write(void)
{
	char path[PATH_MAX];
	ensure(mkdtemp(dir) != NULL);
	snprintf(config, sizeof config, "%s/config.yaml", dir);
	snprintf(path, sizeof path, "%s/tool_registry.yaml", dir);
	FILE *f = fopen(config, "we");
	ensure(f != NULL);
	fprintf(f, "server:\n  workers: 2\nstore:\n  size_mb: 16\ntools:\n  stop_grace_ms: 100\n");
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

static void config_remove(void)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/tool_registry.yaml", dir);
	unlink(path);
	unlink(config);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worker__one_that_keeps_dying_is_reported_and_the_service_goes_on),
		cmocka_unit_test(master__killed_leaves_nothing),
		cmocka_unit_test(supervisor__killed_takes_its_tools_along_and_comes_back),
		cmocka_unit_test(master__a_stop_at_any_instant_leaves_nothing),
		cmocka_unit_test(master__a_worker_that_hangs_is_not_waited_for),
		cmocka_unit_test(serve__says_why_it_cannot_start),
		cmocka_unit_test(run__killed_takes_its_server_along),
		cmocka_unit_test(run__interrupted_while_it_plans),
		cmocka_unit_test(run__interrupted_early),
		cmocka_unit_test(run__at_the_question),
		cmocka_unit_test(run__without_a_terminal_nobody_can_be_asked),
	};
	paths_find();
	config_write();
	unsetenv("OPENAI_API_KEY");
	unsetenv("OPENAI_BASE_URL");
	unsetenv("AGENT_RUNTIME_CONFIG");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT,
	       SIG_DFL); /* a shell that runs us in the background has it ignored, for our children, too */
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	config_remove();
	return failed;
}
