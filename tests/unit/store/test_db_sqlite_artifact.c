/* SPDX-License-Identifier: Apache-2.0 */
/* Artifacts: in parts, complete or not there, any piece of them. */
#include "tests/unit/store/database.h"

enum { BYTES = 2 * DB_PART_BYTES + 1000 };

static char bytes[BYTES + DB_PART_BYTES];

static int bytes_make(void **state)
{
	(void)state;
	random_bytes(bytes, sizeof bytes);
	return 0;
}

static void part_put(struct database *d, uint32_t part, size_t n)
{
	struct id task = id_nth(1);
	struct error e = {0};
	assert_well(d->b->artifact_part_put(d->db, &task, 3, part,
					    (struct slice){bytes + (size_t)part * DB_PART_BYTES, n}, &e),
		    &e);
}

static struct db_artifact artifact_of(uint64_t n)
{
	struct db_artifact a = {.task = id_nth(1),
				.number = 3,
				.bytes = n,
				.media_type = "text/plain",
				.name = "a name",
				.at_ms = 77};
	sha256_hex(bytes, n, a.sha256);
	return a;
}

static enum err artifact_put(struct database *d, uint64_t n)
{
	struct db_artifact a = artifact_of(n);
	struct error e = {0};
	enum err code = d->b->artifact_put(d->db, &a, &e);
	if (code == ERR_CONFLICT)
		assert_non_null(strstr(e.msg, "artifact 3: part "));
	return code;
}

static void assert_read(struct database *d, uint64_t offset, size_t max, size_t want)
{
	struct id task = id_nth(1);
	struct error e = {0};
	struct buf out = BUF_INIT;
	buf_add_str(&out, "..");
	assert_well(d->b->artifact_read(d->db, &task, 3, offset, max, &out, &e), &e);
	assert_int_equal(out.len, want + 2);
	assert_memory_equal(out.data + 2, bytes + offset, want);
	buf_release(&out);
}

static void artifact__is_read_as_it_was_written(void **state)
{
	struct database d = database_new();
	struct db_artifact got;
	struct id task = id_nth(1);
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_RUNNING, 1);
	begin(&d);
	part_put(&d, 2, 1000);
	part_put(&d, 0, DB_PART_BYTES);
	part_put(&d, 1, 10);
	part_put(&d, 1, DB_PART_BYTES);
	assert_int_equal(artifact_put(&d, BYTES), ERR_NONE);
	commit(&d);
	database_reopen(&d);
	assert_well(d.b->artifact_get(d.db, &task, 3, &got, &e), &e);
	struct db_artifact want = artifact_of(BYTES);
	assert_int_equal(got.bytes, BYTES);
	assert_int_equal(got.number, 3);
	assert_int_equal(got.at_ms, 77);
	assert_string_equal(got.media_type, "text/plain");
	assert_string_equal(got.name, "a name");
	assert_string_equal(got.sha256, want.sha256);
	assert_int_equal(id_compare(&got.task, &task), 0);
	assert_read(&d, 0, SIZE_MAX / 2, BYTES);
	assert_read(&d, 0, 1, 1);
	assert_read(&d, DB_PART_BYTES - 5, 10, 10);
	assert_read(&d, DB_PART_BYTES, DB_PART_BYTES, DB_PART_BYTES);
	assert_read(&d, BYTES - 1, 100, 1);
	assert_read(&d, BYTES, 100, 0);
	assert_read(&d, 5, 0, 0);
	/* the same again does no harm */
	begin(&d);
	part_put(&d, 0, DB_PART_BYTES);
	assert_int_equal(artifact_put(&d, BYTES), ERR_NONE);
	commit(&d);
	assert_read(&d, 0, SIZE_MAX / 2, BYTES);
	database_free(&d);
}

static void artifact_put__refuses_what_is_not_complete(void **state)
{
	struct database d = database_new();
	struct db_artifact got;
	struct id task = id_nth(1);
	struct error e = {0};
	struct buf out = BUF_INIT;
	(void)state;
	task_save(&d, 1, TASK_RUNNING, 1);
	begin(&d);
	assert_int_equal(artifact_put(&d, BYTES), ERR_CONFLICT);
	part_put(&d, 0, DB_PART_BYTES);
	part_put(&d, 2, 1000);
	assert_int_equal(artifact_put(&d, BYTES), ERR_CONFLICT);
	/* as many bytes, but not each where it belongs */
	part_put(&d, 1, 1000);
	part_put(&d, 2, DB_PART_BYTES);
	assert_int_equal(artifact_put(&d, BYTES), ERR_CONFLICT);
	part_put(&d, 1, DB_PART_BYTES);
	part_put(&d, 2, 999);
	assert_int_equal(artifact_put(&d, BYTES), ERR_CONFLICT);
	commit(&d);
	assert_int_equal(d.b->artifact_get(d.db, &task, 3, &got, &e), ERR_NOT_FOUND);
	assert_int_equal(d.b->artifact_read(d.db, &task, 3, 0, 10, &out, &e), ERR_NOT_FOUND);
	buf_release(&out);
	database_free(&d);
}

static void artifact_put__cuts_off_what_a_longer_try_left(void **state)
{
	struct database d = database_new();
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_RUNNING, 1);
	begin(&d);
	part_put(&d, 0, DB_PART_BYTES);
	part_put(&d, 1, DB_PART_BYTES);
	assert_int_equal(artifact_put(&d, DB_PART_BYTES), ERR_NONE);
	commit(&d);
	assert_read(&d, 0, SIZE_MAX / 2, DB_PART_BYTES);
	/* one without bytes or name */
	struct db_artifact none = artifact_of(0), got;
	none.number = 4;
	none.name = NULL;
	begin(&d);
	assert_well(d.b->artifact_put(d.db, &none, &e), &e);
	commit(&d);
	assert_well(d.b->artifact_get(d.db, &none.task, 4, &got, &e), &e);
	assert_int_equal(got.bytes, 0);
	assert_null(got.name);
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(artifact__is_read_as_it_was_written),
		cmocka_unit_test(artifact_put__refuses_what_is_not_complete),
		cmocka_unit_test(artifact_put__cuts_off_what_a_longer_try_left),
	};
	return cmocka_run_group_tests(tests, bytes_make, NULL);
}
