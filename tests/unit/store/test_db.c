/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of database by name. */
#include "tests/unit/store/database.h"

static void db_backend_find__knows_each_by_its_name(void **state)
{
	(void)state;
	assert_string_equal(db_backend_find("sqlite")->name, "sqlite");
	assert_non_null(db_backend_find("sqlite")->open);
	assert_string_equal(db_backend_find("memory")->name, "memory");
	assert_null(db_backend_find("memory")->open);
	assert_null(db_backend_find("oracle"));
	assert_null(db_backend_find(""));
}

static void postgresql__is_refused_and_says_what_to_use(void **state)
{
	struct db_options o = {.path = "/nowhere"};
	struct error e = {0};
	struct db *db = (struct db *)&o;
	(void)state;
	assert_int_equal(db_backend_find("postgresql")->open(&o, &db, &e), ERR_CONFIG);
	assert_null(db);
	assert_non_null(strstr(e.msg, "not supported yet, use sqlite"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(db_backend_find__knows_each_by_its_name),
		cmocka_unit_test(postgresql__is_refused_and_says_what_to_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
