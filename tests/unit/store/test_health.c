/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/table.h"
#include "store/store_db.h"

static struct table kept_open(void)
{
	struct store_options o = table_options(4, 8);
	o.keeper = true;
	return table_open_with(&o);
}

static void a_table_with_a_keeper__starts_and_takes_nothing_yet(void **state)
{
	struct table t = kept_open();
	struct error e;
	char why[ERROR_MSG_MAX];
	struct task_ref ref;
	struct id id;
	(void)state;
	assert_true(store_has_keeper(t.a));
	assert_int_equal(store_health(t.a, why), STORE_STARTING);
	assert_string_equal(why, "");
	assert_int_equal(store_accepts(t.a, &e), ERR_UNAVAILABLE);
	assert_int_equal(create_sized(t.a, 10, &ref, &id, &e), ERR_UNAVAILABLE);
	store_health_set(t.b, STORE_WORKS, "");
	assert_int_equal(store_accepts(t.a, &e), ERR_NONE);
	assert_int_equal(create_sized(t.a, 10, &ref, &id, &e), ERR_NONE);
	table_close(&t);
}

static void a_table_without_one__works_at_once(void **state)
{
	struct table t = table_open(4, 8);
	struct error e;
	(void)state;
	assert_int_equal(store_health(t.a, NULL), STORE_WORKS);
	assert_int_equal(store_accepts(t.a, &e), ERR_NONE);
	table_close(&t);
}

static void what_is_wrong__is_told_with_the_reason(void **state)
{
	struct table t = kept_open();
	struct error e;
	char why[ERROR_MSG_MAX];
	(void)state;
	store_health_set(t.b, STORE_NO_SPACE, "no room on /var");
	assert_int_equal(store_health(t.a, why), STORE_NO_SPACE);
	assert_string_equal(why, "no room on /var");
	assert_int_equal(store_accepts(t.a, &e), ERR_NO_SPACE);
	assert_non_null(strstr(e.msg, "no room on /var"));
	/* the reason may change while the health does not */
	for (int i = 0; i < 5; i++) {
		char text[32];
		snprintf(text, sizeof text, "reason %d", i);
		store_health_set(t.b, STORE_NO_SPACE, text);
		assert_int_equal(store_health(t.a, why), STORE_NO_SPACE);
		assert_string_equal(why, text);
	}
	store_health_set(t.b, STORE_BROKEN, "a sync failed");
	assert_int_equal(store_accepts(t.a, &e), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "a sync failed"));
	store_health_set(t.b, STORE_WORKS, "");
	assert_int_equal(store_health(t.a, why), STORE_WORKS);
	assert_string_equal(why, "");
	table_close(&t);
}

static void a_long_reason__is_cut(void **state)
{
	struct table t = kept_open();
	char why[ERROR_MSG_MAX], text[2 * ERROR_MSG_MAX];
	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	store_health_set(t.b, STORE_BROKEN, text);
	assert_int_equal(store_health(t.a, why), STORE_BROKEN);
	assert_int_equal(strlen(why), ERROR_MSG_MAX - 1);
	table_close(&t);
}

static void a_change_of_health__wakes_all_others_once(void **state)
{
	struct table t = kept_open();
	unsigned flags;
	(void)state;
	wake(t.a, NULL);
	wake(t.b, NULL);
	store_health_set(t.b, STORE_WORKS, "");
	assert_true(readable(t.a));
	assert_false(readable(t.b));
	wake(t.a, &flags);
	assert_int_equal(flags, WAKE_HEALTH);
	store_health_set(t.b, STORE_WORKS, "");
	assert_false(readable(t.a));
	store_health_set(t.b, STORE_NO_SPACE, "one");
	wake(t.a, &flags);
	assert_int_equal(flags, WAKE_HEALTH);
	store_health_set(t.b, STORE_NO_SPACE, "two");
	assert_false(readable(t.a));
	table_close(&t);
}

static void a_persons_change__is_refused_and_a_run_goes_on(void **state)
{
	struct table t = kept_open();
	struct lease l;
	struct error e;
	(void)state;
	store_health_set(t.b, STORE_WORKS, "");
	struct task_ref ref = create(t.a);
	assert_int_equal(lease_take(t.a, ref, &l, &e), ERR_NONE);
	store_health_set(t.b, STORE_NO_SPACE, "full");
	assert_int_equal(move_as(t.b, ref, NULL, EVENT_TASK_RESULT, NULL, TASK_PLANNING, &e), ERR_NO_SPACE);
	assert_int_equal(move_as(t.a, ref, &l, EVENT_TASK_RESULT, NULL, TASK_PLANNING, &e), ERR_NONE);
	store_health_set(t.b, STORE_BROKEN, "broken");
	assert_int_equal(move_as(t.b, ref, NULL, EVENT_TASK_RESULT, NULL, TASK_RUNNING, &e), ERR_UNAVAILABLE);
	/* but an end takes effect */
	assert_int_equal(move_as(t.b, ref, NULL, EVENT_TASK_RESULT, NULL, TASK_CANCELLED, &e), ERR_NONE);
	table_close(&t);
}

static void a_nearly_full_database__takes_no_new_task(void **state)
{
	struct table t = kept_open();
	struct task_ref ref;
	struct id id;
	struct error e;
	(void)state;
	store_health_set(t.b, STORE_WORKS, "");
	struct task_ref old = create(t.a);
	store_health_set(t.b, STORE_FULL, "nearly full");
	assert_int_equal(create_sized(t.a, 10, &ref, &id, &e), ERR_NO_SPACE);
	assert_non_null(strstr(e.msg, "nearly full"));
	assert_int_equal(move_as(t.a, old, NULL, EVENT_TASK_RESULT, NULL, TASK_PLANNING, &e), ERR_NONE);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(a_nearly_full_database__takes_no_new_task),
	  cmocka_unit_test(a_table_with_a_keeper__starts_and_takes_nothing_yet),
	  cmocka_unit_test(a_table_without_one__works_at_once),
	  cmocka_unit_test(what_is_wrong__is_told_with_the_reason), cmocka_unit_test(a_long_reason__is_cut),
	  cmocka_unit_test(a_change_of_health__wakes_all_others_once),
	  cmocka_unit_test(a_persons_change__is_refused_and_a_run_goes_on))
