/* SPDX-License-Identifier: Apache-2.0 */
/* Which arguments of a system call name files, and how these are used. */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <cmocka.h>

static struct file_use uses[FILE_USES_MAX];

static size_t used(int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return file_call_uses(&(struct seccomp_data){.nr = nr, .args = {a, b, c, d}}, 0, uses);
}

/* The one use of openat with these flags. */
static const struct file_use *opened(uint64_t flags)
{
	assert_int_equal(used(SYS_openat, 5, 100, flags, 0), 1);
	assert_true(uses[0].folder == 5 && uses[0].path == 100);
	return &uses[0];
}

static void calls__are_known_by_their_numbers(void **state)
{
	size_t count = 0;
	(void)state;
	for (; file_call_number(count) >= 0; count++) {
		const char *name, *own = file_call_name(file_call_number(count));
		int errnum;
		assert_non_null(own);
		assert_int_equal(seccomp_call_find(file_call_number(count), &name, &errnum), -1);
	}
	assert_true(count >= 12);
	assert_string_equal(file_call_name(SYS_openat), "openat");
	assert_null(file_call_name(SYS_read));
	assert_null(file_call_name(SYS_clone));
	assert_int_equal(used(SYS_read, 1, 2, 3, 4), 0);
	assert_true(file_call_executes(SYS_execve) && file_call_executes(SYS_execveat));
	assert_false(file_call_executes(SYS_openat));
}

static void open__by_its_flags(void **state)
{
	(void)state;
	const struct file_use *u = opened(O_RDONLY | O_CLOEXEC);
	assert_true(u->kind == FILE_OPENED && !u->write && !u->create);
	assert_true(opened(O_WRONLY)->write && opened(O_RDWR)->write && opened(O_TRUNC)->write);
	u = opened(O_WRONLY | O_CREAT);
	assert_true(u->kind == FILE_OPENED && u->write && u->create);
	u = opened(O_RDONLY | O_CREAT | O_EXCL);
	assert_true(u->kind == FILE_MADE && u->write);
	assert_true(opened(O_DIRECTORY)->folder_only);
	assert_false(opened(O_TMPFILE | O_RDWR)->folder_only);
	assert_true(opened(O_NOFOLLOW)->link_itself);
	assert_int_equal(used(SYS_openat, 5, 100, O_PATH, 0), 0); /* refused to nobody */
	assert_int_equal(used(SYS_openat, 5, 100, O_ACCMODE, 0), 0);
}

static void openat2__has_its_flags_in_memory(void **state)
{
	struct seccomp_data d = {.nr = SYS_openat2, .args = {(uint32_t)AT_FDCWD, 100, 4096, 24}};
	(void)state;
	assert_int_equal(file_call_flags_at(&d), 4096);
	assert_int_equal(file_call_uses(&d, O_WRONLY, uses), 1);
	assert_true(uses[0].write && uses[0].folder == AT_FDCWD);
	d.nr = SYS_openat;
	assert_int_equal(file_call_flags_at(&d), 0);
}

static void others__by_their_names(void **state)
{
	(void)state;
	assert_int_equal(used(SYS_execve, 100, 0, 0, 0), 1);
	assert_true(uses[0].kind == FILE_OPENED && !uses[0].write && uses[0].path == 100 &&
		    uses[0].folder == AT_FDCWD);
	assert_int_equal(used(SYS_truncate, 100, 0, 0, 0), 1);
	assert_true(uses[0].kind == FILE_OPENED && uses[0].write);
	assert_int_equal(used(SYS_mkdirat, 3, 100, 0, 0), 1);
	assert_true(uses[0].kind == FILE_MADE && uses[0].folder == 3);
	assert_int_equal(used(SYS_symlinkat, 50, 3, 100, 0), 1);
	assert_true(uses[0].kind == FILE_MADE && uses[0].folder == 3 && uses[0].path == 100);
	assert_int_equal(used(SYS_unlinkat, 3, 100, 0, 0), 1);
	assert_int_equal(uses[0].kind, FILE_REMOVED);
	assert_int_equal(used(SYS_renameat2, 3, 100, 4, 200), 2);
	assert_true(uses[0].kind == FILE_REMOVED && uses[0].folder == 3 && uses[0].path == 100);
	assert_true(uses[1].kind == FILE_PLACED && uses[1].folder == 4 && uses[1].path == 200);
	assert_int_equal(used(SYS_linkat, 3, 100, 4, 200), 2);
	assert_int_equal(uses[1].kind, FILE_MADE);
#ifdef SYS_open
	assert_int_equal(used(SYS_open, 100, O_RDONLY, 0, 0), 1);
	assert_true(uses[0].path == 100 && !uses[0].write);
	assert_int_equal(used(SYS_creat, 100, 0600, 0, 0), 1);
	assert_true(uses[0].kind == FILE_OPENED && uses[0].write && uses[0].create);
	assert_int_equal(used(SYS_rename, 100, 200, 0, 0), 2);
	assert_true(uses[0].path == 100 && uses[1].path == 200 && uses[1].folder == AT_FDCWD);
	assert_int_equal(used(SYS_symlink, 50, 100, 0, 0), 1);
	assert_int_equal(uses[0].path, 100);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls__are_known_by_their_numbers),
		cmocka_unit_test(open__by_its_flags),
		cmocka_unit_test(openat2__has_its_flags_in_memory),
		cmocka_unit_test(others__by_their_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
