/* SPDX-License-Identifier: Apache-2.0 */
/* Counting a process group: the living, and those that have ended without anybody asking. */
#include "mcp/sandbox_int.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static pid_t leader_start(void)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	while (pid == 0)
		pause();
	assert_int_equal(setpgid(pid, pid), 0);
	return pid;
}

static void group_threads__counts_the_dead_when_asked(void **state)
{
	siginfo_t info;
	(void)state;
	pid_t first = leader_start(), second = fork();
	assert_true(second >= 0);
	if (second == 0)
		_exit(setpgid(0, first) != 0);
	assert_int_equal(waitid(P_PID, (id_t)second, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_status, 0);
	assert_int_equal(group_threads(first, true), 1);
	assert_int_equal(group_threads(first, false), 2);
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitpid(first, NULL, 0), first);
	assert_int_equal(waitpid(second, NULL, 0), second);
	assert_int_equal(group_threads(first, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_threads__counts_the_dead_when_asked),
	};
	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
