/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of a process: here of a child that waits, and of this one. */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char *pages; /* two, and one behind them that is not there */
static size_t page_bytes;

static int setup(void **state)
{
	(void)state;
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	pages = mmap(NULL, 3 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	memset(pages, 'x', 2 * page_bytes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	asker_forget(0);
	return munmap(pages, 3 * page_bytes);
}

static uint64_t at(const char *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void asker_text__up_to_its_end(void **state)
{
	char text[PATH_MAX];
	(void)state;
	strcpy(pages, "/a/b");
	assert_int_equal(asker_text(getpid(), at(pages), text, sizeof text), ASKER_READ);
	assert_string_equal(text, "/a/b");
	char *across = pages + page_bytes - 3;
	strcpy(across, "/over/the/edge");
	assert_int_equal(asker_text(getpid(), at(across), text, sizeof text), ASKER_READ);
	assert_string_equal(text, "/over/the/edge");
	memset(pages, 'x', 2 * page_bytes);
	char *last = pages + 2 * page_bytes - 2;
	assert_int_equal(asker_text(getpid(), at(last), text, sizeof text), ASKER_LATER); /* it has no end */
	last[1] = '\0';
	assert_int_equal(asker_text(getpid(), at(last), text, sizeof text), ASKER_READ);
	assert_string_equal(text, "x");
	assert_int_equal(asker_text(getpid(), at(pages), text, 100), ASKER_LATER);
}

static void asker_bytes__only_what_is_in_memory(void **state)
{
	uint64_t value = 0;
	(void)state;
	memcpy(pages + page_bytes - 4, "\1\2\3\4\5\6\7\10", 8);
	assert_int_equal(asker_bytes(getpid(), at(pages) + page_bytes - 4, &value, sizeof value), ASKER_READ);
	assert_memory_equal(&value, "\1\2\3\4\5\6\7\10", 8);
	assert_int_equal(asker_bytes(getpid(), at(pages) + 2 * page_bytes, &value, sizeof value),
			 ASKER_LATER);
	assert_int_equal(asker_bytes(getpid(), 8, &value, sizeof value), ASKER_LATER);
}

/* Another memory under the same number: a child is replaced by one that has what it has. */
static void asker__notices_that_memory_is_gone(void **state)
{
	char text[PATH_MAX];
	(void)state;
	strcpy(pages, "/of/the/child");
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	strcpy(pages, "/of/this");
	assert_int_equal(asker_text(pid, at(pages), text, sizeof text), ASKER_READ);
	assert_string_equal(text, "/of/the/child");
	assert_int_equal(asker_process(pid), pid);
	assert_true(asker_folder(pid, AT_FDCWD, text, sizeof text));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(asker_text(pid, at(pages), text, sizeof text), ASKER_REFUSED);
	assert_true(errno == ENOENT || errno == ESRCH);
	assert_int_equal(asker_process(pid), 0);
	assert_false(asker_folder(pid, AT_FDCWD, text, sizeof text));
}

static int files_open(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void asker__keeps_few_descriptors_and_gives_them_back(void **state)
{
	pid_t pids[12];
	char text[PATH_MAX];
	(void)state;
	strcpy(pages, "/x");
	asker_forget(0);
	int before = files_open();
	for (size_t i = 0; i < COUNT_OF(pids); i++)
		if ((pids[i] = fork()) == 0) {
			pause();
			_exit(0);
		}
	for (size_t i = 0; i < COUNT_OF(pids); i++)
		assert_int_equal(asker_text(pids[i], at(pages), text, sizeof text), ASKER_READ);
	assert_in_range(files_open() - before, 2, 16);
	asker_forget(pids[11]);
	assert_int_equal(asker_text(pids[11], at(pages), text, sizeof text), ASKER_READ);
	asker_forget(0);
	assert_int_equal(files_open(), before);
	for (size_t i = 0; i < COUNT_OF(pids); i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

static void asker_folder__of_a_descriptor(void **state)
{
	char text[PATH_MAX];
	int ends[2], fd = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)state;
	assert_true(asker_folder(getpid(), fd, text, sizeof text));
	assert_string_equal(text, "/usr");
	close(fd);
	assert_false(asker_folder(getpid(), fd, text, sizeof text));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_false(asker_folder(getpid(), ends[0], text, sizeof text));
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asker_text__up_to_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(asker_bytes__only_what_is_in_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(asker__notices_that_memory_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(asker__keeps_few_descriptors_and_gives_them_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(asker_folder__of_a_descriptor, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
