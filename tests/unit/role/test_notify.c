/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness as systemd is told: to a real datagram socket, by path and in the abstract namespace. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int socket_open(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	memcpy(a.sun_path, path, strlen(path));
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

static void assert_told(const char *path)
{
	char text[128] = "";
	int fd = socket_open(path);
	setenv("NOTIFY_SOCKET", path, 1);
	notify_send("READY=1\nSTATUS=fine");
	assert_true(recv(fd, text, sizeof text - 1, 0) > 0);
	assert_string_equal(text, "READY=1\nSTATUS=fine");
	close(fd);
}

static void notify_send__by_path(void **state)
{
	char dir[] = "/tmp/role-test-XXXXXX";
	(void)state;
	assert_non_null(mkdtemp(dir));
	char *path = xasprintf("%s/notify", dir);
	assert_told(path);
	unlink(path);
	rmdir(dir);
	free(path);
}

static void notify_send__abstract(void **state)
{
	char path[64];
	(void)state;
	snprintf(path, sizeof path, "@agent-runtime-test-%d", getpid());
	assert_told(path);
}

static void notify_send__without_anybody_does_nothing(void **state)
{
	char path[300];
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "relative", 1);
	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	notify_send("READY=1");
	memset(path, 'x', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	setenv("NOTIFY_SOCKET", path, 1);
	notify_send("READY=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notify_send__by_path),
		cmocka_unit_test(notify_send__abstract),
		cmocka_unit_test(notify_send__without_anybody_does_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
