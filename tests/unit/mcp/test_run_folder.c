/* SPDX-License-Identifier: Apache-2.0 */
/* Private temporary folders: given out, removed with what is in them, and those of the dead removed, too. */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char base[64];

static int setup(void **state)
{
	(void)state;
	strcpy(base, "/tmp/run-folder-XXXXXX");
	return mkdtemp(base) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(base); /* nothing is left in it */
}

static void file_put(const char *folder, const char *name)
{
	char *path = xasprintf("%s/%s", folder, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	free(path);
}

static void run_folder__is_private_and_goes(void **state)
{
	struct stat st;
	(void)state;
	run_folder_open(base);
	assert_true(run_folder_is_open());
	char *path = run_folder_make(), *other = run_folder_make();
	assert_non_null(path);
	assert_string_not_equal(path, other);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	run_folder_remove(path);
	assert_int_equal(access(path, F_OK), -1);
	file_put(other, "left");
	run_folder_remove(other); /* by a process of its own */
	assert_true(wait(NULL) > 0);
	assert_int_equal(access(other, F_OK), -1);
	free(path);
	free(other);
	run_folder_close();
	assert_false(run_folder_is_open());
	assert_null(run_folder_make());
}

/* A link that a server leaves leads nowhere. */
static void run_folder__follows_no_link(void **state)
{
	char outside[] = "/tmp/run-outside-XXXXXX";
	(void)state;
	assert_non_null(mkdtemp(outside));
	run_folder_open(base);
	char *path = run_folder_make(), *to = xasprintf("%s/link", path);
	assert_int_equal(symlink(outside, to), 0);
	file_put(outside, "kept");
	run_folder_close();
	char *kept = xasprintf("%s/kept", outside);
	assert_int_equal(unlink(kept), 0);
	assert_int_equal(rmdir(outside), 0);
	free(kept);
	free(to);
	free(path);
}

/* Dies with a folder in use. */
static void owner_die(void)
{
	run_folder_open(base);
	char *path = run_folder_make();
	file_put(path, "left");
	_exit(0);
}

static void run_folder__of_a_dead_owner_is_removed(void **state)
{
	int status;
	(void)state;
	pid_t pid = fork();
	if (pid == 0)
		owner_die();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(rmdir(base), -1); /* something is there */
	run_folder_open(base);
	assert_true(wait(NULL) > 0);
	run_folder_close();
	assert_int_equal(rmdir(base), 0);
	assert_int_equal(mkdir(base, 0700), 0);
}

static void run_folder__of_a_living_owner_stays(void **state)
{
	int status, ready[2], go[2];
	char byte;
	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(go, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(go[1]);
		run_folder_open(base);
		char *path = run_folder_make();
		ssize_t n = write(ready[1], "x", 1);
		n += read(go[0], &byte, 1);
		_exit(n == 1 && access(path, F_OK) == 0 ? (run_folder_close(), 0) : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	run_folder_open(base);
	run_folder_close();
	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
}

static void run_folder__is_not_where_others_write(void **state)
{
	(void)state;
	assert_int_equal(chmod(base, 0777), 0);
	run_folder_open(base);
	assert_false(run_folder_is_open());
	assert_null(run_folder_make());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(run_folder__is_private_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(run_folder__follows_no_link, setup, teardown),
		cmocka_unit_test_setup_teardown(run_folder__of_a_dead_owner_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(run_folder__of_a_living_owner_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(run_folder__is_not_where_others_write, setup, teardown),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
