/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of files, from question to line of the log. The questions are about calls that this test
 * itself would make: its own memory is read, and it is the server.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], granted[96], outside[96], absent[96], link_out[128], log_text[65536];
static struct loop *loop;
static struct files *files;
static int log_fd;

static void file_make(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static int setup(void **state)
{
	char usr[] = "/usr", nowhere[] = "/nowhere";
	struct sandbox_path items[] = {{granted, true}, {usr, false}, {nowhere, false}};
	struct sandbox_paths paths = {items, COUNT_OF(items)};
	(void)state;
	strcpy(dir, "/tmp/sandbox-files-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(granted, sizeof granted, "%s/granted", dir);
	snprintf(outside, sizeof outside, "%s/outside", dir);
	snprintf(absent, sizeof absent, "%s/absent", dir);
	snprintf(link_out, sizeof link_out, "%s/link", granted);
	assert_int_equal(mkdir(granted, 0700), 0);
	file_make(outside);
	assert_int_equal(symlink(outside, link_out), 0);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	log_init("test", LOG_INFO, LOG_FORMAT_JSON);
	log_set_fd(log_fd);
	loop = loop_new();
	files = files_new(&paths);
	files_start(files, loop, "s", getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	files_free(files);
	loop_free(loop);
	log_set_fd(2);
	close(log_fd);
	clock_fake_clear();
	unlink(link_out);
	unlink(outside);
	rmdir(granted);
	return rmdir(dir);
}

/* --- as the server --- */

static void ask(int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct seccomp_notif q = {.pid = (uint32_t)getpid(), .data = {.nr = nr, .args = {a, b, c, d}}};
	files_take(files, &q);
	files_think(files);
}

static uint64_t at(const char *path)
{
	return (uint64_t)(uintptr_t)path;
}

static void opens(const char *path, int flags)
{
	int fd = open(path, (flags & ~(O_CREAT | O_TRUNC)) | O_CLOEXEC); /* the kernel knows it by now */
	if (fd >= 0)
		close(fd);
	ask(SYS_openat, (uint64_t)AT_FDCWD, at(path), (uint64_t)flags, 0);
}

/* --- what was told --- */

static const char *told(void)
{
	files_finish(files);
	ssize_t n = pread(log_fd, log_text, sizeof log_text - 1, 0);
	log_text[n > 0 ? n : 0] = '\0';
	return log_text;
}

static size_t lines(void)
{
	size_t n = 0;
	for (const char *p = told(); *p; p++)
		n += *p == '\n';
	return n;
}

static bool tells(const char *path, const char *call, const char *use)
{
	char *words = xasprintf("\"call\":\"%s\",\"path\":\"%s\",\"use\":\"%s\"", call, path, use);
	bool yes = strstr(told(), words) != NULL;
	free(words);
	return yes;
}

static void files__outside_are_told_once_for_each_use(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		opens(outside, O_RDONLY);
		opens(outside, O_RDWR);
	}
	assert_true(tells(outside, "openat", "read") && tells(outside, "openat", "write"));
	assert_int_equal(lines(), 2);
	assert_non_null(strstr(told(), "\"level\":\"warn\""));
	assert_non_null(strstr(told(), "\"server\":\"s\""));
}

static void files__granted_and_absent_are_not_told(void **state)
{
	char fresh[128];
	(void)state;
	snprintf(fresh, sizeof fresh, "%s/fresh", granted);
	opens("/usr/bin/env", O_RDONLY);
	opens(granted, O_RDONLY);
	opens(fresh, O_WRONLY | O_CREAT);
	opens(absent, O_RDONLY);
	opens("/proc/self/status", O_RDONLY);
	opens("/dev/stdin", O_RDONLY);
	opens(outside, O_PATH);
	ask(SYS_openat, (uint64_t)AT_FDCWD, 16, 0, 0); /* no memory of ours */
	ask(SYS_openat, (uint64_t)AT_FDCWD, at(""), 0, 0);
	assert_string_equal(told(), "");
}

static void files__a_link_out_of_the_grants_is_told(void **state)
{
	(void)state;
	opens(link_out, O_RDONLY);
	opens("/usr/bin/env", O_RDONLY); /* one question later it is seen through */
	assert_true(tells(link_out, "openat", "read"));
	char *real = xasprintf("\"real_path\":\"%s\"", outside);
	assert_non_null(strstr(told(), real));
	free(real);
	assert_int_equal(lines(), 1);
}

static void files__from_a_folder_of_the_server(void **state)
{
	char text[128];
	int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)state;
	ask(SYS_openat, (uint64_t)folder, at("outside"), O_RDONLY, 0);
	ask(SYS_openat, (uint64_t)folder, at("granted/../outside"), O_WRONLY, 0);
	assert_true(tells(outside, "openat", "read") && tells(outside, "openat", "write"));
	ask(SYS_unlinkat, (uint64_t)folder, at("./outside"), 0, 0);
	ask(SYS_mkdirat, (uint64_t)folder, at("new"), 0700, 0);
	ask(SYS_mkdirat, (uint64_t)folder, at("granted"), 0700, 0); /* is there */
	snprintf(text, sizeof text, "%s/new", dir);
	assert_true(tells(text, "mkdirat", "write"));
	assert_int_equal(lines(), 3); /* outside was told as written to */
	close(folder);
}

static void files__two_paths_of_one_call(void **state)
{
	char to[128];
	(void)state;
	snprintf(to, sizeof to, "%s/in", granted);
	ask(SYS_renameat2, (uint64_t)AT_FDCWD, at(absent), (uint64_t)AT_FDCWD, at(outside));
	assert_string_equal(told(), ""); /* there is nothing to rename */
	ask(SYS_renameat2, (uint64_t)AT_FDCWD, at(outside), (uint64_t)AT_FDCWD, at(to));
	assert_true(tells(outside, "renameat2", "write"));
	assert_int_equal(lines(), 1);
}

static void files__flags_of_openat2_are_read(void **state)
{
	uint64_t how[3] = {O_WRONLY, 0, 0};
	(void)state;
	ask(SYS_openat2, (uint64_t)AT_FDCWD, at(outside), (uint64_t)(uintptr_t)how, sizeof how);
	how[0] = O_PATH;
	ask(SYS_openat2, (uint64_t)AT_FDCWD, at(dir), (uint64_t)(uintptr_t)how, sizeof how);
	assert_true(tells(outside, "openat2", "write"));
	assert_int_equal(lines(), 1);
}

/* In a short while, by the loop alone. */
static void files__wait_for_the_timer(void **state)
{
	(void)state;
	clock_fake_set(1000000, 1000);
	opens(outside, O_RDONLY);
	loop_turn(loop, 0);
	assert_int_equal(pread(log_fd, log_text, sizeof log_text, 0), 0);
	clock_fake_set(1000000 + 10000, 1010);
	loop_turn(loop, 0);
	assert_true(pread(log_fd, log_text, sizeof log_text, 0) > 0);
	assert_int_equal(lines(), 1);
}

static void files__so_many_and_no_more(void **state)
{
	char path[128];
	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof path, "%s/%d", dir, i);
		ask(SYS_mkdirat, (uint64_t)AT_FDCWD, at(path), 0700, 0);
	}
	assert_int_equal(lines(), 33);
	assert_non_null(strstr(told(), "more are not told"));
	assert_non_null(strstr(told(), "\"limit\":32"));
}

static void files__end_before_they_begin(void **state)
{
	struct sandbox_paths none = {NULL, 0};
	(void)state;
	files_free(files_new(&none)); /* the server could not be started */
	files_free(NULL);
	opens(outside, O_RDONLY); /* what waits is told with the end */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(files__outside_are_told_once_for_each_use),
		TEST(files__granted_and_absent_are_not_told),
		TEST(files__a_link_out_of_the_grants_is_told),
		TEST(files__from_a_folder_of_the_server),
		TEST(files__two_paths_of_one_call),
		TEST(files__flags_of_openat2_are_read),
		TEST(files__wait_for_the_timer),
		TEST(files__so_many_and_no_more),
		TEST(files__end_before_they_begin),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
