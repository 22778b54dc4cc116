/* SPDX-License-Identifier: Apache-2.0 */
/* The invariant check finds what is planted, and the figures are those of the table. */
#include "tests/unit/store/table.h"
#include "store/store_db.h"

static void damage_doc(struct store *s, struct slot *t)
{
	char *text = block_bytes(s, slot_version(t)->doc_head);
	text[20] ^= 1;
}
static void damage_event(struct store *s, struct slot *t)
{
	block_bytes(s, slot_version(t)->events_head)[LENGTH_BYTES + 4] ^= 1;
}
static void damage_chain(struct store *s, struct slot *t)
{
	block_at(s, slot_version(t)->events_head)->next = NONE;
}
static void damage_owner(struct store *s, struct slot *t)
{
	atomic_store(&block_at(s, slot_version(t)->doc_head)->owner, 9);
}
static void damage_both(struct store *s, struct slot *t)
{
	(void)s;
	slot_version(t)->doc_head = slot_version(t)->events_head;
}
static void damage_count(struct store *s, struct slot *t)
{
	(void)t;
	atomic_fetch_add(&s->map->blocks_used, 1);
}
static void damage_slots(struct store *s, struct slot *t)
{
	(void)t;
	atomic_fetch_add(&s->map->slots_used, 1);
}
static void damage_list(struct store *s, struct slot *t)
{
	(void)s;
	t->newer = NONE;
}
static void damage_hash(struct store *s, struct slot *t)
{
	(void)s;
	t->id.b[3] ^= 1;
}
static void damage_free(struct store *s, struct slot *t)
{
	(void)t;
	atomic_store(&block_at(s, s->map->block_free)->used, BLOCK_USED);
}
static void damage_state(struct store *s, struct slot *t)
{
	(void)s;
	atomic_store(&slot_version(t)->state, TASK_CANCELLED);
}
static void damage_slot_free(struct store *s, struct slot *t)
{
	(void)t;
	s->map->slot_free = NONE;
}

static void store_check__finds_every_kind_of_damage(void **state)
{
	static const struct {
		const char *name;
		void (*fn)(struct store *s, struct slot *t);
	} damages[] = {{"doc", damage_doc},     {"event", damage_event}, {"chain", damage_chain},
		       {"owner", damage_owner}, {"both", damage_both},   {"count", damage_count},
		       {"slots", damage_slots}, {"list", damage_list},   {"hash", damage_hash},
		       {"free", damage_free},   {"state", damage_state}, {"slot free", damage_slot_free}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(damages); i++) {
		struct table t = table_open(4, 8);
		struct error e = {0};
		struct lease l;
		struct task_ref ref = create(t.a), done = create(t.b);
		assert_true(lease_next(t.a, &l));
		for (int k = 0; k < 20; k++)
			move(t.a, ref, EVENT_TOOL_STARTED, "{\"call\":\"12345678901234567890\"}", TASK_SAME);
		move(t.a, done, 0, NULL, TASK_CANCELLED);
		table_check(&t);
		damages[i].fn(t.a, slot_at(t.a, ref.slot));
		if (store_check(t.b, &e) != ERR_INTERNAL)
			fail_msg("damage of %s was not found", damages[i].name);
		assert_true(strlen(e.msg) > 10);
		store_detach(t.a);
		store_detach(t.b);
		store_destroy(t.created);
	}
}

static void save(const struct task_unsaved *t, void *arg)
{
	unsaved_done(arg, t->ref, t->last_seq, t->state, t->doc);
}

/* Of a task that is ahead of what is durable. */
static void store_check__finds_damage_of_what_is_shown(void **state)
{
	(void)state;
	for (int what = 0; what < 4; what++) {
		struct store_options o = table_options(4, 4);
		struct error e;
		o.keeper = true;
		struct table t = table_open_with(&o);
		struct store *k = store_attach(t.created, o.procs_max - 1);
		store_health_set(k, STORE_WORKS, "");
		struct task_ref ref = create(t.a);
		unsaved_take(k, 4, SIZE_MAX, save, k);
		move(t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", TASK_PLANNING);
		struct version *v = slot_version(slot_at(t.a, ref.slot));
		assert_int_equal(store_check(t.a, &e), ERR_NONE);
		if (what == 0)
			block_bytes(t.a, v->shown_head)[20] ^= 1;
		else if (what == 1)
			v->shown_seq = 2;
		else if (what == 2)
			atomic_store(&v->durable_seq, v->last_seq);
		else
			atomic_store(&v->durable_seq, v->last_seq + 1);
		assert_int_equal(store_check(t.a, &e), ERR_INTERNAL);
		store_detach(k);
		store_detach(t.a);
		store_detach(t.b);
		store_destroy(t.created);
	}
}

static void store_usage_get__tells_what_is_there(void **state)
{
	struct table t = table_open(4, 8);
	struct store_usage u;
	(void)state;
	create(t.a);
	move(t.a, create(t.b), 0, NULL, TASK_CANCELLED);
	store_usage_get(t.a, &u);
	assert_int_equal(u.bytes, 4 << 20);
	assert_int_equal(u.slots, 8);
	assert_int_equal(u.slots_used, 2);
	assert_int_equal(u.slots_unfinished, 1);
	assert_int_equal(u.blocks_used, 4);
	store_count(t.a, COUNTER_HTTP_REQUESTS, 3);
	store_count(t.b, COUNTER_HTTP_REQUESTS, 4);
	assert_int_equal(store_counter(t.created, COUNTER_HTTP_REQUESTS), 7);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(store_check__finds_every_kind_of_damage),
	  cmocka_unit_test(store_check__finds_damage_of_what_is_shown),
	  cmocka_unit_test(store_usage_get__tells_what_is_there))
