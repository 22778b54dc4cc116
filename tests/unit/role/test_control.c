/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between master and child: whole, with at most one descriptor, never blocking. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void control__messages_come_one_by_one(void **state)
{
	int pair[2], fd = 7;
	enum ipc_msg msg;
	struct error e;
	(void)state;
	assert_int_equal(control_pair(pair, &e), ERR_NONE);
	assert_int_equal(control_receive(pair[1], &msg, &fd), 0);
	assert_int_equal(control_send(pair[0], IPC_READY, -1, &e), ERR_NONE);
	assert_int_equal(control_send(pair[0], IPC_STOPPING, -1, &e), ERR_NONE);
	assert_int_equal(control_receive(pair[1], &msg, &fd), 1);
	assert_int_equal(msg, IPC_READY);
	assert_int_equal(fd, -1);
	assert_int_equal(control_receive(pair[1], &msg, &fd), 1);
	assert_int_equal(msg, IPC_STOPPING);
	assert_int_equal(control_receive(pair[1], &msg, &fd), 0);
	close(pair[0]);
	assert_int_equal(control_receive(pair[1], &msg, &fd), -1);
	assert_int_not_equal(control_send(pair[1], IPC_READY, -1, &e), ERR_NONE);
	assert_non_null(strstr(e.msg, "cannot send"));
	close(pair[1]);
}

static void control__a_descriptor_goes_along(void **state)
{
	int pair[2], pipe_fds[2], fd;
	char byte = 0;
	enum ipc_msg msg;
	struct error e;
	(void)state;
	assert_int_equal(control_pair(pair, &e), ERR_NONE);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(control_send(pair[0], IPC_CHANNEL, pipe_fds[1], &e), ERR_NONE);
	close(pipe_fds[1]);
	assert_int_equal(control_receive(pair[1], &msg, &fd), 1);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(fd);
	close(pipe_fds[0]);
	close(pair[0]);
	close(pair[1]);
}

/* A child that is stopped must not hold up the master. */
static void control__a_full_socket_is_an_error(void **state)
{
	int pair[2];
	struct error e;
	enum err code = ERR_NONE;
	(void)state;
	assert_int_equal(control_pair(pair, &e), ERR_NONE);
	for (int i = 0; i < 100000 && code == ERR_NONE; i++)
		code = control_send(pair[0], IPC_READY, -1, &e);
	assert_int_not_equal(code, ERR_NONE);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control__messages_come_one_by_one),
		cmocka_unit_test(control__a_descriptor_goes_along),
		cmocka_unit_test(control__a_full_socket_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
