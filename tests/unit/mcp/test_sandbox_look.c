/* SPDX-License-Identifier: Apache-2.0 */
/* Where paths lead, as far as the kernel knows by heart. What this test has just opened it does. */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], real[PATH_MAX];
static const struct file_use READ = {.kind = FILE_OPENED}, MAKE = {.kind = FILE_MADE};

static const char *in(const char *name)
{
	static char paths[4][256];
	static int turn;
	turn = (turn + 1) % 4;
	snprintf(paths[turn], sizeof paths[turn], "%s/%s", dir, name);
	return paths[turn];
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sandbox-look-XXXXXX");
	assert_non_null(mkdtemp(dir));
	look_prepare();
	close(open(in("a"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	return symlink("a", in("link")) || symlink("none", in("broken")) || symlink("circle", in("circle"));
}

static int teardown(void **state)
{
	(void)state;
	unlink(in("a"));
	unlink(in("link"));
	unlink(in("broken"));
	unlink(in("circle"));
	return rmdir(dir);
}

/* Looks as whoever has just tried it. */
static enum file_look look(const char *path, struct file_use u)
{
	struct stat st;
	*real = '\0';
	(void)!stat(path, &st);
	(void)!lstat(path, &st);
	return look_at(path, &u, getpgrp(), real);
}

static void look__follows_links(void **state)
{
	(void)state;
	assert_int_equal(look(in("a"), READ), FILE_FOUND);
	assert_string_equal(real, in("a"));
	assert_int_equal(look(in("link"), READ), FILE_FOUND);
	assert_string_equal(real, in("a"));
	assert_int_equal(look(in("link"), MAKE), FILE_FOUND); /* the link itself is in the way */
	assert_string_equal(real, in("link"));
	assert_int_equal(look(in("broken"), READ), FILE_ABSENT);
	assert_int_equal(look(in("broken"), MAKE), FILE_FOUND);
	assert_int_equal(look(in("link"), (struct file_use){.link_itself = true}), FILE_ABSENT);
	assert_int_equal(look(in("a"), (struct file_use){.link_itself = true}), FILE_FOUND);
}

static void look__knows_what_is_not_there(void **state)
{
	char longest[PATH_MAX + 8];
	(void)state;
	assert_int_equal(look(in("none"), READ), FILE_ABSENT);
	assert_int_equal(look(in("a/b"), READ), FILE_ABSENT);
	assert_int_equal(look(in("circle"), READ), FILE_ABSENT);
	assert_int_equal(look(in("a"), (struct file_use){.folder_only = true}), FILE_ABSENT);
	assert_int_equal(look(dir, (struct file_use){.folder_only = true}), FILE_FOUND);
	memset(longest, 'a', sizeof longest - 1);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(look(longest, READ), FILE_ABSENT);
}

/* Names that are not there are not kept by these file systems. */
static void look__asks_file_systems_in_memory(void **state)
{
	(void)state;
	assert_int_equal(look("/proc/1/none", READ), FILE_ABSENT);
	assert_int_equal(look("/proc/none/of/these", READ), FILE_ABSENT);
	assert_int_equal(look("/proc/1/environ", READ), FILE_FOUND);
	assert_string_equal(real, "/proc/1/environ");
	assert_int_equal(look("/proc/sys/kernel/osrelease", READ), FILE_FOUND);
	if (access("/dev/shm", W_OK) == 0)
		assert_int_equal(look("/dev/shm/sandbox-look-none", READ), FILE_ABSENT);
	else
		print_message("not seen: a file system in memory, there is no /dev/shm\n");
}

static void look__own_links_of_proc_lead_where_they_do(void **state)
{
	char path[256], own[64];
	int fd = open(in("a"), O_RDONLY | O_CLOEXEC), ends[2];
	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	snprintf(own, sizeof own, "/proc/%d", (int)getpid());
	snprintf(path, sizeof path, "%s/fd/%d", own, fd);
	assert_int_equal(look(path, READ), FILE_FOUND);
	assert_string_equal(real, in("a"));
	snprintf(path, sizeof path, "%s/task/%d/fd/%d", own, (int)getpid(), fd);
	assert_int_equal(look(path, READ), FILE_FOUND);
	assert_string_equal(real, in("a"));
	snprintf(path, sizeof path, "%s/fd/%d", own, ends[0]);
	assert_int_equal(look(path, READ), FILE_ABSENT); /* a pipe is no file */
	snprintf(path, sizeof path, "%s/root/etc/passwd", own);
	assert_int_equal(look(path, READ), FILE_FOUND);
	assert_string_equal(real, "/etc/passwd");
	assert_true(look_is_of_group(own, getpgrp()) && look_is_of_group(path, getpgrp()));
	assert_false(look_is_of_group(own, 1) || look_is_of_group("/proc/selfish", getpgrp()) ||
		     look_is_of_group("/tmp", getpgrp()) || look_is_of_group("/proc/1x/a", getpgrp()));
	close(fd);
	close(ends[0]);
	close(ends[1]);
	/* Of processes of others nothing is followed. */
	assert_int_equal(look_at("/proc/1/root/etc/passwd", &READ, getpgrp(), real),
			 getpgid(1) == getpgrp() ? FILE_FOUND : FILE_UNKNOWN);
}

static void look_is_plain__without_links(void **state)
{
	(void)state;
	assert_int_equal(look(in("a"), READ), FILE_FOUND);
	assert_true(look_is_plain(in("a")) && look_is_plain(dir));
	look(in("link"), READ);
	assert_false(look_is_plain(in("link")));
	look(in("none"), READ);
	assert_true(look_is_plain(in("none")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(look__follows_links),
		cmocka_unit_test(look__knows_what_is_not_there),
		cmocka_unit_test(look__asks_file_systems_in_memory),
		cmocka_unit_test(look__own_links_of_proc_lead_where_they_do),
		cmocka_unit_test(look_is_plain__without_links),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
