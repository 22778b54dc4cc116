/* SPDX-License-Identifier: Apache-2.0 */
/* What was left out is remembered up to a number, with names of bounded length. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void faults__are_bounded_and_written(void **state)
{
	struct faults f = {0};
	struct buf out = BUF_INIT;
	struct jw w = JW(&out);
	char name[FAULT_NAME_BYTES_MAX + 10];
	(void)state;
	jw_object(&w);
	faults_write(&f, &w);
	faults_add(&f, "a\"b", "why");
	faults_write(&f, &w);
	jw_object_end(&w);
	assert_string_equal(
		out.data, "{\"quarantined\":[],\"quarantined\":[{\"name\":\"a\\\"b\",\"reason\":\"why\"}]}");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < FAULTS_MAX + 5; i++)
		faults_add(&f, name, "long");
	assert_int_equal(f.count, FAULTS_MAX);
	assert_int_equal(strlen(f.list[1].name), FAULT_NAME_BYTES_MAX);
	faults_release(&f);
	assert_int_equal(f.count, 0);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(faults__are_bounded_and_written)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
