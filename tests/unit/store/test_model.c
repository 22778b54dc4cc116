/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model check: random operations on the table, through two handles, against a plain array of what ought to be
 * there. The seed is printed; STORE_SEED repeats it.
 */
#include "base/base.h"
#include "store/store.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 12, STEPS = 20000, MODEL_MAX = STEPS };

/* What the table ought to hold; `kept` false: evicted. */
static struct {
	struct id id;
	struct task_ref ref;
	enum task_state state;
	uint64_t last_seq;
	bool kept;
} model[MODEL_MAX];
static size_t model_count;
static uint64_t rng;

static uint32_t any(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static size_t any_recent(void)
{
	size_t span = model_count < 2 * SLOTS ? model_count : 2 * SLOTS;
	return model_count - 1 - any((uint32_t)span);
}

/* Evicts the oldest finished of the model; false when there is none. */
static bool model_evict(void)
{
	for (size_t i = 0; i < model_count; i++) {
		if (!model[i].kept || !task_state_terminal(model[i].state))
			continue;
		model[i].kept = false;
		return true;
	}
	return false;
}

static void step_create(struct store *s)
{
	char text[ID_TEXT_SIZE], json[256];
	struct error e;
	size_t kept = 0, i = model_count;
	for (size_t k = 0; k < model_count; k++)
		kept += model[k].kept;
	id_new(&model[i].id);
	id_format(&model[i].id, text);
	snprintf(json, sizeof json,
		 "{\"task_id\":\"%s\",\"prompt\":\"p\",\"approval\":\"auto\",\"metadata\":{}}", text);
	enum err code = task_create(s, &model[i].id, slice_str(json), &model[i].ref, &e);
	if (kept == SLOTS && !model_evict()) {
		assert_int_equal(code, ERR_FULL);
		return;
	}
	assert_int_equal(code, ERR_NONE);
	model[i].state = TASK_QUEUED;
	model[i].last_seq = 1;
	model[i].kept = true;
	model_count++;
}

static void step_move(struct store *s)
{
	size_t i = any_recent();
	struct error e;
	uint64_t last = 0;
	struct task_event ev = {EVENT_TOOL_STARTED, SLICE_LIT("{\"call\":\"c\"}")};
	struct task_change c = {
		.to = (enum task_state)any(TASK_STATE_COUNT + 1), .events = &ev, .events_count = any(2)};
	bool stale = any(8) == 0;
	if (stale)
		c.if_last_seq = model[i].last_seq + 1;
	if (c.to == TASK_SAME && c.events_count == 0)
		c.events_count = 1;
	enum err code = task_move(s, model[i].ref, &c, &last, &e);
	bool allowed = !task_state_terminal(model[i].state) && !stale &&
		       (c.to == TASK_SAME || task_state_may_follow(model[i].state, c.to));
	if (!model[i].kept) {
		assert_int_equal(code, ERR_GONE);
		return;
	}
	assert_int_equal(code, allowed ? ERR_NONE : ERR_CONFLICT);
	if (!allowed)
		return;
	model[i].last_seq += c.events_count + (c.to != TASK_SAME);
	model[i].state = c.to == TASK_SAME ? model[i].state : c.to;
	assert_int_equal(last, model[i].last_seq);
}

static void step_look(struct store *s)
{
	size_t i = any_recent();
	struct task_ref found;
	struct task_head h;
	bool there = task_find(s, &model[i].id, &found);
	assert_int_equal(there, model[i].kept);
	assert_int_equal(task_head_get(s, model[i].ref, &h), model[i].kept ? ERR_NONE : ERR_GONE);
	if (!there)
		return;
	assert_int_equal(h.state, model[i].state);
	assert_int_equal(h.last_seq, model[i].last_seq);
}

static void step_list(struct store *s)
{
	struct task_ref list[SLOTS];
	uint32_t state = any(TASK_STATE_COUNT);
	size_t n = task_list(s, &(struct task_query){.states = 1u << state, .limit = SLOTS}, list), k = 0;
	for (size_t i = model_count; i-- > 0;) {
		if (!model[i].kept || model[i].state != (enum task_state)state)
			continue;
		assert_true(k < n);
		assert_int_equal(list[k].slot, model[i].ref.slot);
		k++;
	}
	assert_int_equal(k, n);
}

static void random_operations__agree_with_the_array(void **state)
{
	struct store_options o = {.bytes = 4 << 20,
				  .tasks_max = SLOTS,
				  .procs_max = 2,
				  .task_events_max = 1000000,
				  .task_bytes_max = 1 << 30,
				  .live_ring_bytes = 4096};
	const char *text = getenv("STORE_SEED");
	struct store *created, *s[2];
	struct error e = {0};
	(void)state;
	rng = text != NULL ? strtoull(text, NULL, 10) : random_u64();
	print_message("seed %llu\n", (unsigned long long)rng);
	assert_int_equal(store_create(&o, &created, &e), ERR_NONE);
	for (uint32_t i = 0; i < 2; i++) {
		store_proc_started(created, i, 1);
		s[i] = store_attach(created, i);
	}
	step_create(s[0]);
	for (int i = 0; i < STEPS - 1; i++) {
		struct store *at = s[any(2)];
		uint32_t what = any(10);
		if (what < 2)
			step_create(at);
		else if (what < 6)
			step_move(at);
		else if (what < 9)
			step_look(at);
		else
			step_list(at);
		if (i % 500 == 0 && store_check(at, &e) != ERR_NONE)
			fail_msg("%s", e.msg);
	}
	if (store_check(s[0], &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_detach(s[0]);
	store_detach(s[1]);
	store_destroy(created);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations__agree_with_the_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
