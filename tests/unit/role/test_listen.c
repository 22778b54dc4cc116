/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket: which port it got, and how it says that it got none. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct conf conf_of(const char *host, int port)
{
	return (struct conf){.server = {.host = host, .port = port, .backlog = 4}};
}

static void listen_open__tells_the_port_it_got(void **state)
{
	struct conf c = conf_of("127.0.0.1", 0);
	struct error e;
	int fd, port, accepts = 0;
	socklen_t len = sizeof accepts;
	(void)state;
	assert_int_equal(listen_open(&c, &fd, &port, &e), ERR_NONE);
	assert_true(port > 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len), 0);
	assert_int_equal(accepts, 1);
	close(fd);
}

static void listen_open__a_port_in_use_is_named(void **state)
{
	struct conf c = conf_of("127.0.0.1", 0);
	struct error e = {0};
	char text[32];
	int fd, other, port;
	(void)state;
	assert_int_equal(listen_open(&c, &fd, &port, &e), ERR_NONE);
	c = conf_of("127.0.0.1", port);
	assert_int_not_equal(listen_open(&c, &other, &port, &e), ERR_NONE);
	snprintf(text, sizeof text, "127.0.0.1 port %d", port);
	assert_non_null(strstr(e.msg, text));
	assert_non_null(strstr(e.msg, "Address already in use"));
	/* and no other address of a name is taken instead */
	c = conf_of("localhost", port);
	if (listen_open(&c, &other, &port, &e) == ERR_NONE)
		close(other); /* here localhost begins with ::1, which is free */
	close(fd);
}

/* The children of a master that was killed hold its socket until they have died, too. */
static void listen_open__waits_for_the_last_owner_of_a_port_to_go(void **state)
{
	struct conf c = conf_of("127.0.0.1", 0);
	struct error e = {0};
	int fd, again, port, go[2];
	char byte;
	(void)state;
	assert_int_equal(listen_open(&c, &fd, &port, &e), ERR_NONE);
	assert_int_equal(pipe(go), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 0);
	}
	close(go[0]);
	close(fd);
	pid_t opener = fork();
	if (opener == 0) {
		close(go[1]);
		c = conf_of("127.0.0.1", port);
		_exit(listen_open(&c, &again, &port, &e) == ERR_NONE ? 0 : 1);
	}
	close(go[1]); /* the owner's end */
	int status;
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(waitpid(opener, &status, 0), opener);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void listen_open__speaks_ipv6(void **state)
{
	struct conf c = conf_of("::1", 0);
	struct error e = {0};
	int fd, port;
	(void)state;
	if (listen_open(&c, &fd, &port, &e) != ERR_NONE) {
		assert_non_null(strstr(e.msg, "cannot listen on ::1"));
		print_message("skipped: this machine has no IPv6\n");
		skip();
	}
	assert_true(port > 0);
	close(fd);
}

static void listen_open__an_unknown_host_is_a_mistake_in_the_configuration(void **state)
{
	struct conf c = conf_of("256.1.1.1.invalid", 0);
	struct error e = {0};
	int fd, port;
	(void)state;
	assert_int_equal(listen_open(&c, &fd, &port, &e), ERR_CONFIG);
	assert_string_equal(e.field, "server.host");
	assert_non_null(strstr(e.msg, "256.1.1.1.invalid"));
	/* an address of some other machine */
	c = conf_of("192.0.2.1", 0);
	assert_int_not_equal(listen_open(&c, &fd, &port, &e), ERR_NONE);
	assert_non_null(strstr(e.msg, "192.0.2.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listen_open__tells_the_port_it_got),
		cmocka_unit_test(listen_open__a_port_in_use_is_named),
		cmocka_unit_test(listen_open__waits_for_the_last_owner_of_a_port_to_go),
		cmocka_unit_test(listen_open__speaks_ipv6),
		cmocka_unit_test(listen_open__an_unknown_host_is_a_mistake_in_the_configuration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
