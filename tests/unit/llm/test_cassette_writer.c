/* SPDX-License-Identifier: Apache-2.0 */
/* Files of exchanges, written beside the loop: all of them, under numbers of their own, until one cannot be.
 */
#include "cassette_rig.h"

#include <sys/stat.h>

static const char key[SHA256_HEX_SIZE] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void put(struct cassette_writer *w, const char *text)
{
	struct buf b = BUF_INIT;
	buf_add_str(&b, text);
	cassette_writer_put(w, &b, key);
	assert_null(b.data);
}

static void assert_file(const char *dir, const char *name, const char *wanted)
{
	struct buf text = BUF_INIT;
	struct error e;
	char *path = xasprintf("%s/%s", dir, name);
	if (file_read(path, 1000, &text, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	assert_string_equal(buf_cstr(&text), wanted);
	buf_release(&text);
	free(path);
}

static void cassette_writer__writes_in_order_and_takes_no_ones_number(void **state)
{
	(void)state;
	char *dir = folder_make();
	struct stat st;
	struct loop *l = loop_new();
	struct llm_cassette *k = recording(dir, 1 << 20);
	file_put(dir, "000002-0123456789abcdef.json", "of another service");
	struct cassette_writer *w = cassette_writer_new(l, k);
	put(w, "one");
	put(w, "two");
	cassette_writer_free(w);
	assert_file(dir, "000001-0123456789abcdef.json", "one");
	assert_file(dir, "000002-0123456789abcdef.json", "of another service");
	assert_file(dir, "000003-0123456789abcdef.json", "two");
	char *path = xasprintf("%s/000003-0123456789abcdef.json", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(path);
	llm_cassette_free(k);
	loop_free(l);
	assert_int_equal(folder_remove(dir), 3);
}

static void cassette_writer__gives_back_what_is_done_while_the_loop_runs(void **state)
{
	enum { FILES = 2000 };
	(void)state;
	char *dir = folder_make();
	struct loop *l = loop_new();
	struct llm_cassette *k = recording(dir, 1 << 20);
	struct cassette_writer *w = cassette_writer_new(l, k);
	int64_t end = clock_mono_ms() + 20000;
	/* Never more under way than the first hundred that may not be done. */
	for (uint64_t i = 0; i < FILES; i++) {
		put(w, "x");
		while (i >= 100 && atomic_load(&k->shared->seq) + 100 < i && clock_mono_ms() < end)
			loop_turn(l, 1);
		loop_turn(l, 0);
	}
	cassette_writer_free(w);
	assert_false(atomic_load(&k->shared->stopped));
	assert_int_equal(atomic_load(&k->shared->bytes), FILES);
	llm_cassette_free(k);
	loop_free(l);
	assert_int_equal(folder_remove(dir), FILES);
}

static void cassette_writer__stops_at_the_bound(void **state)
{
	(void)state;
	char *dir = folder_make();
	struct loop *l = loop_new();
	struct llm_cassette *k = recording(dir, 8);
	struct cassette_writer *w = cassette_writer_new(l, k);
	put(w, "12345678");
	put(w, "9");
	cassette_writer_free(w);
	assert_true(atomic_load(&k->shared->stopped));
	w = cassette_writer_new(l, k);
	put(w, "after that nothing is written");
	cassette_writer_free(w);
	llm_cassette_free(k);
	loop_free(l);
	assert_int_equal(folder_remove(dir), 1);
}

static void cassette_writer__stops_when_the_folder_is_gone(void **state)
{
	(void)state;
	char *dir = folder_make();
	struct loop *l = loop_new();
	struct llm_cassette *k = recording(dir, 1 << 20);
	struct cassette_writer *w = cassette_writer_new(l, k);
	folder_remove(dir);
	put(w, "one");
	cassette_writer_free(w);
	assert_true(atomic_load(&k->shared->stopped));
	llm_cassette_free(k);
	loop_free(l);
}

static void cassette_writer__stops_when_the_disk_falls_behind(void **state)
{
	enum { MANY = 100000 };
	(void)state;
	char *dir = folder_make();
	struct loop *l = loop_new();
	struct llm_cassette *k = recording(dir, (size_t)1 << 30);
	struct cassette_writer *w = cassette_writer_new(l, k);
	int i = 0;
	/* The loop does not run meanwhile, so nothing is given back. */
	for (; i < MANY && !atomic_load(&k->shared->stopped); i++)
		put(w, "x");
	assert_int_equal(i, 257);
	cassette_writer_free(w);
	llm_cassette_free(k);
	loop_free(l);
	assert_true(folder_remove(dir) <= 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cassette_writer__writes_in_order_and_takes_no_ones_number),
		cmocka_unit_test(cassette_writer__gives_back_what_is_done_while_the_loop_runs),
		cmocka_unit_test(cassette_writer__stops_at_the_bound),
		cmocka_unit_test(cassette_writer__stops_when_the_folder_is_gone),
		cmocka_unit_test(cassette_writer__stops_when_the_disk_falls_behind),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
