/* SPDX-License-Identifier: Apache-2.0 */
/* The title as ps(1) reads it; and no key left where other processes could read it. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t proc_read(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, out, size - 1);
	close(fd);
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void title__is_shown(void **state)
{
	char text[4096], name[32];
	(void)state;
	title_set("agent-runtime: worker 12");
	proc_read("/proc/self/cmdline", text, sizeof text);
	assert_string_equal(text, "agent-runtime: worker 12");
	proc_read("/proc/self/comm", name, sizeof name);
	assert_string_equal(name, "worker 12\n");
	title_set("agent-runtime: master");
	proc_read("/proc/self/cmdline", text, sizeof text);
	assert_string_equal(text, "agent-runtime: master");
}

static void title__the_environment_works_but_is_not_shown(void **state)
{
	static char text[1 << 16];
	(void)state;
	assert_string_equal(getenv("TITLE_TEST_KEY"), "sk-very-secret");
	size_t n = proc_read("/proc/self/environ", text, sizeof text);
	assert_null(memmem(text, n, "sk-very-secret", 14));
	setenv("TITLE_TEST_KEY", "other", 1);
	assert_string_equal(getenv("TITLE_TEST_KEY"), "other");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(title__is_shown),
		cmocka_unit_test(title__the_environment_works_but_is_not_shown),
	};
	/* The key must stand there from the start, as a service manager gives it. */
	if (getenv("TITLE_TEST_KEY") == NULL) {
		setenv("TITLE_TEST_KEY", "sk-very-secret", 1);
		execv("/proc/self/exe", argv);
		return 1;
	}
	title_init(argc, argv);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fflush(stdout);
	_exit(failed); /* the copies that title_init made live as long as the process; no leak checker knows
			*/
}
