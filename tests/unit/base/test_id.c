/* SPDX-License-Identifier: Apache-2.0 */
/* id.c and random.c: form, order and text of identifiers. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void id_new__is_a_version_7_uuid_of_now(void **state)
{
	struct id id;
	char text[ID_TEXT_SIZE];

	(void)state;
	clock_fake_set(0, 0x019ab0c1d2e3); /* later than any real clock of this run would have been asked */
	id_new(&id);
	clock_fake_clear();
	id_format(&id, text);
	assert_int_equal(strlen(text), 36);
	assert_memory_equal(text, "019ab0c1-d2e3-7", 15);
	assert_non_null(strchr("89ab", text[19]));
	assert_false(id_is_zero(&id));
}

static void id_new__grows_within_a_millisecond_and_when_time_goes_back(void **state)
{
	struct id last, id;

	(void)state;
	clock_fake_set(0, 0x019ab0c1d2ff);
	id_new(&last);
	for (int i = 0; i < 10000; i++) { /* more than the counter holds */
		if (i == 5000)
			clock_fake_set(0, 1);
		id_new(&id);
		assert_true(id_compare(&last, &id) < 0);
		assert_int_equal(id.b[6] >> 4, 7);
		last = id;
	}
	clock_fake_clear();
}

static void id_parse__takes_the_canonical_form_only(void **state)
{
	static const char text[] = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"; /* RFC 9562 appendix A.6 */
	char back[ID_TEXT_SIZE], bad[40];
	struct id id, same;

	(void)state;
	assert_true(id_parse(text, 36, &id));
	id_format(&id, back);
	assert_string_equal(back, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
	assert_true(id_parse(back, 36, &same));
	assert_int_equal(id_compare(&id, &same), 0);
	assert_false(id_parse(text, 35, &same));
	for (size_t i = 0; i < 36; i++) {
		memcpy(bad, text, sizeof(text));
		bad[i] = text[i] == '-' ? '0' : 'g';
		assert_false(id_parse(bad, 36, &same));
		bad[i] = text[i] == '-' ? '_' : '-';
		assert_false(id_parse(bad, 36, &same));
	}
	assert_true(id_parse("00000000-0000-0000-0000-000000000000", 36, &same));
	assert_true(id_is_zero(&same));
}

static void random_bytes__differ(void **state)
{
	unsigned char a[1000] = {0}, b[1000] = {0};

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(random_u64() != random_u64());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(id_new__is_a_version_7_uuid_of_now),
		cmocka_unit_test(id_new__grows_within_a_millisecond_and_when_time_goes_back),
		cmocka_unit_test(id_parse__takes_the_canonical_form_only),
		cmocka_unit_test(random_bytes__differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
