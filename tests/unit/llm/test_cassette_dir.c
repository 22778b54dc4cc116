/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a cassette when it is opened: what is made, what is read, what is refused and how. */
#include "cassette_rig.h"

#include <sys/stat.h>

static void assert_refused(bool replay, const char *dir, size_t bytes_max, const char *says)
{
	struct error e = {0};
	struct llm_cassette *k = NULL;
	const struct llm_cassette_options o = {.dir = dir, .bytes_max = bytes_max};
	assert_int_not_equal(replay ? llm_cassette_replay(&o, &k, &e) : llm_cassette_record(&o, &k, &e),
			     ERR_NONE);
	if (strstr(e.msg, says) == NULL || strstr(e.msg, dir) == NULL)
		fail_msg("%s", e.msg);
	assert_null(k);
}

static void cassette_dir__is_made_once_and_added_to(void **state)
{
	(void)state;
	char *home = folder_make(), *dir = xasprintf("%s/new", home);
	struct stat st;
	struct llm_cassette *k = recording(dir, 1 << 20);
	char *marks = xstrdup(llm_cassette_marks(k));
	assert_int_equal(strlen(marks), 32);
	assert_false(llm_cassette_replays(k));
	assert_int_equal(llm_cassette_exchanges(k), 0);
	llm_cassette_free(k);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	exchange_put(dir, "000007-ab.json", "{}", "x");
	file_put(dir, "notes.json", "not ours");
	file_put(dir, "000008-ab.json.bak", "not ours");
	k = recording(dir, 1 << 20);
	assert_string_equal(llm_cassette_marks(k), marks);
	assert_int_equal(llm_cassette_exchanges(k), 1);
	assert_int_equal(k->shared->seq, 7);
	assert_true(k->shared->bytes > 50);
	llm_cassette_free(k);
	k = replaying(dir);
	assert_true(llm_cassette_replays(k));
	assert_string_equal(llm_cassette_marks(k), marks);
	assert_int_equal(llm_cassette_exchanges(k), 1);
	llm_cassette_free(k);
	assert_int_equal(folder_remove(dir), 3);
	free(marks);
	folder_remove(home);
}

static void cassette_dir__says_what_is_wrong(void **state)
{
	(void)state;
	char *dir = folder_make(), *below = xasprintf("%s/a/b", dir), *file = xasprintf("%s/file", dir);
	assert_refused(true, below, 100, "cannot open the folder");
	assert_refused(false, below, 100, "cannot be made");
	file_put(dir, "file", "");
	assert_refused(true, file, 100, "Not a directory");
	assert_refused(false, file, 100, "Not a directory");
	assert_refused(true, dir, 100, "there is no cassette.json in it");
	file_put(dir, "cassette.json", "{");
	assert_refused(true, dir, 100, "cassette.json: ");
	assert_refused(false, dir, 100, "cassette.json: ");
	file_put(dir, "cassette.json", "{\"version\":1,\"marks\":\"short\"}");
	assert_refused(true, dir, 100, "cassette.json: is not the head of a recording");
	file_put(dir, "cassette.json", "{\"version\":1,\"marks\":\"0123456789abcdef0123456789abcdef\"}");
	assert_refused(true, dir, 100, "nothing was recorded there");
	exchange_put(dir, "000001-ab.json", "{}", "x");
	assert_refused(true, dir, 100, "holds more than 100 bytes of exchanges; raise llm.cassette_bytes");
	file_put(dir, "000002-ab.json", "{\"version\":1,\n\"status\":}");
	assert_refused(true, dir, 1 << 20, "000002-ab.json: ");
	assert_refused(true, dir, 1 << 20, "line 2");
	free(below);
	free(file);
	folder_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cassette_dir__is_made_once_and_added_to),
		cmocka_unit_test(cassette_dir__says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
