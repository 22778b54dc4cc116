/* SPDX-License-Identifier: Apache-2.0 */
/* `serve` as processes: what is left when one is killed, what a worker that keeps dying costs, what comes of
 * a stop at any instant. */
#include "base/base.h"
#include "role_proc.h"

/* The pause before the n-th respawn of worker 0, as the master logged it; -1 when it did not. */
static int64_t pause_nth(struct proc *p, int n)
{
	const char *at = buf_cstr(&p->text);
	for (int i = 0; i <= n; i++) {
		at = strstr(at, "\"process\":\"worker 0\"");
		if (at == NULL)
			return -1;
		at++;
	}
	const char *wait = strstr(at, "\"wait_ms\":");
	return wait != NULL ? atoll(wait + 10) : -1;
}

static void worker__one_that_keeps_dying_is_reported_and_the_service_goes_on(void **state)
{
	struct proc p;
	char path[PATH_MAX];
	char *port_file = port_file_set(path);
	(void)state;
	start(&p, "serve", "-c", config, "--set", "server.port=0", "--set", "server.workers=2", "--set",
	      port_file, "--set", "log.format=json");
	int port = port_of(path, &p);
	proc_says(&p, "\"msg\":\"ready\"");
	for (int i = 0; i < 6; i++) {
		pid_t victim = 0;
		int64_t until = clock_mono_ms() + PATIENCE_MS;
		while (children_of(p.pid, "agent-runtime: worker 0", &victim) == 0 && clock_mono_ms() < until)
			proc_read(&p, 5);
		assert_true(victim > 0);
		assert_int_equal(kill(victim, SIGKILL), 0);
		while (pause_nth(&p, i) < 0 && clock_mono_ms() < until)
			proc_read(&p, 10);
		assert_true(lives(port)); /* by the other worker */
	}
	assert_int_equal(pause_nth(&p, 0), 0); /* the first death costs nothing */
	for (int i = 2; i < 6; i++)
		assert_int_equal(pause_nth(&p, i), 2 * pause_nth(&p, i - 1));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(worker__one_that_keeps_dying_is_reported_and_the_service_goes_on,
					  leftovers_teardown),
		cmocka_unit_test_teardown(master__killed_leaves_nothing, leftovers_teardown),
		cmocka_unit_test_teardown(supervisor__killed_takes_its_tools_along_and_comes_back,
					  leftovers_teardown),
		cmocka_unit_test_teardown(master__a_stop_at_any_instant_leaves_nothing, leftovers_teardown),
		cmocka_unit_test_teardown(master__a_worker_that_hangs_is_not_waited_for, leftovers_teardown),
		cmocka_unit_test_teardown(serve__says_why_it_cannot_start, leftovers_teardown),
	};
	role_proc_begin();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	config_remove();
	return failed;
}
