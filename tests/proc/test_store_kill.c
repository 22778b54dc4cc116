/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kill matrix: every mutation of the table dies at every named point, after which the table must be
 * whole, the mutation have happened wholly or not at all, and another process go on. Then a torture:
 * processes that change tasks at random are killed at random (the seed is printed; STORE_SEED repeats it).
 */
#include "base/base.h"
#include "store/store_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef STORE_KILL_POINTS
#error "build with FLAVOUR=kill"
#endif

enum { VICTIM, SURVIVOR, PROCS = 6, TASKS = 4 };

static struct store *table_open(uint32_t tasks_max)
{
	static const struct gate_limits gate = {
		.concurrency_max = 2, .requests_per_minute = 100, .breaker_failures = 1, .breaker_ms = 10};
	struct store_options o = {.bytes = 4 << 20,
				  .gates = &gate,
				  .gates_count = 1,
				  .tenant_caps = {.cost_nano = 100},
				  .service_caps = {.cost_nano = 150},
				  .budgets_max = 4,
				  .tasks_max = tasks_max,
				  .procs_max = PROCS,
				  .task_events_max = 100000,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 4096};
	struct store *s;
	struct error e = {0};
	if (store_create(&o, &s, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	for (uint32_t i = 0; i < PROCS; i++)
		store_proc_started(s, i, getpid());
	return s;
}

static void assert_whole(struct store *s, const char *when)
{
	struct error e = {0};
	if (store_check(s, &e) != ERR_NONE)
		fail_msg("%s: %s", when, e.msg);
}

static enum err create(struct store *s, struct id *id, struct task_ref *ref)
{
	char text[ID_TEXT_SIZE], json[256];
	struct error e;
	id_new(id);
	id_format(id, text);
	snprintf(json, sizeof json,
		 "{\"task_id\":\"%s\",\"prompt\":\"p\",\"approval\":\"auto\",\"metadata\":{}}", text);
	return task_create(s, id, slice_str(json), ref, &e);
}

static enum err move_to(struct store *s, struct task_ref ref, enum task_state to, size_t pad)
{
	struct buf data = BUF_INIT;
	struct error e;
	buf_printf(&data, "{\"result\":\"%0*d\"}", (int)pad, 0);
	struct task_event ev = {EVENT_TASK_RESULT, buf_slice(&data)};
	struct task_change c = {.events = &ev, .events_count = 1, .to = to};
	enum err code = task_move(s, ref, &c, NULL, &e);
	buf_release(&data);
	return code;
}

/* --- the mutations; each starts from a table with one queued and, where room is scarce, one finished task
 * --- */

struct scene {
	struct store *created, *survivor;
	struct task_ref queued, finished;
};

static enum err do_create(struct store *s, const struct scene *c)
{
	struct id id;
	struct task_ref ref;
	(void)c;
	return create(s, &id, &ref);
}
static enum err do_move(struct store *s, const struct scene *c)
{
	return move_to(s, c->queued, TASK_PLANNING, 10);
}
static enum err do_move_large(struct store *s, const struct scene *c)
{
	return move_to(s, c->queued, TASK_PLANNING, 6000);
}
static enum err do_end(struct store *s, const struct scene *c)
{
	return move_to(s, c->queued, TASK_CANCELLED, 10);
}
static enum err do_lease(struct store *s, const struct scene *c)
{
	struct lease l;
	struct error e;
	return lease_take(s, c->queued, &l, &e);
}
static enum err do_release(struct store *s, const struct scene *c)
{
	struct lease l;
	struct error e;
	enum err code = lease_take(s, c->queued, &l, &e);
	if (code == ERR_NONE)
		lease_release(s, &l);
	return code;
}
static enum err do_publish(struct store *s, const struct scene *c)
{
	struct lease l;
	struct error e;
	enum err code = lease_take(s, c->queued, &l, &e);
	if (code == ERR_NONE)
		live_publish(s, &l, EVENT_MODEL_DELTA, SLICE_LIT("{\"text\":\"x\"}"));
	return code;
}

static enum err do_gate(struct store *s, int fails, bool probe)
{
	struct gate_pass p;
	int64_t wait_ms, now = 1000;
	for (int i = 0; i < fails + (probe ? 1 : 0); i++, now += 1000) {
		if (gate_acquire(s, 0, 10, now, &p, &wait_ms) != GATE_PASS)
			return ERR_INTERNAL;
		gate_report(s, &p,
			    &(struct gate_end){.outcome = i < fails ? GATE_FAILED : GATE_WORKED,
					       .tokens = 5,
					       .why = "no answer"},
			    now);
	}
	return ERR_NONE;
}
static enum err do_gate_fail(struct store *s, const struct scene *c)
{
	/* Somebody waits, and is to be woken. */
	struct gate_pass p[2];
	int64_t wait_ms;
	(void)c;
	for (int i = 0; i < 2; i++)
		if (gate_acquire(s, 0, 0, 1, &p[i], &wait_ms) != GATE_PASS)
			return ERR_INTERNAL;
	if (gate_acquire(s, 0, 0, 1, &p[1], &wait_ms) != GATE_WAIT)
		return ERR_INTERNAL;
	gate_report(s, &p[0], &(struct gate_end){.outcome = GATE_NEITHER}, 1);
	return do_gate(s, 1, false);
}
static enum err do_gate_probe(struct store *s, const struct scene *c)
{
	(void)c;
	return do_gate(s, 2, true);
}

/* Charges 60 and gives 50 back. */
static enum err do_budget(struct store *s, const struct scene *c)
{
	static const struct budget_sums worst = {.input_tokens = 6, .cost_nano = 60, .model_calls = 1};
	static const struct budget_sums used = {.input_tokens = 1, .cost_nano = 10, .model_calls = 1};
	struct budget_hold hold;
	struct budget_refusal why;
	(void)c;
	if (budget_reserve(s, "victim", &worst, 86400000, &hold, &why) != ERR_NONE)
		return ERR_INTERNAL;
	KILL_POINT("budget-between");
	budget_settle(s, "victim", &hold, &used);
	return budget_reserve(s, "victim", &used, 2 * 86400000, &hold, &why);
}

static const struct mutation {
	const char *name;
	enum err (*act)(struct store *s, const struct scene *c);
	uint32_t tasks_max; /* 2: creating evicts */
} mutations[] = {
	{"create", do_create, TASKS},   {"create-evicting", do_create, 2},
	{"move", do_move, TASKS},       {"move-large", do_move_large, TASKS},
	{"end", do_end, TASKS},         {"lease", do_lease, TASKS},
	{"release", do_release, TASKS}, {"publish", do_publish, TASKS},
	{"gate", do_gate_fail, TASKS},  {"probe", do_gate_probe, TASKS},
	{"budget", do_budget, TASKS},
};

static const char *const points[] = {
	"pool-off-list",         "pool-used",           "pool-freed",          "create-slot-taken",
	"create-before-publish", "create-used",         "create-indexed",      "fill-doc-taken",
	"fill-linked",           "move-before-publish", "move-after-publish",  "move-before-wake",
	"lease-before-publish",  "lease-after-publish", "evict-gen",           "evict-unused",
	"evict-half-freed",      "evict-removed",       "wake-flagged",        "release-before-wake",
	"live-reserved",         "live-written",        "live-published",      "locked",
	"gate-counted",          "gate-held",           "gate-probing",        "gate-shut",
	"gate-opened",           "gate-error",          "gate-told",           "gate-before-wake",
	"budget-named",          "budget-charging",     "budget-half",         "budget-reserved",
	"budget-between",        "budget-settling",     "budget-half-settled", "budget-turned",
};

static struct task_ref queued;
static bool queued_told;

static void told(struct task_ref ref, void *arg)
{
	(void)arg;
	queued_told = queued_told || (ref.slot == queued.slot && ref.gen == queued.gen);
}

/* Whatever a dead participant held of a gate is free, and no probe of it stands in the way. */
static void assert_gate_free(const struct scene *c, const char *where)
{
	struct gate_pass p[2];
	int64_t wait_ms, later = 1000000;
	for (int i = 0; i < 2; i++, later += 1000) {
		if (gate_acquire(c->survivor, 0, 10, later, &p[i], &wait_ms) != GATE_PASS)
			fail_msg("%s: the gate lets nobody through", where);
		if (p[i].probe)
			gate_report(c->survivor, &p[i--], &(struct gate_end){.outcome = GATE_WORKED}, later);
	}
	if (gate_acquire(c->survivor, 0, 10, later, &p[1], &wait_ms) != GATE_WAIT)
		fail_msg("%s: the gate lets too many through", where);
	for (int i = 0; i < 2; i++)
		gate_report(c->survivor, &p[0], &(struct gate_end){.outcome = GATE_WORKED}, later);
}

/* Wherever the victim died, never less is charged than it may have spent, and never more than the worst. */
static void assert_budget_kept(const struct scene *c, const char *where)
{
	struct budget_sums one, all;
	(void)budget_get(c->survivor, "victim", 86400000, &one);
	(void)budget_get(c->survivor, "", 86400000, &all);
	if (one.cost_nano > 60 || all.cost_nano > 60 || one.cost_nano < 0 ||
	    (one.cost_nano > 0 && one.cost_nano < 10) || (all.cost_nano > 0 && all.cost_nano < 10))
		fail_msg("%s: charged %lld and %lld", where, (long long)one.cost_nano,
			 (long long)all.cost_nano);
	struct budget_sums worst = {.cost_nano = 100};
	struct budget_hold hold;
	struct budget_refusal why;
	if (budget_reserve(c->survivor, "other", &worst, 3 * 86400000LL, &hold, &why) != ERR_NONE)
		fail_msg("%s: nobody else can charge", where);
	worst.cost_nano = 51;
	if (budget_reserve(c->survivor, "third", &worst, 3 * 86400000LL, &hold, &why) != ERR_FULL)
		fail_msg("%s: more is charged than the day may cost", where);
}

/* Whatever the victim came to: who watches is told of a change, and work is there for who asks. */
static void assert_nothing_missed(const struct scene *c, const char *where)
{
	struct task_head h;
	struct lease l;
	struct pollfd p = {store_wake_fd(c->survivor), POLLIN, 0};
	if (poll(&p, 1, 0) != 1)
		fail_msg("%s: the survivor was not woken", where);
	wake_take(c->survivor, told, NULL);
	assert_int_equal(task_head_get(c->survivor, c->queued, &h), ERR_NONE);
	if (h.last_seq != 1 && !queued_told)
		fail_msg("%s: the watcher was not told", where);
	if (!task_state_works(h.state))
		return;
	do
		if (!lease_next(c->survivor, &l))
			fail_msg("%s: the task is left without a worker", where);
	while (l.ref.slot != c->queued.slot);
}

static struct scene scene_open(const struct mutation *m)
{
	struct scene c = {.created = table_open(m->tasks_max)};
	struct id id;
	c.survivor = store_attach(c.created, SURVIVOR);
	assert_int_equal(create(c.survivor, &id, &c.finished), ERR_NONE);
	assert_int_equal(move_to(c.survivor, c.finished, TASK_CANCELLED, 3000), ERR_NONE);
	assert_int_equal(create(c.survivor, &id, &c.queued), ERR_NONE);
	assert_int_equal(task_watch(c.survivor, c.queued), ERR_NONE);
	wake_take(c.survivor, told, NULL);
	queued_told = false;
	queued = c.queued;
	return c;
}

/* true: the child came to the point and died there. */
static bool die_there(const struct scene *c, const struct mutation *m, const char *point, int count)
{
	int status;
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = store_attach(c->created, VICTIM);
		kill_point_arm(point, count);
		_exit(m->act(s, c) == ERR_NONE ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	store_proc_died(c->created, VICTIM);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

static void assert_goes_on(const struct scene *c, const struct mutation *m, const char *where)
{
	struct task_head h;
	struct id id;
	struct task_ref ref;
	assert_nothing_missed(c, where);
	assert_gate_free(c, where);
	assert_budget_kept(c, where);
	assert_whole(c->survivor, where);
	assert_int_equal(task_head_get(c->survivor, c->queued, &h), ERR_NONE);
	/* all or nothing: every state a task can be in here has its own number of events */
	uint64_t wanted = h.state == TASK_QUEUED ? 1 : 3;
	assert_int_equal(h.last_seq, wanted);
	if (!task_state_terminal(h.state))
		assert_int_equal(move_to(c->survivor, c->queued, TASK_FAILED, 100), ERR_NONE);
	for (int i = 0; i < 2 * TASKS; i++) {
		assert_int_equal(create(c->survivor, &id, &ref), ERR_NONE);
		assert_int_equal(move_to(c->survivor, ref, TASK_CANCELLED, 2000), ERR_NONE);
	}
	assert_whole(c->survivor, where);
	(void)m;
}

static void kill_matrix__leaves_the_table_whole(void **state)
{
	int deaths = 0;
	bool reached[COUNT_OF(points)] = {false};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(mutations); i++) {
		for (size_t k = 0; k < COUNT_OF(points); k++) {
			for (int count = 1; count <= 8; count++) {
				char where[128];
				struct scene c = scene_open(&mutations[i]);
				bool died = die_there(&c, &mutations[i], points[k], count);
				snprintf(where, sizeof where, "%s at %s, %d", mutations[i].name, points[k],
					 count);
				assert_goes_on(&c, &mutations[i], where);
				store_detach(c.survivor);
				store_destroy(c.created);
				reached[k] = reached[k] || died;
				deaths += died;
				if (!died)
					break;
			}
		}
	}
	for (size_t k = 0; k < COUNT_OF(points); k++)
		if (!reached[k])
			fail_msg("no mutation comes to the point %s", points[k]);
	print_message("%d deaths\n", deaths);
}

/* --- torture --- */

static uint64_t rng;
static uint32_t any(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static _Noreturn void torturer(struct store *created, uint32_t proc, uint64_t seed)
{
	struct store *s = store_attach(created, proc);
	rng = seed;
	for (;;) {
		struct task_ref list[16], ref;
		struct id id;
		struct lease l;
		size_t n = task_list(s, &(struct task_query){.limit = 16}, list);
		switch (any(6)) {
		case 0: (void)!create(s, &id, &ref); break;
		case 1:
			if (lease_next(s, &l))
				(void)!move_to(s, l.ref, TASK_PLANNING, any(3000));
			break;
		case 2:
			if (n > 0)
				(void)!move_to(s, list[any((uint32_t)n)], TASK_CANCELLED, any(500));
			break;
		case 3:
			if (n > 0)
				(void)!move_to(s, list[any((uint32_t)n)], TASK_SAME, any(5000));
			break;
		case 4:
			if (lease_next(s, &l))
				lease_release(s, &l);
			break;
		default: {
			struct buf b = BUF_INIT;
			if (n > 0)
				(void)!task_doc_copy(s, list[any((uint32_t)n)], &b, NULL);
			buf_release(&b);
		}
		}
	}
}

static pid_t torturer_start(struct store *created, uint32_t proc, uint64_t seed)
{
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		torturer(created, proc, seed);
	store_proc_started(created, proc, pid);
	return pid;
}

static void torture__random_deaths_leave_the_table_whole(void **state)
{
	const char *text = getenv("STORE_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : random_u64();
	struct store *created = table_open(64);
	pid_t pids[PROCS] = {0};
	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (uint32_t i = SURVIVOR + 1; i < PROCS; i++)
		pids[i] = torturer_start(created, i, seed + i);
	uint64_t mine = seed ^ 0x9E3779B97F4A7C15u;
	for (int round = 0; round < 400; round++) {
		mine = mine * 6364136223846793005u + 1442695040888963407u;
		uint32_t i = SURVIVOR + 1 + (uint32_t)(mine >> 40) % (PROCS - SURVIVOR - 1);
		usleep((useconds_t)(mine >> 50) % 4000 + 1000);
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		store_proc_died(created, i);
		pids[i] = torturer_start(created, i, seed + (uint64_t)round * PROCS + i);
	}
	for (uint32_t i = SURVIVOR + 1; i < PROCS; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		store_proc_died(created, i);
	}
	struct store *s = store_attach(created, SURVIVOR);
	assert_whole(s, "after the torture");
	print_message("%llu tasks, %llu events, %llu owner deaths repaired\n",
		      (unsigned long long)store_counter(s, COUNTER_TASKS_CREATED),
		      (unsigned long long)store_counter(s, COUNTER_EVENTS),
		      (unsigned long long)store_counter(s, COUNTER_OWNER_DEATHS));
	assert_true(store_counter(s, COUNTER_EVENTS) > 1000);
	store_detach(s);
	store_destroy(created);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill_matrix__leaves_the_table_whole),
		cmocka_unit_test(torture__random_deaths_leave_the_table_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
