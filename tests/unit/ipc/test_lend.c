/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that one process lends another: what comes is what was written, and nothing that could vanish is
 * read. */
#include "base/base.h"
#include "ipc/ipc_int.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

static void lend__joins_the_parts_and_cannot_shrink(void **state)
{
	struct iovec parts[] = {{(char[]){"one "}, 4}, {NULL, 0}, {(char[]){"two"}, 3}};
	struct slice got;
	struct error e;
	(void)state;
	int fd = lend_make(parts, COUNT_OF(parts));
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_not_equal(ftruncate(fd, 1), 0);
	assert_int_equal(lend_take(fd, 7, &got, &e), ERR_NONE);
	close(fd);
	assert_true(slice_eq_str(got, "one two")); /* it outlives the descriptor */
	lend_drop(got);
}

static void refused(int fd, size_t len)
{
	struct slice got;
	struct error e = {0};
	assert_int_equal(lend_take(fd, len, &got, &e), ERR_INVALID);
	assert_int_equal(got.len, 0);
	lend_drop(got);
}

static void lend_take__refuses_what_could_vanish_or_is_of_another_size(void **state)
{
	struct iovec part = {(char[]){"seven.."}, 7};
	int pair[2];
	(void)state;
	int fd = lend_make(&part, 1);
	refused(fd, 8);
	refused(fd, 6);
	refused(fd, 0);
	close(fd);
	int open_ended = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(open_ended, 7), 0);
	refused(open_ended, 7);
	close(open_ended);
	assert_int_equal(pipe(pair), 0);
	refused(pair[0], 7);
	close(pair[0]);
	close(pair[1]);
	refused(-1, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lend__joins_the_parts_and_cannot_shrink),
		cmocka_unit_test(lend_take__refuses_what_could_vanish_or_is_of_another_size),
	};
	return cmocka_run_group_tests_name("lend", tests, NULL, NULL);
}
