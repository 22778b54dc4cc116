/* SPDX-License-Identifier: Apache-2.0 */
/* `run` with its private server: killed, interrupted at each stage, asked on a terminal and without one. */
#include "base/base.h"
#include "role_proc.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(run__killed_takes_its_server_along, leftovers_teardown),
		cmocka_unit_test_teardown(run__interrupted_while_it_plans, leftovers_teardown),
		cmocka_unit_test_teardown(run__interrupted_early, leftovers_teardown),
		cmocka_unit_test_teardown(run__at_the_question, leftovers_teardown),
		cmocka_unit_test_teardown(run__without_a_terminal_nobody_can_be_asked, leftovers_teardown),
	};
	role_proc_begin();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	config_remove();
	return failed;
}
