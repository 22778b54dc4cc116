/* SPDX-License-Identifier: Apache-2.0 */
/* err.c: the table, filling, prefixing and cutting of messages, errno, and the two ways to end. */
#include "base/base.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void err_info__knows_every_code(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++) {
		const struct err_info *info = err_info((enum err)i);
		assert_non_null(info->name);
		assert_in_range(info->http_status, 200, 599);
		assert_true(info->slug[0] && info->title[0]);
		assert_in_range(info->log_level, LOG_DEBUG, LOG_ERROR);
	}
	assert_string_equal(err_info(ERR_NOT_FOUND)->name, "NOT_FOUND");
	assert_int_equal(err_info(ERR_NOT_FOUND)->http_status, 404);
	assert_true(err_info(ERR_FULL)->retry_helps);
}

static void err_set__fills_and_returns_code(void **state)
{
	struct error e = {.field = "old"};

	(void)state;
	assert_int_equal(err_set(&e, ERR_CONFLICT, "task is %s", "running"), ERR_CONFLICT);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_string_equal(e.msg, "task is running");
	assert_string_equal(e.field, "");
	assert_int_equal(err_set(NULL, ERR_IO, "nobody asks"), ERR_IO);
}

static void err_set__cuts_at_a_character(void **state)
{
	struct error e;
	char text[ERROR_MSG_MAX + 10];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text + ERROR_MSG_MAX - 2, "\xE2\x82\xAC", 3); /* the euro sign does not fit */
	err_set(&e, ERR_IO, "%s", text);
	assert_int_equal(strlen(e.msg), ERROR_MSG_MAX - 2);
	assert_true(utf8_valid(e.msg, strlen(e.msg)));
}

static void err_set__may_quote_the_message_it_replaces(void **state)
{
	struct error e = {0};

	(void)state;
	err_set(&e, ERR_IO, "x: is not a regular file");
	err_set(&e, ERR_CONFIG, "the registry cannot be used: %s", e.msg);
	assert_string_equal(e.msg, "the registry cannot be used: x: is not a regular file");
}

static void err_set_field__names_the_field(void **state)
{
	struct error e;

	(void)state;
	assert_int_equal(err_set_field(&e, ERR_FIELD, "/prompt", "must be %s", "text"), ERR_FIELD);
	assert_string_equal(e.field, "/prompt");
	assert_string_equal(e.msg, "must be text");
	err_set_field(&e, ERR_FIELD, NULL, "x");
	assert_string_equal(e.field, "");
}

static void err_prefix__stands_before_the_message(void **state)
{
	struct error e;

	(void)state;
	err_set_field(&e, ERR_CONFIG, "/a", "is missing");
	assert_int_equal(err_prefix(&e, "%s:%d", "config.yaml", 7), ERR_CONFIG);
	assert_string_equal(e.msg, "config.yaml:7: is missing");
	assert_string_equal(e.field, "/a");
}

static void err_set_errno__picks_the_code(void **state)
{
	struct error e;

	(void)state;
	assert_int_equal(err_set_errno(&e, ENOSPC, "cannot write %s", "journal"), ERR_NO_SPACE);
	assert_string_equal(e.msg, "cannot write journal: No space left on device");
	assert_int_equal(err_set_errno(&e, ENOENT, "x"), ERR_NOT_FOUND);
	assert_int_equal(err_set_errno(NULL, EPERM, "x"), ERR_IO);
	assert_int_equal(err_set_errno(&e, 123456, "odd"), ERR_IO);
	assert_string_equal(e.msg, "odd: unknown error");
}

/* Runs fn in a child; returns its wait status and the first bytes of its stderr. */
static int child_run(void (*fn)(void), char *text, size_t size)
{
	int fds[2], status;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		signal(SIGABRT, SIG_DFL);
		log_init("test", LOG_INFO, LOG_FORMAT_JSON);
		fn();
		_exit(0);
	}
	close(fds[1]);
	size_t len = 0;
	for (ssize_t n; len + 1 < size && (n = read(fds[0], text + len, size - 1 - len)) > 0;)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void fail_ensure(void)
{
	ensure(1 + 1 == 3);
}

static void fail_die(void)
{
	die(78, "config.yaml:%d: no such option", 3);
}

static void ensure__logs_and_aborts(void **state)
{
	char text[2048];

	(void)state;
	int status = child_run(fail_ensure, text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "1 + 1 == 3"));
	assert_non_null(strstr(text, "test_err.c"));
}

static void die__prints_and_exits(void **state)
{
	char text[2048];

	(void)state;
	int status = child_run(fail_die, text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 78);
	assert_ptr_equal(strstr(text, "agent-runtime: config.yaml:3: no such option\n"), text);
	assert_non_null(strstr(text, "\"msg\":\"config.yaml:3: no such option\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_info__knows_every_code),
		cmocka_unit_test(err_set__fills_and_returns_code),
		cmocka_unit_test(err_set__cuts_at_a_character),
		cmocka_unit_test(err_set__may_quote_the_message_it_replaces),
		cmocka_unit_test(err_set_field__names_the_field),
		cmocka_unit_test(err_prefix__stands_before_the_message),
		cmocka_unit_test(err_set_errno__picks_the_code),
		cmocka_unit_test(ensure__logs_and_aborts),
		cmocka_unit_test(die__prints_and_exits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
