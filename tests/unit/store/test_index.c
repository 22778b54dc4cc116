/* SPDX-License-Identifier: Apache-2.0 */
/* The index: finding, the list by age, eviction, and the repair that builds all of it anew. */
#include "tests/unit/store/table.h"
#include "store/store_db.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 300 };

/* Ids in no order at all, as clocks that disagree would make them. */
static void create_shuffled(struct table *t, struct id ids[N])
{
	struct error e;
	for (size_t i = 0; i < N; i++) {
		struct task_ref ref;
		char text[ID_TEXT_SIZE], json[128];
		random_bytes(&ids[i], sizeof ids[i]);
		id_format(&ids[i], text);
		snprintf(json, sizeof json, "{\"task_id\":\"%s\",\"prompt\":\"p\"}", text);
		if (task_create(t->a, &ids[i], slice_str(json), &ref, &e) != ERR_NONE)
			fail_msg("%s", e.msg);
	}
}

static void index_add__sorts_ids_of_any_order(void **state)
{
	struct table t = table_open(8, N);
	struct id ids[N];
	struct task_ref ref, list[N];
	struct error e;
	(void)state;
	create_shuffled(&t, ids);
	for (size_t i = 0; i < N; i++)
		assert_true(task_find(t.b, &ids[i], &ref));
	struct id other = ids[3];
	other.b[15] ^= 0x40;
	assert_false(task_find(t.b, &other, &ref));
	assert_int_equal(task_list(t.a, &(struct task_query){.limit = N}, list), N);
	for (size_t i = 1; i < N; i++)
		assert_true(id_compare(&slot_at(t.a, list[i - 1].slot)->id, &slot_at(t.a, list[i].slot)->id) >
			    0);
	move(t.a, list[7], 0, NULL, TASK_CANCELLED);
	assert_int_equal(task_create(t.a, &ids[0], SLICE_LIT("{}"), &ref, &e), ERR_CONFLICT);
	table_close(&t);
}

static void index_evict__goes_on_from_where_it_was(void **state)
{
	struct table t = table_open(8, 16);
	struct task_ref refs[8], gone;
	uint32_t at, slots;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refs); i++)
		refs[i] = create(t.a);
	for (size_t i = 1; i < COUNT_OF(refs); i += 2)
		move(t.a, refs[i], 0, NULL, TASK_CANCELLED);
	index_take(t.a);
	at = t.a->map->oldest;
	assert_int_equal(index_evictable(t.a, UINT64_MAX, &slots), 8);
	assert_int_equal(slots, 4);
	assert_int_equal(index_evictable(t.a, 3, &slots), 4);
	assert_int_equal(slots, 2);
	for (size_t i = 1; i < COUNT_OF(refs); i += 2) {
		assert_true(index_evict(t.a, &at));
		assert_int_equal(atomic_load(&slot_at(t.a, refs[i].slot)->used), 0);
	}
	assert_false(index_evict(t.a, &at));
	assert_int_equal(at, NONE);
	index_give(t.a);
	struct task_head h;
	gone = refs[1];
	assert_int_equal(task_head_get(t.a, gone, &h), ERR_GONE);
	assert_int_equal(head_of(t.a, refs[0]).state, TASK_QUEUED);
	table_close(&t);
}

/* Somebody dies with the index in pieces. */
static void die_over_the_index(struct table *t)
{
	pid_t pid = fork();
	if (pid == 0) {
		index_take(t->a);
		for (uint32_t i = 0; i < t->a->map->tasks_max; i++) {
			struct slot *s = slot_at(t->a, i);
			s->newer = s->older = s->hash_next = i;
		}
		t->a->map->slot_free = t->a->map->newest = t->a->map->oldest = 0;
		atomic_store(&t->a->map->slots_used, 1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void index_repair__builds_everything_anew(void **state)
{
	struct table t = table_open(8, N + 20);
	struct id ids[N];
	struct task_ref ref;
	(void)state;
	create_shuffled(&t, ids);
	die_over_the_index(&t);
	for (size_t i = 0; i < N; i++)
		assert_true(task_find(t.b, &ids[i], &ref));
	assert_int_equal(store_counter(t.a, COUNTER_REPAIRS), 1);
	table_check(&t);
	die_over_the_index(&t);
	create(t.a);
	table_close(&t);
}

/* A slot that nobody uses keeps no blocks of whoever died while filling or emptying it. */
static void index_repair__finds_blocks_that_unused_slots_still_own(void **state)
{
	struct table t = table_open(8, 64);
	(void)state;
	create(t.a);
	uint32_t unused = pool_unused(t.a);
	pid_t pid = fork();
	if (pid == 0) {
		index_take(t.a);
		slot_take_any(t.a, 63);
		pool_take(t.a, 63, 1000, 0);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(pool_unused(t.a), unused - 1000);
	index_take(t.b);
	index_give(t.b);
	assert_int_equal(pool_unused(t.a), unused);
	table_close(&t);
}

static void eviction__refuses_what_is_not_durable(void **state)
{
	struct store_options o = table_options(4, 2);
	struct task_ref refs[2], ref;
	struct id id;
	struct error e;
	(void)state;
	o.keeper = true;
	struct table t = table_open_with(&o);
	store_health_set(t.b, STORE_WORKS, "");
	for (int i = 0; i < 2; i++) {
		refs[i] = create(t.a);
		move(t.a, refs[i], EVENT_TASK_RESULT, NULL, TASK_CANCELLED);
	}
	assert_int_equal(create_sized(t.a, 10, &ref, &id, &e), ERR_FULL);
	unsaved_done(t.b, refs[1], 2, TASK_CANCELLED, SLICE_LIT("{}"));
	assert_int_equal(create_sized(t.a, 10, &ref, &id, &e), ERR_NONE);
	assert_int_equal(ref.slot, refs[1].slot);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(index_add__sorts_ids_of_any_order),
	  cmocka_unit_test(index_evict__goes_on_from_where_it_was),
	  cmocka_unit_test(index_repair__builds_everything_anew),
	  cmocka_unit_test(index_repair__finds_blocks_that_unused_slots_still_own),
	  cmocka_unit_test(eviction__refuses_what_is_not_durable))
