/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The confinement as the kernel enforces it: a forked child enters it and says what it can still do. On a
 * system without Landlock or seccomp the tests that need them say so and are skipped.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/sandbox_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif
static char dir[64], granted[96];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sandbox-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(granted, sizeof granted, "%s/granted", dir);
	return close(open(granted, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static int teardown(void **state)
{
	(void)state;
	unlink(granted);
	return rmdir(dir);
}

static bool landlock_is_missing(void)
{
	if (!landlock_abi())
		print_message("skipped: this kernel has no Landlock for us\n");
	return !landlock_abi();
}

static bool seccomp_is_missing(void)
{
	if (!seccomp_is_there())
		print_message("skipped: no seccomp filter on this kernel or processor\n");
	return !seccomp_is_there();
}

/* Runs fn in a child that is confined as `o` says, with the broker's answers from this process. Its result, 0
 * to 99; 100 when the sandbox could not be entered. */
static int confined(const struct mcp_server_options *o, int (*fn)(void))
{
	struct error e;
	struct loop *l = loop_new();
	int status;
	struct confinement *c = confinement_new(o, "/usr/bin:/bin", &e);
	assert_non_null(c);
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		_exit(confinement_enter(c) ? fn() : 100);
	}
	confinement_started(c, l, pid);
	while (waitpid(pid, &status, WNOHANG) == 0)
		loop_turn(l, 5);
	confinement_free(c);
	loop_free(l);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct mcp_server_options sh(void)
{
	return (struct mcp_server_options){.id = "s", .enabled = true, .command = "sh"};
}

/* errno of what failed, 0 when it worked. */
static int result(long rc)
{
	return rc < 0 ? errno : 0;
}

/* --- files --- */

static int file_granted(void)
{
	return result(open(granted, O_RDWR | O_CLOEXEC));
}
static int file_beside(void)
{
	return result(open(dir, O_RDONLY | O_CLOEXEC));
}
static int file_made(void)
{
	char path[96];
	snprintf(path, sizeof path, "%s/more", dir);
	return result(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}
static int file_program(void)
{
	int fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? errno : result(open("/usr/bin/env", O_WRONLY | O_CLOEXEC));
}
static int proc_other(void)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/environ", (int)getppid());
	return result(open(path, O_RDONLY | O_CLOEXEC));
}
static int proc_self(void)
{
	return result(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
}
static int parent_signalled(void)
{
	return result(kill(getppid(), SIGCONT));
}

static void sandbox__refuses_files_but_the_granted(void **state)
{
	struct mcp_server_options o = sh();
	const char *args[] = {granted, NULL};
	o.args = args;
	(void)state;
	if (landlock_is_missing())
		skip();
	assert_int_equal(confined(&o, file_granted), 0);
	assert_int_equal(confined(&o, file_beside), EACCES);
	assert_int_equal(confined(&o, file_made), EACCES);
	assert_int_equal(confined(&o, file_program), EACCES);
	assert_int_equal(confined(&o, proc_other), EACCES);
	assert_int_equal(confined(&o, proc_self), 0);
	o.args = NULL;
	assert_int_equal(confined(&o, file_granted), EACCES);
	if (landlock_abi() >= 6)
		assert_int_equal(confined(&o, parent_signalled), EPERM);
}

/* A line of the log for what is refused, and none for what is not. */
static void sandbox__tells_of_refused_files(void **state)
{
	struct mcp_server_options o = sh();
	static char text[8192];
	int fd = memfd_create("log", MFD_CLOEXEC);
	(void)state;
	if (landlock_is_missing() || !seccomp_has_listener()) {
		close(fd);
		skip();
	}
	log_init("test", LOG_INFO, LOG_FORMAT_JSON);
	log_set_fd(fd);
	assert_int_equal(confined(&o, proc_self), 0);
	assert_int_equal(pread(fd, text, sizeof text, 0), 0);
	assert_int_equal(confined(&o, file_beside), EACCES);
	assert_int_equal(confined(&o, file_made), EACCES);
	o.sandbox.files_unlogged = true;
	assert_int_equal(confined(&o, proc_other), EACCES);
	log_set_fd(2);
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	char *read = xasprintf("\"path\":\"%s\",\"use\":\"read\"", dir),
	     *write = xasprintf("\"path\":\"%s/more\",\"use\":\"write\"", dir);
	assert_non_null(strstr(text, read));
	assert_non_null(strstr(text, write));
	assert_null(strstr(text, "/proc/"));
	free(read);
	free(write);
	close(fd);
}

/* --- system calls --- */

static int call_ptrace(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}
static int call_unshare(void)
{
	return result(unshare(CLONE_NEWUSER));
}
static int call_clone_namespace(void)
{
	return result(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}
static int call_clone3(void)
{
	return result(syscall(SYS_clone3, NULL, 0));
}
static int call_io_uring(void)
{
	return result(syscall(SYS_io_uring_setup, 1, NULL));
}
static int group_left(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(setsid() == 0 && setpgid(0, 0) == 0 && getpgrp() == getppid() ? 0 : 1);
	int status;
	return waitpid(pid, &status, 0) == pid ? status : 99;
}

static void sandbox__refuses_system_calls(void **state)
{
	struct mcp_server_options o = sh();
	(void)state;
	if (seccomp_is_missing())
		skip();
	assert_int_equal(confined(&o, call_ptrace), EPERM);
	assert_int_equal(confined(&o, call_unshare), EPERM);
	assert_int_equal(confined(&o, call_clone_namespace), EPERM);
	assert_int_equal(confined(&o, call_clone3), ENOSYS);
	assert_int_equal(confined(&o, call_io_uring), EPERM);
	assert_int_equal(confined(&o, group_left), 0);
}

/* --- the network --- */

static uint16_t port; /* somebody listens there on 127.0.0.1 */

static int connect_to(const char *host, uint16_t to)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(to)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, host, &a.sin_addr);
	return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&a, sizeof a));
}
static int connect_here(void)
{
	return connect_to("127.0.0.1", port);
}
static int connect_out(void)
{
	return connect_to("192.0.2.1", 9); /* an address for documents: nobody is there */
}
static int datagram(void)
{
	return result(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}
static int bind_everywhere(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? errno : result(bind(fd, (struct sockaddr *)&a, sizeof a));
}
static int local_connect(void)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return errno;
	struct sockaddr a = {.sa_family = AF_UNIX, .sa_data = "/run/x"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? errno : result(connect(fd, &a, sizeof a));
}

static void sandbox__network_as_granted(void **state)
{
	struct mcp_server_options o = sh();
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	(void)state;
	if (seccomp_is_missing())
		skip();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	port = ntohs(a.sin_port);
	assert_int_equal(confined(&o, connect_here), EACCES);
	assert_int_equal(confined(&o, datagram), EACCES);
	assert_int_equal(confined(&o, local_connect), EACCES);
	o.sandbox.network = MCP_NETWORK_ALL;
	assert_int_equal(confined(&o, connect_here), 0);
	assert_int_equal(confined(&o, datagram), 0);
	o.sandbox.network = MCP_NETWORK_LOOPBACK;
	assert_int_equal(confined(&o, datagram), EACCES);
	assert_int_equal(confined(&o, connect_out), EACCES);
	assert_int_equal(confined(&o, bind_everywhere), EACCES);
	assert_int_equal(confined(&o, local_connect), EACCES);
	assert_int_equal(confined(&o, connect_here), seccomp_has_listener() ? 0 : EACCES);
	close(fd);
}

/* --- limits --- */

static int files_opened(void)
{
	int n = 0;
	while (n < 90 && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		n++;
	return n;
}

/* How many children it gets, all alive together. */
static int children_made(void)
{
	int n = 0, go[2];
	char byte;
	if (pipe(go) != 0)
		return 99;
	for (; n < 60; n++) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (pid == 0) {
			close(go[1]);
			_exit(read(go[0], &byte, 1) == 0 ? 0 : 1);
		}
	}
	close(go[1]);
	while (wait(NULL) > 0)
		;
	return n;
}
static int memory_taken(void)
{
	void *p = malloc((size_t)256 << 20);
	int errnum = p ? 0 : errno;
	free(p);
	return errnum;
}

static void sandbox__limits_hold(void **state)
{
	struct mcp_server_options o = sh();
	(void)state;
	o.sandbox.files = 50;
	assert_in_range(confined(&o, files_opened), 20, 49);
	o.sandbox.memory_mib = 64;
	if (is_sanitized)
		print_message("not seen: the limit of memory, which a sanitizer is over by itself\n");
	else
		assert_int_equal(confined(&o, memory_taken), ENOMEM);
	o.sandbox.memory_mib = 0;
	o.sandbox.processes = 12;
	if (!seccomp_has_listener())
		print_message("not seen: the number of processes, which this kernel does not ask about\n");
	else
		assert_int_equal(confined(&o, children_made), 11);
}

/* --- what is said --- */

static void report__names_what_is_missing(void **state)
{
	struct sandbox_report r;
	struct mcp_server_options o = sh();
	struct error e;
	(void)state;
	run_folder_open(NULL);
	sandbox_report_make(&o.sandbox, &r);
	assert_string_equal(r.missing[r.missing_count - 1], "temporary folder: there is no private one");
	assert_int_equal(sandbox_check(&o, &e), ERR_NONE);
	o.sandbox.require = true;
	assert_int_equal(sandbox_check(&o, &e), ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "this system lacks a part: "));
	o.sandbox.off = true;
	assert_int_equal(sandbox_check(&o, &e), ERR_NONE);
}

static bool loopback(const char *text)
{
	struct sockaddr_in six_less = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &six_less.sin_addr) == 1)
		return address_is_loopback(&six_less, sizeof six_less);
	assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
	return address_is_loopback(&six, sizeof six);
}

static void address_is_loopback__of_both_families(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr local = {.sa_family = AF_UNIX};
	(void)state;
	assert_true(loopback("127.0.0.1") && loopback("127.9.8.7") && loopback("::1") &&
		    loopback("::ffff:127.0.0.1"));
	assert_false(loopback("0.0.0.0") || loopback("128.0.0.1") || loopback("10.0.0.1") || loopback("::") ||
		     loopback("fe80::1") || loopback("::ffff:10.0.0.1"));
	assert_false(address_is_loopback(&a, 4) || address_is_loopback(&local, sizeof local));
}

/* What is asked about is found again, and every filter has room. */
static void seccomp_calls__are_known_by_their_numbers(void **state)
{
	static struct seccomp_code code;
	const char *name = NULL;
	int errnum = 0, place;
	(void)state;
	place = seccomp_call_find(SYS_ptrace, &name, &errnum);
	assert_true(place >= 0 && place < SECCOMP_CALLS_MAX);
	assert_string_equal(name, "ptrace");
	assert_int_equal(errnum, EPERM);
	assert_true(seccomp_call_find(SYS_connect, &name, &errnum) > place);
	assert_string_equal(name, "connect");
	assert_int_equal(errnum, EACCES);
	assert_int_equal(seccomp_call_find(SYS_clone, &name, &errnum), -1);
	for (int network = MCP_NETWORK_NONE; network <= MCP_NETWORK_ALL; network++) {
		seccomp_code_make((enum mcp_network)network, true, true, &code);
		assert_true(code.len > 0 && code.len <= SECCOMP_CODE_MAX);
		seccomp_code_make((enum mcp_network)network, false, true, &code);
		assert_true(code.len > 0 && code.len <= SECCOMP_CODE_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sandbox__refuses_files_but_the_granted),
		cmocka_unit_test(sandbox__tells_of_refused_files),
		cmocka_unit_test(sandbox__refuses_system_calls),
		cmocka_unit_test(sandbox__network_as_granted),
		cmocka_unit_test(sandbox__limits_hold),
		cmocka_unit_test(report__names_what_is_missing),
		cmocka_unit_test(address_is_loopback__of_both_families),
		cmocka_unit_test(seccomp_calls__are_known_by_their_numbers),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, setup, teardown);
}
