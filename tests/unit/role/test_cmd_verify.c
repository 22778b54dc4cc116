/* SPDX-License-Identifier: Apache-2.0 */
/* `agent-runtime verify`: each kind of fault is seen and named, and what is whole is not called broken. */
#include "base/base.h"
#include "kept_db.h"

static void verify_says(const struct kept_db *k, int code_expected, const char *says)
{
	int code;
	char *t = kept_db_run(k, command_verify, NULL, &code);
	assert_says(t, says);
	if (code != code_expected)
		fail_msg("exit code %d: %s", code, t);
	free(t);
}

static void verify__what_is_whole(void **state)
{
	struct kept_db k;
	char digest[SHA256_HEX_SIZE];
	(void)state;
	sha256_hex("five\n", 5, digest);
	kept_db_open(&k);
	kept_db_task(&k, digest);
	kept_db_put(&k);
	kept_db_artifact(&k, 1, "five\n", digest);
	kept_db_close(&k);
	verify_says(&k, EXIT_OK, "1 tasks (0 unfinished), 3 events, 1 artifacts of 5 bytes");
	verify_says(&k, EXIT_OK, ": 0 faults\n");
	kept_db_release(&k);
}

static void verify__nothing_yet(void **state)
{
	struct kept_db k;
	(void)state;
	kept_db_open(&k);
	kept_db_close(&k);
	verify_says(&k, EXIT_OK, "0 tasks (0 unfinished), 0 events");
	kept_db_release(&k);
}

static void verify__a_document_that_is_not_what_happened(void **state)
{
	struct kept_db k;
	(void)state;
	kept_db_open(&k);
	kept_db_task(&k, "");
	char *at = strstr(k.doc.data, "\"cancelled\"");
	assert_non_null(at);
	memcpy(at, "\"completed\"", 11);
	kept_db_put(&k);
	kept_db_close(&k);
	verify_says(&k, EXIT_NOT_COMPLETED, ": the document is not what its events say\n");
	verify_says(&k, EXIT_NOT_COMPLETED, ": 1 faults\n");
	kept_db_release(&k);
}

static void verify__an_event_that_is_missing(void **state)
{
	struct kept_db k;
	(void)state;
	kept_db_open(&k);
	kept_db_task(&k, "00");
	/* the second of three */
	char *second = strstr(k.sse.data, "id: 2\n"), *third = strstr(k.sse.data, "id: 3\n");
	size_t tail = k.sse.len - (size_t)(third - k.sse.data);
	memmove(second, third, tail);
	k.sse.len = (size_t)(second - k.sse.data) + tail;
	kept_db_put(&k);
	kept_db_close(&k);
	verify_says(&k, EXIT_NOT_COMPLETED, ": event 3 follows 1\n");
	kept_db_release(&k);
}

static void verify__events_that_end_early(void **state)
{
	struct kept_db k;
	(void)state;
	kept_db_open(&k);
	kept_db_task(&k, "");
	k.sse.len = (size_t)(strstr(k.sse.data, "id: 2\n") - k.sse.data);
	kept_db_put(&k);
	kept_db_close(&k);
	verify_says(&k, EXIT_NOT_COMPLETED, ": the events end with 1, but the task is at 2\n");
	kept_db_release(&k);
}

static void verify__artifacts(void **state)
{
	struct kept_db k;
	char digest[SHA256_HEX_SIZE];
	(void)state;
	sha256_hex("five\n", 5, digest);
	kept_db_open(&k);
	kept_db_task(&k, digest);
	kept_db_put(&k);
	kept_db_close(&k);
	verify_says(&k, EXIT_NOT_COMPLETED, ": artifact 1 is named but not there\n");
	kept_db_release(&k);

	kept_db_open(&k);
	kept_db_task(&k, digest);
	kept_db_put(&k);
	kept_db_artifact(&k, 1, "four\n", digest);
	kept_db_close(&k);
	verify_says(&k, EXIT_NOT_COMPLETED, ": artifact 1 is not what its digest says\n");
	kept_db_release(&k);

	char other[SHA256_HEX_SIZE];
	sha256_hex("four\n", 5, other);
	kept_db_open(&k);
	kept_db_task(&k, digest);
	kept_db_put(&k);
	kept_db_artifact(&k, 1, "four\n", other);
	kept_db_artifact(&k, 2, "left over", other);
	kept_db_close(&k);
	verify_says(&k, EXIT_NOT_COMPLETED, ": artifact 1 has another digest than its event says\n");
	verify_says(&k, EXIT_NOT_COMPLETED, ": artifact 2 is not what its digest says\n");
	kept_db_release(&k);
}

static void verify__a_file_with_a_hole(void **state)
{
	struct kept_db k;
	char path[96];
	static const char zeroes[4096];
	struct stat st;
	(void)state;
	kept_db_open(&k);
	for (int i = 0; i < 50; i++) {
		kept_db_task(&k, "");
		kept_db_put(&k);
	}
	kept_db_close(&k);
	snprintf(path, sizeof path, "%s/data/tasks.db", k.dir);
	FILE *f = fopen(path, "r+e");
	assert_int_equal(fstat(fileno(f), &st), 0);
	fseek(f, st.st_size / 4096 / 2 * 4096, SEEK_SET);
	fwrite(zeroes, sizeof zeroes, 1, f);
	fclose(f);
	verify_says(&k, EXIT_NOT_COMPLETED, "database: Page ");
	verify_says(&k, EXIT_NOT_COMPLETED, "restore it from a backup");
	kept_db_release(&k);
}

static void verify__without_a_database(void **state)
{
	struct kept_db k;
	(void)state;
	kept_db_open(&k);
	kept_db_close(&k);
	FILE *f = fopen(k.config, "we");
	fprintf(f, "store: {backend: memory}\n");
	fclose(f);
	verify_says(&k, EXIT_CONFIG, "store.backend is memory");
	f = fopen(k.config, "we");
	fprintf(f, "store: {backend: sqlite, path: %s/elsewhere}\n", k.dir);
	fclose(f);
	verify_says(&k, EXIT_CONFIG, "elsewhere");
	kept_db_release(&k);
}

static void verify__one_that_is_in_use(void **state)
{
	struct kept_db k;
	(void)state;
	kept_db_open(&k);
	verify_says(&k, EXIT_CONFIG, "in use");
	kept_db_close(&k);
	kept_db_release(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verify__what_is_whole),
		cmocka_unit_test(verify__nothing_yet),
		cmocka_unit_test(verify__a_document_that_is_not_what_happened),
		cmocka_unit_test(verify__an_event_that_is_missing),
		cmocka_unit_test(verify__events_that_end_early),
		cmocka_unit_test(verify__artifacts),
		cmocka_unit_test(verify__a_file_with_a_hole),
		cmocka_unit_test(verify__without_a_database),
		cmocka_unit_test(verify__one_that_is_in_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
