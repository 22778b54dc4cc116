/* SPDX-License-Identifier: Apache-2.0 */
/* Summaries of data by its structure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "llm/offline_int.h"

static char *shape_of(const char *text)
{
	struct buf out = BUF_INIT;
	if (rules_shape_summary(slice_str(text), &out))
		return buf_take(&out);
	buf_release(&out);
	return NULL;
}

static void shape__describes_csv(void **state)
{
	(void)state;
	char *got = shape_of("time,celsius,site\n01:00,4.5,north\n02:00,3.5,north\n03:00,,\"south, low\"\n");
	assert_non_null(got);
	assert_non_null(strstr(got, "3 columns and 3 rows"));
	assert_non_null(strstr(got, "- celsius: 2 numbers, 3.5 to 4.5, mean 4\n"));
	assert_non_null(strstr(got, "- site: 3 values: north (2), south, low (1)\n"));
	free(got);
	assert_int_equal(rules_csv_rows(slice_str("a\tb\n1\t2\n")), 1);
	assert_int_equal(rules_csv_rows(slice_str("plain text\nmore text\n")), -1);
}

static void shape__describes_json(void **state)
{
	(void)state;
	char *got = shape_of("{\"name\":\"x\",\"list\":[1,2],\"deep\":{\"a\":1}}");
	assert_string_equal(
		got,
		"A JSON object with 3 members:\n- name: \"x\"\n- list: array of 2\n- deep: object of 1\n");
	free(got);
	got = shape_of("[{\"id\":1,\"tag\":\"a\"},{\"id\":2},3]");
	assert_non_null(strstr(got, "3 elements, 2 of them objects"));
	assert_non_null(strstr(got, "- id (number): in 2\n- tag (string): in 1\n"));
	free(got);
}

static void shape__describes_logs(void **state)
{
	(void)state;
	char *got = shape_of("2026-11-23 10:00:00 INFO start\n2026-11-23 10:00:01 WARN slow\n2026-11-23 "
			     "10:00:02 ERROR disk full\n"
			     "2026-11-23 10:00:03 INFO end\n");
	assert_non_null(got);
	assert_non_null(strstr(got, "A log of 4 lines: 1 ERROR, 1 WARN, 2 INFO."));
	assert_non_null(strstr(got, "Error line: 2026-11-23 10:00:02 ERROR disk full"));
	free(got);
}

static void shape__leaves_prose_alone(void **state)
{
	static const char *const texts[] = {
		"",
		"One sentence, with a comma.",
		"One, two.\nThree, four, five.\nSix.",
		"{broken",
		"[x](y)",
		"An ERROR is a mistake.\nINFO is short for information.\nWARN is a warning.\n"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_null(shape_of(texts[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shape__describes_csv),
		cmocka_unit_test(shape__describes_json),
		cmocka_unit_test(shape__describes_logs),
		cmocka_unit_test(shape__leaves_prose_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
