/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds of spending: 64 callers over four processes reserve, buy and settle against the cap of a day, and
 * the processes are killed at random, between reserving and settling too. What was bought, which is counted
 * aside and at once, never passes the cap of a tenant or of all, and what is charged is never less than it.
 * The same for a provider's gate: never more calls at once than it allows, and a breaker that trips after
 * exactly its threshold. The seed is printed; STORE_SEED repeats it. BUDGET_ROUNDS makes it long (1,000 in
 * `make soak`).
 */
#include "base/base.h"
#include "store/store_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PROCS = 4,
	CALLERS = 16, /* of one process: their calls overlap */
	TENANTS = 3,
	SERVICE_CAP = 20000,
	TENANT_CAP = 9000,
	WORST = 200,
	DAY = 24 * 3600 * 1000,
	ROUNDS = 40,
	GATE_CAP = 5,
	BREAKER = 7,
};

/* What the seller knows, in memory of its own. */
struct seller {
	_Atomic int64_t sold[TENANTS];
	_Atomic int64_t calls;
	_Atomic int32_t held[PROCS], most; /* calls at once that the gate let through, by process */
};
static struct seller *seller;

static uint64_t rng;
static uint32_t any(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static const char *const tenants[TENANTS] = {"a", "b", "c"};

static struct store *table_open(void)
{
	static const struct gate_limits gate = {.concurrency_max = GATE_CAP};
	struct store_options o = {.bytes = 4 << 20,
				  .tasks_max = 8,
				  .procs_max = PROCS + 1,
				  .task_events_max = 1000,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 4096,
				  .gates = &gate,
				  .gates_count = 1,
				  .tenant_caps = {.cost_nano = TENANT_CAP},
				  .service_caps = {.cost_nano = SERVICE_CAP},
				  .budgets_max = TENANTS};
	struct store *s;
	struct error e = {0};
	if (store_create(&o, &s, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_proc_started(s, PROCS, getpid());
	return s;
}

/* A call under way: reserved, then bought, then settled. */
struct call {
	enum { IDLE, RESERVED, BOUGHT } stage;
	struct budget_hold hold;
	struct gate_pass pass;
	uint32_t tenant;
	int64_t used;
	bool admitted;
};

static void gate_count(uint32_t proc, int by)
{
	int32_t sum = 0, most = atomic_load(&seller->most);
	atomic_fetch_add(&seller->held[proc], by);
	for (int i = 0; i < PROCS; i++)
		sum += atomic_load(&seller->held[i]);
	while (by > 0 && sum > most && !atomic_compare_exchange_weak(&seller->most, &most, sum))
		;
}

static void call_step(struct store *s, struct call *c)
{
	struct budget_sums worst = {.cost_nano = WORST, .model_calls = 1};
	struct budget_refusal why;
	int64_t wait_ms;
	if (c->stage == IDLE) {
		c->tenant = any(TENANTS);
		c->used = any(WORST + 1);
		if (budget_reserve(s, tenants[c->tenant], &worst, DAY, &c->hold, &why) == ERR_NONE)
			c->stage = RESERVED;
	} else if (c->stage == RESERVED && !c->admitted) {
		c->admitted = gate_acquire(s, 0, 0, 1, &c->pass, &wait_ms) == GATE_PASS;
		if (c->admitted)
			gate_count(s->proc, 1);
	} else if (c->stage == RESERVED) {
		atomic_fetch_add(&seller->sold[c->tenant], c->used);
		atomic_fetch_add(&seller->calls, 1);
		c->stage = BOUGHT;
	} else {
		gate_count(s->proc, -1);
		gate_report(s, &c->pass, &(struct gate_end){.outcome = GATE_WORKED}, 1);
		budget_settle(s, tenants[c->tenant], &c->hold,
			      &(struct budget_sums){.cost_nano = c->used, .model_calls = 1});
		*c = (struct call){.stage = IDLE};
	}
}

static _Noreturn void spender(struct store *created, uint32_t proc, uint64_t seed)
{
	struct store *s = store_attach(created, proc);
	struct call calls[CALLERS] = {0};
	rng = seed;
	for (;;)
		call_step(s, &calls[any(CALLERS)]);
}

static pid_t spender_start(struct store *created, uint32_t proc, uint64_t seed)
{
	fflush(stdout);
	/* Its number is alive before it acts, as the master sees to it. */
	store_proc_started(created, proc, 1);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		spender(created, proc, seed);
	return pid;
}

static void assert_within(struct store *s, bool settled)
{
	struct budget_sums sums;
	int64_t all = 0;
	for (uint32_t i = 0; i < TENANTS; i++) {
		int64_t sold = atomic_load(&seller->sold[i]);
		all += sold;
		assert_true(sold <= TENANT_CAP);
		if (settled && budget_get(s, tenants[i], DAY, &sums) && sold > sums.cost_nano)
			fail_msg("%s has bought %lld and is charged %lld", tenants[i], (long long)sold,
				 (long long)sums.cost_nano);
	}
	assert_true(all <= SERVICE_CAP);
}

static void round_play(uint64_t seed)
{
	struct store *created = table_open(), *s = store_attach(created, PROCS);
	pid_t pids[PROCS];
	struct error e = {0};
	memset(seller, 0, sizeof *seller);
	for (uint32_t i = 0; i < PROCS; i++)
		pids[i] = spender_start(created, i, seed + i);
	for (int kills = 0; kills < 6; kills++) {
		uint32_t i = any(PROCS);
		usleep(any(1500) + 200);
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		atomic_store(&seller->held[i], 0);
		store_proc_died(created, i);
		assert_within(s, false);
		pids[i] = spender_start(created, i, seed * 31 + (uint64_t)kills);
	}
	for (uint32_t i = 0; i < PROCS; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		store_proc_died(created, i);
	}
	assert_within(s, true);
	/* A count of ours may be one behind the gate's for each process, never before it. */
	assert_true(atomic_load(&seller->most) <= GATE_CAP);
	if (store_check(s, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_detach(s);
	store_destroy(created);
}

static void budget__is_never_passed_whoever_dies(void **state)
{
	const char *text = getenv("STORE_SEED"), *long_run = getenv("BUDGET_ROUNDS");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : random_u64();
	int rounds = long_run != NULL ? atoi(long_run) : ROUNDS;
	int64_t calls = 0;
	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	seller = mmap(NULL, sizeof *seller, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(seller, MAP_FAILED);
	rng = seed;
	for (int i = 0; i < rounds; i++) {
		round_play(seed + (uint64_t)i * 1000);
		calls += atomic_load(&seller->calls);
	}
	print_message("%d rounds, %lld calls\n", rounds, (long long)calls);
	assert_true(calls > rounds);
	munmap(seller, sizeof *seller);
}

/* Each fails one call after the other; the shared counter says how many were let through. */
static _Noreturn void failer(struct store *created, uint32_t proc, _Atomic int32_t *let_through)
{
	struct store *s = store_attach(created, proc);
	struct gate_pass pass;
	int64_t wait_ms;
	for (int i = 0; i < 1000; i++) {
		if (gate_acquire(s, 0, 0, 1000, &pass, &wait_ms) != GATE_PASS)
			continue;
		atomic_fetch_add(let_through, 1);
		gate_report(s, &pass, &(struct gate_end){.outcome = GATE_FAILED}, 1000);
	}
	_exit(0);
}

static void breaker__trips_after_exactly_its_threshold_over_all_processes(void **state)
{
	static const struct gate_limits gate = {
		.concurrency_max = 1, .breaker_failures = BREAKER, .breaker_ms = 60000};
	_Atomic int32_t *let_through =
		mmap(NULL, sizeof *let_through, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)state;
	for (int round = 0; round < 50; round++) {
		struct store_options o = {.bytes = 4 << 20,
					  .tasks_max = 8,
					  .procs_max = PROCS,
					  .task_events_max = 1000,
					  .task_bytes_max = 1 << 20,
					  .live_ring_bytes = 4096,
					  .gates = &gate,
					  .gates_count = 1};
		struct store *created;
		struct error e = {0};
		pid_t pids[PROCS];
		assert_int_equal(store_create(&o, &created, &e), ERR_NONE);
		atomic_store(let_through, 0);
		fflush(stdout);
		for (uint32_t i = 0; i < PROCS; i++) {
			store_proc_started(created, i, 1);
			if ((pids[i] = fork()) == 0)
				failer(created, i, let_through);
		}
		for (uint32_t i = 0; i < PROCS; i++)
			assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		assert_int_equal(atomic_load(let_through), BREAKER);
		store_destroy(created);
	}
	munmap(let_through, sizeof *let_through);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget__is_never_passed_whoever_dies),
		cmocka_unit_test(breaker__trips_after_exactly_its_threshold_over_all_processes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
