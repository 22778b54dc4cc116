/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model check from several processes: random operations of workers and of a keeper, one at a time, against a
 * plain array of what ought to be there. Commits take a while (other operations come in between), fail at
 * times, and processes are killed between operations. The seed is printed; STORE_SEED repeats it.
 */
#include "tests/proc/model_keeper.h"

enum { RUN_MS = 6000, CHECK_EVERY = 500, TASKS_LEAST = 200 };

static void step_create(uint32_t w)
{
	bool room = health == STORE_WORKS && room_for_one();
	struct model_task *t = task_new();
	struct answer a = ask(w, &(struct op){.kind = OP_CREATE, .id = t->id});
	assert_int_equal(a.code, health == STORE_NO_SPACE ? ERR_NO_SPACE : room ? ERR_NONE : ERR_FULL);
	if (a.code != ERR_NONE) {
		tasks_count--;
		return;
	}
	task_keep(t, a.ref);
	t->state = TASK_QUEUED;
	t->last_seq = t->first_seq = 1;
	t->unsaved = true;
}

static enum err move_wanted(const struct model_task *t, const struct op *o, uint32_t w)
{
	bool ends = o->to != TASK_SAME && task_state_terminal(o->to);
	if (!o->leased && !ends && health == STORE_NO_SPACE)
		return ERR_NO_SPACE;
	if (!t->kept)
		return ERR_GONE;
	if (over(t) || (o->to != TASK_SAME && !task_state_may_follow(t->state, o->to)) ||
	    (o->if_last_seq != 0 && o->if_last_seq != t->last_seq) ||
	    (o->leased && (t->holder != w || t->epoch != o->epoch)))
		return ERR_CONFLICT;
	return ERR_NONE;
}

static void step_move(uint32_t w)
{
	struct model_task *t = task_any();
	struct op o = {.kind = OP_MOVE,
		       .ref = t->ref,
		       .to = (enum task_state)any(TASK_STATE_COUNT + 1),
		       .with_event = any(2) == 0,
		       .leased = any(3) == 0,
		       .epoch = t->epoch - (any(8) == 0)};
	if (any(8) == 0)
		o.if_last_seq = t->last_seq + any(2);
	if (any(3) == 0)
		o.to = TASK_SAME;
	o.with_event = o.with_event || o.to == TASK_SAME;
	struct answer a = ask(w, &o);
	assert_int_equal(a.code, move_wanted(t, &o, w));
	if (a.code != ERR_NONE)
		return;
	t->last_seq += (uint64_t)o.with_event + (o.to != TASK_SAME);
	t->state = o.to == TASK_SAME ? t->state : o.to;
	t->unsaved = true;
	assert_int_equal(a.last_seq, t->last_seq);
	if (!o.leased && t->holder != NONE)
		t->told[t->holder] = true;
	if (!task_state_works(t->state))
		t->holder = NONE;
}

static bool wants_worker(const struct model_task *t)
{
	return t->kept && task_state_works(t->state) && t->holder == NONE;
}

static void taken_by(struct model_task *t, uint32_t w, const struct answer *a)
{
	t->holder = w;
	assert_int_equal(a->lease.epoch, ++t->epoch);
	assert_true(a->lease.ref.slot == t->ref.slot && a->lease.ref.gen == t->ref.gen);
}

static void step_lease(uint32_t w)
{
	struct model_task *t = task_any();
	struct answer a = ask(w, &(struct op){.kind = OP_LEASE_TAKE, .ref = t->ref});
	assert_int_equal(a.code, !t->kept ? ERR_GONE : wants_worker(t) ? ERR_NONE : ERR_CONFLICT);
	if (a.code == ERR_NONE)
		taken_by(t, w, &a);
}

static void step_lease_next(uint32_t w)
{
	struct model_task *oldest = NULL;
	for (size_t i = kept_count; i-- > 0;)
		if (wants_worker(&tasks[kept[i]]))
			oldest = &tasks[kept[i]];
	struct answer a = ask(w, &(struct op){.kind = OP_LEASE_NEXT});
	assert_int_equal(a.found, oldest != NULL);
	if (oldest != NULL)
		taken_by(oldest, w, &a);
}

static void step_release(uint32_t w)
{
	struct model_task *t = task_any();
	struct op o = {.kind = OP_LEASE_RELEASE, .ref = t->ref, .epoch = t->epoch - (any(4) == 0)};
	ask(w, &o);
	if (t->kept && t->holder == w && t->epoch == o.epoch)
		t->holder = NONE;
}

static void step_read(uint32_t w)
{
	struct model_task *t = task_any();
	struct op o = {.kind = OP_READ, .ref = t->ref, .id = t->id, .newest = any(2)};
	struct answer a = ask(w, &o);
	bool there = t->kept && (o.newest || t->durable_seq > 0);
	assert_int_equal(a.code, there ? ERR_NONE : ERR_GONE);
	if (there) {
		uint64_t seq = o.newest ? t->last_seq : t->durable_seq;
		enum task_state state = o.newest ? t->state : t->durable_state;
		assert_true(a.doc_seq == seq && a.head.last_seq == seq);
		assert_true(a.doc_state == state && a.head.state == state);
		assert_int_equal(a.head.durable_seq, t->durable_seq);
		assert_int_equal(a.head.leased, t->holder != NONE);
		assert_memory_equal(&a.head.id, &t->id, sizeof t->id);
	}
	o.kind = OP_FIND;
	a = ask(w, &o);
	assert_int_equal(a.found, t->kept);
	if (t->kept)
		assert_true(a.ref.slot == t->ref.slot && a.ref.gen == t->ref.gen);
}

static void step_events(uint32_t w)
{
	struct model_task *t = task_any();
	struct op o = {.kind = OP_EVENTS,
		       .ref = t->ref,
		       .newest = any(2),
		       .after_seq = any((uint32_t)t->last_seq + 2),
		       .max = any(2) ? 1 : 1 << 20};
	struct answer a = ask(w, &o);
	uint64_t last = o.newest ? t->last_seq : t->durable_seq;
	if (!t->kept || (o.after_seq < last && o.after_seq + 1 < t->first_seq)) {
		assert_int_equal(a.code, ERR_GONE);
		return;
	}
	assert_int_equal(a.code, ERR_NONE);
	assert_int_equal(a.first, o.after_seq < last ? o.after_seq + 1 : 0);
	if (o.after_seq < last)
		assert_int_equal(a.last, o.max == 1 ? a.first : last);
}

static void step_list(uint32_t w)
{
	struct op o = {.kind = OP_LIST, .states = any(1u << TASK_STATE_COUNT), .max = 1 + any(SLOTS)};
	struct answer a = ask(w, &o);
	size_t n = 0;
	for (size_t i = kept_count; i-- > 0 && n < o.max;) {
		const struct model_task *t = &tasks[kept[i]];
		if (t->durable_seq == 0 || (o.states != 0 && !(o.states >> t->durable_state & 1)))
			continue;
		assert_true(n < a.count && a.list[n].slot == t->ref.slot && a.list[n].gen == t->ref.gen);
		n++;
	}
	assert_int_equal(a.count, n);
}

static void step_watch(uint32_t w)
{
	struct model_task *t = task_any();
	bool more = any(2);
	if (!more && (!t->kept || t->watch[w] == 0))
		return;
	struct answer a = ask(w, &(struct op){.kind = more ? OP_WATCH : OP_UNWATCH, .ref = t->ref});
	assert_int_equal(a.code, t->kept ? ERR_NONE : ERR_GONE);
	if (t->kept)
		t->watch[w] += more ? 1 : UINT32_MAX;
}

/* Told of all that it ought to be, perhaps of more. */
static void step_wake(uint32_t w)
{
	struct answer a = ask(w, &(struct op){.kind = OP_WAKE});
	for (size_t i = 0; i < kept_count; i++) {
		struct model_task *t = &tasks[kept[i]];
		bool told = false;
		for (size_t k = 0; k < a.count; k++)
			told = told || (a.list[k].slot == t->ref.slot && a.list[k].gen == t->ref.gen);
		assert_true(told || !t->told[w]);
		t->told[w] = false;
	}
}

static void step_worker_dies(uint32_t w)
{
	process_kill(w);
	process_start(w);
	for (size_t i = 0; i < kept_count; i++) {
		struct model_task *t = &tasks[kept[i]];
		t->holder = t->holder == w ? NONE : t->holder;
		t->watch[w] = 0;
		t->told[w] = false;
	}
	for (size_t i = 0; i < KEYS; i++)
		requests[i].owner = requests[i].owner == w ? DEAD : requests[i].owner;
	/* it has taken part when it has answered: only then may it be asked for a lease */
	step_wake(w);
}

static void step_any(void)
{
	static void (*const of_workers[])(uint32_t w) = {
		step_create,     step_create, step_move,  step_move,    step_move,   step_move, step_move,
		step_lease_next, step_lease,  step_read,  step_read,    step_events, step_list, step_watch,
		step_wake,       step_claim,  step_claim, step_reclaim, step_key,    step_key,  step_release,
	};
	static void (*const of_keeper[])(void) = {step_take,   step_commit, step_take,
						  step_commit, step_forget, step_restore};
	uint32_t w = any(WORKERS);
	if (any(400) == 0)
		any(2) ? step_worker_dies(w) : step_keeper_dies();
	else if (any(50) == 0)
		step_health();
	else if (any(4) == 0)
		of_keeper[any(COUNT_OF(of_keeper))]();
	else
		of_workers[any(COUNT_OF(of_workers))](w);
}

static void random_operations_of_processes__agree_with_the_array(void **state)
{
	const char *text = getenv("STORE_SEED");
	struct store_options o = {.bytes = 4 << 20,
				  .tasks_max = SLOTS,
				  .procs_max = PROCS,
				  .task_events_max = 1000000,
				  .task_bytes_max = 1 << 30,
				  .live_ring_bytes = 1024,
				  .keeper = true};
	struct error e = {0};
	size_t steps = 0;
	(void)state;
	rng = text != NULL ? strtoull(text, NULL, 10) : random_u64();
	print_message("seed %llu\n", (unsigned long long)rng);
	assert_int_equal(store_create(&o, &created, &e), ERR_NONE);
	looker = store_attach(created, LOOKER);
	for (uint32_t i = 0; i < PROCS; i++)
		if (i != LOOKER)
			process_start(i);
	health = STORE_WORKS;
	ask(KEEPER, &(struct op){.kind = OP_HEALTH, .health = health});
	step_create(0);
	for (int64_t until = clock_mono_ms() + RUN_MS; clock_mono_ms() < until; steps++) {
		step_any();
		if (steps % CHECK_EVERY == 0 && store_check(looker, &e) != ERR_NONE)
			fail_msg("after %zu steps: %s", steps, e.msg);
	}
	print_message("%zu operations, %zu tasks\n", steps, tasks_count);
	assert_true(tasks_count > TASKS_LEAST);
	for (uint32_t i = 0; i < PROCS; i++)
		if (i != LOOKER)
			process_kill(i);
	if (store_check(looker, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_detach(looker);
	store_destroy(created);
	free(tasks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_of_processes__agree_with_the_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
