/* SPDX-License-Identifier: Apache-2.0 */
/* Which uses of files are within what a server was granted; where paths lead is said by the test. */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* A small world: what is there, and where it leads. A path of it that is not known leads to itself. */
static const struct place {
	const char *path, *real; /* NULL: nobody knows */
} WORLD[] = {{"/", "/"},
	     {"/data", "/data"},
	     {"/data/in", "/data/in"},
	     {"/data/in/a", "/data/in/a"},
	     {"/data/in/out", "/etc/shadow"},
	     {"/data/in/folder-out", "/etc"},
	     {"/data/in/../../etc/shadow", "/etc/shadow"},
	     {"/data/input", "/data/input"},
	     {"/lib", "/usr/lib"},
	     {"/lib/libc.so", "/usr/lib/libc.so"},
	     {"/etc", "/etc"},
	     {"/etc/shadow", "/etc/shadow"},
	     {"/far", NULL},
	     {"/far/a", NULL},
	     {"/data/in/far", NULL},
	     {"/notes.db", "/notes.db"}};

static enum file_look look(const char *path, const struct file_use *u, char real[PATH_MAX], void *arg)
{
	(void)u;
	(void)arg;
	for (size_t i = 0; i < COUNT_OF(WORLD); i++)
		if (!strcmp(WORLD[i].path, path)) {
			snprintf(real, PATH_MAX, "%s", WORLD[i].real ? WORLD[i].real : "");
			return WORLD[i].real ? FILE_FOUND : FILE_UNKNOWN;
		}
	return FILE_ABSENT;
}

static struct grants *g;
static char real[PATH_MAX];

static int setup(void **state)
{
	(void)state;
	g = grants_new();
	grants_add(g, "/usr", false);
	grants_add(g, "/data/in", true);
	grants_add(g, "/data", false);
	grants_add(g, "/notes.db", true);
	grants_add(g, "/usr", false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	grants_free(g);
	return 0;
}

static enum file_verdict judge(struct file_use u, const char *path)
{
	return file_judge(g, &u, path, look, NULL, real);
}

static const struct file_use READ = {.kind = FILE_OPENED}, WRITE = {.kind = FILE_OPENED, .write = true},
			     CREATE = {.kind = FILE_OPENED, .write = true, .create = true},
			     MAKE = {.kind = FILE_MADE, .write = true},
			     REMOVE = {.kind = FILE_REMOVED, .write = true},
			     PLACE = {.kind = FILE_PLACED, .write = true};

/* --- paths --- */

static void path_collapse__as_text(void **state)
{
	static const char *const PAIRS[][2] = {
		{"/", "/"},        {"//a///b/", "/a/b"}, {"/a/./b/.", "/a/b"},        {"/a/b/../c", "/a/c"},
		{"/a/../..", "/"}, {"/../a", "/a"},      {"/a/..b/...", "/a/..b/..."}};
	char out[PATH_MAX], longest[PATH_MAX + 8];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(PAIRS); i++) {
		assert_true(path_collapse(PAIRS[i][0], out));
		assert_string_equal(out, PAIRS[i][1]);
	}
	memset(longest, 'a', sizeof longest);
	longest[0] = '/';
	longest[PATH_MAX - 1] = '\0';
	assert_true(path_collapse(longest, out));
	longest[PATH_MAX - 1] = 'a';
	longest[PATH_MAX] = '\0';
	assert_false(path_collapse(longest, out));
}

static void path_own__is_the_process_that_says_it(void **state)
{
	static const char *const PAIRS[][2] = {{"/proc/self/environ", "/proc/7/environ"},
					       {"/proc/self", "/proc/7"},
					       {"/proc/thread-self/maps", "/proc/7/maps"},
					       {"/dev/fd/3", "/proc/7/fd/3"},
					       {"/dev/stdin", "/proc/7/fd/0"},
					       {"/proc/mounts", "/proc/7/mounts"},
					       {"/proc/selfish", "/proc/selfish"},
					       {"/proc/1/environ", "/proc/1/environ"}};
	char out[PATH_MAX];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(PAIRS); i++) {
		assert_int_equal(path_is_own(PAIRS[i][0]), i < 6);
		assert_true(path_own(PAIRS[i][0], 7, out));
		assert_string_equal(out, PAIRS[i][1]);
	}
}

/* --- grants --- */

static void grants__hold_for_the_path_and_all_below(void **state)
{
	(void)state;
	assert_true(grants_allow(g, "/usr", false) && grants_allow(g, "/usr/lib/x", false));
	assert_false(grants_allow(g, "/usr", true) || grants_allow(g, "/usr/lib/x", true));
	assert_true(grants_allow(g, "/data/in", true) && grants_allow(g, "/data/in/a", true));
	assert_true(grants_allow(g, "/data/input", false));
	assert_false(grants_allow(g, "/data/input", true) || grants_allow(g, "/data", true));
	assert_false(grants_allow(g, "/", false) || grants_allow(g, "/us", false) ||
		     grants_allow(g, "/usrs", false) || grants_allow(g, "/notes.db2", false));
	assert_true(grants_allow(g, "/notes.db", true));
	grants_add(g, "/", false);
	assert_true(grants_allow(g, "/", false) && grants_allow(g, "/etc/shadow", false));
	assert_false(grants_allow(g, "/etc/shadow", true));
}

static void grants__reading_and_writing_add_up(void **state)
{
	(void)state;
	grants_add(g, "/usr", true);
	assert_true(grants_allow(g, "/usr/lib", true));
	grants_add(g, "/usr", false);
	assert_true(grants_allow(g, "/usr/lib", true));
}

/* --- uses --- */

static void judge__what_is_opened_must_be_granted_itself(void **state)
{
	(void)state;
	assert_int_equal(judge(READ, "/data/in/a"), FILE_GRANTED);
	assert_int_equal(judge(WRITE, "/data/in/a"), FILE_GRANTED);
	assert_int_equal(judge(READ, "/data/input"), FILE_GRANTED);
	assert_int_equal(judge(WRITE, "/data/input"), FILE_REFUSED);
	assert_int_equal(judge(READ, "/etc/shadow"), FILE_REFUSED);
	assert_string_equal(real, "/etc/shadow");
	assert_int_equal(judge(READ, "/"), FILE_REFUSED);
	assert_int_equal(judge(WRITE, "/notes.db"), FILE_GRANTED);
}

static void judge__goes_where_the_path_leads(void **state)
{
	(void)state;
	assert_int_equal(judge(READ, "/lib/libc.so"), FILE_GRANTED);
	assert_int_equal(judge(WRITE, "/lib/libc.so"), FILE_REFUSED);
	assert_int_equal(judge(READ, "/data/in/out"), FILE_REFUSED);
	assert_string_equal(real, "/etc/shadow");
	assert_int_equal(judge(READ, "/data/in/../../etc/shadow"), FILE_REFUSED);
	assert_int_equal(judge(MAKE, "/data/in/folder-out/new"), FILE_REFUSED);
	assert_string_equal(real, "/etc/new");
	assert_int_equal(judge(MAKE, "/lib/new"), FILE_REFUSED);
}

static void judge__what_is_absent_is_not_refused(void **state)
{
	(void)state;
	assert_int_equal(judge(READ, "/etc/none"), FILE_NOTHING);
	assert_int_equal(judge(WRITE, "/etc/none"), FILE_NOTHING);
	assert_int_equal(judge(REMOVE, "/etc/none"), FILE_NOTHING);
	assert_int_equal(judge(CREATE, "/none/new"), FILE_NOTHING);
	assert_int_equal(judge(MAKE, "/none/new"), FILE_NOTHING);
	assert_int_equal(judge(PLACE, "/none/new"), FILE_NOTHING);
}

static void judge__folders_are_changed_by_who_makes_and_removes(void **state)
{
	(void)state;
	assert_int_equal(judge(CREATE, "/data/in/new"), FILE_GRANTED);
	assert_int_equal(judge(CREATE, "/data/new"), FILE_REFUSED);
	assert_int_equal(judge(CREATE, "/data/in/a"), FILE_GRANTED);
	assert_int_equal(judge(CREATE, "/etc/shadow"), FILE_REFUSED);
	assert_int_equal(judge(MAKE, "/data/in/new"), FILE_GRANTED);
	assert_int_equal(judge(MAKE, "/data/in/new/"), FILE_GRANTED);
	assert_int_equal(judge(MAKE, "/new"), FILE_REFUSED);
	assert_string_equal(real, "/new");
	assert_int_equal(judge(MAKE, "/etc"), FILE_NOTHING); /* it is there: another error */
	assert_int_equal(judge(REMOVE, "/data/in/a"), FILE_GRANTED);
	assert_int_equal(judge(REMOVE, "/data/in"), FILE_REFUSED); /* from a folder that is only read */
	assert_int_equal(judge(REMOVE, "/notes.db"), FILE_REFUSED);
	assert_int_equal(judge(REMOVE, "/data/in/.."), FILE_NOTHING);
	assert_int_equal(judge(PLACE, "/data/in/a"), FILE_GRANTED);
	assert_int_equal(judge(PLACE, "/etc/shadow"), FILE_REFUSED);
	assert_string_equal(real, "/etc/shadow");
}

static void judge__the_text_decides_where_nobody_knows(void **state)
{
	(void)state;
	assert_int_equal(judge(READ, "/far"), FILE_REFUSED);
	assert_string_equal(real, "");
	assert_int_equal(judge(READ, "/data/in/far"), FILE_GRANTED);
	assert_int_equal(judge(MAKE, "/far/a"), FILE_REFUSED);
	assert_string_equal(real, "");
}

static void text_allows__names_what_must_have_no_link(void **state)
{
	char decisive[PATH_MAX];
	(void)state;
	assert_true(file_text_allows(g, &READ, "/data/in/out", decisive));
	assert_string_equal(decisive, "/data/in/out");
	assert_true(file_text_allows(g, &MAKE, "/data/in/new/", decisive));
	assert_string_equal(decisive, "/data/in");
	assert_false(file_text_allows(g, &WRITE, "/data/a", decisive));
	assert_false(file_text_allows(g, &READ, "/data/../etc/shadow", decisive));
	assert_false(file_text_allows(g, &READ, "/lib/libc.so", decisive));
	assert_false(file_text_allows(g, &REMOVE, "/data/in", decisive));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_collapse__as_text),
		cmocka_unit_test(path_own__is_the_process_that_says_it),
		cmocka_unit_test_setup_teardown(grants__hold_for_the_path_and_all_below, setup, teardown),
		cmocka_unit_test_setup_teardown(grants__reading_and_writing_add_up, setup, teardown),
		cmocka_unit_test_setup_teardown(judge__what_is_opened_must_be_granted_itself, setup,
						teardown),
		cmocka_unit_test_setup_teardown(judge__goes_where_the_path_leads, setup, teardown),
		cmocka_unit_test_setup_teardown(judge__what_is_absent_is_not_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(judge__folders_are_changed_by_who_makes_and_removes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(judge__the_text_decides_where_nobody_knows, setup, teardown),
		cmocka_unit_test_setup_teardown(text_allows__names_what_must_have_no_link, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
