/* SPDX-License-Identifier: Apache-2.0 */
/* fd.c: flags, socket pairs, whole files and their refusals. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fd_set_flags__switches_both_ways(void **state)
{
	int pair[2];
	struct error e;

	(void)state;
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(pair[1], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fd_write_all(pair[0], "hello", 5, &e), ERR_NONE);
	char text[8];
	assert_int_equal(read(pair[1], text, sizeof(text)), 5);
	fd_close(&pair[0]);
	assert_int_equal(pair[0], -1);
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	assert_int_equal(fd_set_nonblock(-1, &e), ERR_IO);
	assert_string_equal(e.msg, "cannot make descriptor -1 non-blocking: Bad file descriptor");
	assert_int_equal(fd_write_all(-1, "x", 1, &e), ERR_IO);
}

static char dir[] = "/tmp/test_fd.XXXXXX";
static char path[64];

static int dir_make(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int dir_remove(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void file_read__reads_up_to_the_limit(void **state)
{
	struct buf want = BUF_INIT, got = BUF_INIT;
	struct error e;

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_printf(&want, "line %d\n", i);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(fd_write_all(fd, want.data, want.len, &e), ERR_NONE);
	fd_close(&fd);
	assert_int_equal(file_read(path, want.len, &got, &e), ERR_NONE);
	assert_true(slice_eq(buf_slice(&want), buf_slice(&got)));
	buf_reset(&got);
	assert_int_equal(file_read(path, want.len - 1, &got, &e), ERR_TOO_LARGE);
	assert_non_null(strstr(e.msg, "is larger than the limit of"));
	buf_release(&want);
	buf_release(&got);
}

static void file_read__refuses_what_is_no_file(void **state)
{
	struct buf got = BUF_INIT;
	struct error e;

	(void)state;
	assert_int_equal(file_read("/nonexistent/x", 10, &got, &e), ERR_NOT_FOUND);
	assert_string_equal(e.msg, "/nonexistent/x: cannot open: No such file or directory");
	assert_int_equal(file_read(dir, 10, &got, &e), ERR_IO);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
	assert_int_equal(file_read(path, 10, &got, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "is not a regular file"));
	buf_release(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fd_set_flags__switches_both_ways),
		cmocka_unit_test(file_read__reads_up_to_the_limit),
		cmocka_unit_test(file_read__refuses_what_is_no_file),
	};
	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
