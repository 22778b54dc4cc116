/* SPDX-License-Identifier: Apache-2.0 */
/* Which answer comes next, in whichever process it is asked for. */
#include "cassette_rig.h"

#include <sys/wait.h>

static char key_a[SHA256_HEX_SIZE], key_b[SHA256_HEX_SIZE];

static const char *next(struct llm_cassette *k, const char *key)
{
	const struct cassette_exchange *x = cassette_next(k, key);
	return x != NULL ? buf_cstr(&x->body) : "none";
}

static struct llm_cassette *made(char **dir)
{
	*dir = folder_make();
	llm_cassette_free(recording(*dir, 1 << 20));
	exchange_put(*dir, "000010-0c.json", "{\"a\":1}", "third");
	exchange_put(*dir, "000002-0c.json", "{\"a\":1}", "first");
	exchange_put(*dir, "000009-0b.json", "{ \"a\": 1}", "second");
	exchange_put(*dir, "000003-0a.json", "{\"b\":1}", "other");
	cassette_key("main", "/v1/chat/completions", SLICE_LIT("{\"a\":1}"), key_a);
	cassette_key("main", "/v1/chat/completions", SLICE_LIT("{\"b\":1}"), key_b);
	return replaying(*dir);
}

static void cassette_next__goes_in_the_recorded_order_and_stays_at_the_last(void **state)
{
	(void)state;
	char *dir, none[SHA256_HEX_SIZE];
	struct llm_cassette *k = made(&dir);
	assert_string_equal(next(k, key_a), "first");
	assert_string_equal(next(k, key_b), "other");
	assert_string_equal(next(k, key_a), "second");
	assert_string_equal(next(k, key_a), "third");
	assert_string_equal(next(k, key_a), "third");
	assert_string_equal(next(k, key_b), "other");
	memset(none, '0', sizeof none - 1);
	none[sizeof none - 1] = '\0';
	assert_string_equal(next(k, none), "none");
	memset(none, 'f', sizeof none - 1);
	assert_string_equal(next(k, none), "none");
	llm_cassette_free(k);
	folder_remove(dir);
}

static void cassette_next__is_one_order_for_all_processes(void **state)
{
	(void)state;
	char *dir;
	int status;
	struct llm_cassette *k = made(&dir);
	pid_t pid = fork();
	if (pid == 0)
		_exit(strcmp(next(k, key_a), "first") == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(next(k, key_a), "second");
	llm_cassette_free(k);
	folder_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cassette_next__goes_in_the_recorded_order_and_stays_at_the_last),
		cmocka_unit_test(cassette_next__is_one_order_for_all_processes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
