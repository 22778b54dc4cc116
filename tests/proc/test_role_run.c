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

/* `run` on a terminal of its own. */
static void terminal_start(struct proc *p, const struct model *m, const char *more, const char *yes)
{
	*p = (struct proc){0};
	p->pid = forkpty(&p->out, NULL, NULL, NULL);
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		execl(binary, binary, "run", "-c", config, "--set", m->set, "--set", "llm.api=chat", "--set",
		      more, "think", yes, (char *)NULL);
		_exit(127);
	}
	fcntl(p->out, F_SETFL, O_NONBLOCK);
}

/* Waits for the end of all; code -1: whatever. The terminal is gone when `closed`. */
static void terminal_end(struct proc *p, bool closed, int code, const char *says)
{
	int status = -1, got;
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	for (pid_t pid; (pid = waitpid(-1, &got, WNOHANG)) >= 0 || errno != ECHILD;) {
		if (pid == p->pid)
			status = got;
		if (clock_mono_ms() > until)
			fail_msg("something is left: %s", buf_cstr(&p->text));
		if (pid == 0 && (closed || !proc_read(p, 10)))
			usleep(5000);
	}
	if (code >= 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == code))
		fail_msg("status %x: %s", (unsigned)status, buf_cstr(&p->text));
	if (says != NULL && strstr(buf_cstr(&p->text), says) == NULL)
		fail_msg("does not say \"%s\": %s", says, buf_cstr(&p->text));
	if (!closed)
		close(p->out);
	buf_release(&p->text);
}

static void terminal_type(struct proc *p, const char *keys)
{
	assert_int_equal(write(p->out, keys, strlen(keys)), strlen(keys));
}

/* Up to the question; then these keys. */
static void at_the_question(const char *keys, int code, const char *says)
{
	struct proc p;
	struct model m;
	model_open(&m);
	terminal_start(&p, &m, "log.level=off", NULL);
	proc_says(&p, "Carry out this plan?");
	if (keys != NULL)
		terminal_type(&p, keys);
	else
		close(p.out); /* the terminal goes away: SIGHUP */
	terminal_end(&p, keys == NULL, code, says);
	model_close(&m);
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

/* The tool server dies in the middle of a call that may have changed something. */
static void in_doubt(const char *keys, int code, const char *says)
{
	struct proc p;
	struct model m;
	char *registry = doubt_set();
	model_open(&m);
	terminal_start(&p, &m, registry, "--yes");
	proc_says(&p, "[f]ail: ");
	assert_non_null(strstr(buf_cstr(&p.text), "doubt count {\"file\":\"never\"}"));
	/* no decision at all, and one that lacks something: asked again */
	for (int i = 1; i <= 2; i++) {
		terminal_type(&p, i == 1 ? "perhaps\n" : "completed\n");
		int64_t until = clock_mono_ms() + PATIENCE_MS;
		while (proc_said(&p, "[f]ail: ") <= (size_t)i && clock_mono_ms() < until)
			proc_read(&p, 10);
	}
	terminal_type(&p, keys);
	terminal_end(&p, false, code, says);
	model_close(&m);
	free(registry);
}

static void run__asks_about_a_call_in_doubt(void **state)
{
	(void)state;
	in_doubt("s\n", 0, "The thought.");
	in_doubt("c it counted to one\n", 0, "The thought.");
	in_doubt("\x04", 1, "cancelled"); /* end of input */
}

static void without_a_terminal(const char *const *words, const char *says)
{
	struct proc p;
	int saved = dup(0), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(null, 0);
	proc_start(&p, words);
	int status = all_gone(&p);
	dup2(saved, 0);
	close(saved);
	close(null);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
		fail_msg("status %x: %s", (unsigned)status, buf_cstr(&p.text));
	proc_says(&p, says);
	proc_close(&p);
}

static void run__without_a_terminal_nobody_can_be_asked(void **state)
{
	struct model m;
	(void)state;
	char *registry = doubt_set();
	model_open(&m);
	const char *const plan[] = {"run",   "-c",           config,  "--set", m.set,
				    "--set", "llm.api=chat", "think", NULL};
	const char *const doubt[] = {"run",   "--yes",        "-c",    config,   "--set", m.set,
				     "--set", "llm.api=chat", "--set", registry, "think", NULL};
	without_a_terminal(plan, "use --yes");
	without_a_terminal(doubt, "the task waits for a decision");
	model_close(&m);
	free(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(run__killed_takes_its_server_along, leftovers_teardown),
		cmocka_unit_test_teardown(run__interrupted_while_it_plans, leftovers_teardown),
		cmocka_unit_test_teardown(run__interrupted_early, leftovers_teardown),
		cmocka_unit_test_teardown(run__at_the_question, leftovers_teardown),
		cmocka_unit_test_teardown(run__asks_about_a_call_in_doubt, leftovers_teardown),
		cmocka_unit_test_teardown(run__without_a_terminal_nobody_can_be_asked, leftovers_teardown),
	};
	role_proc_begin();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	config_remove();
	return failed;
}
