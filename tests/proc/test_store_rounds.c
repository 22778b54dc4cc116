/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds without order: workers change, read and watch tasks at random while a keeper commits them to a
 * database that has no room at times, and all of them are killed at random. Nothing is compared step by step;
 * but no reader ever sees anything go back, what a worker has seen durable is in the database for ever, no
 * key takes effect twice, and after each round the table is whole, and what is in it and in the database the
 * same. The seed is printed; STORE_SEED repeats it.
 */
#include "tests/proc/kept.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
	WORKERS = 3,
	LOOKER = WORKERS,
	KEEPER,
	PROCS,
	SLOTS = 40,
	ROUNDS = 6,
	ROUND_MS = 700,
	SEEN_MAX = 200000,
	KEYS = 16,
	DISK_BYTES = 512 << 20,
};

/* What workers saw, in memory of its own: tasks and up to where they were durable. */
struct seen {
	_Atomic uint32_t count, keys_made[KEYS];
	struct {
		struct id id;
		uint64_t seq;
	} rows[SEEN_MAX];
};

static struct seen *seen;
static struct store *created;
static struct medium medium;
static pid_t pids[PROCS];

static uint64_t rng;
static uint32_t any(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

/* --- a worker --- */

static void seen_add(const struct task_head *h)
{
	uint32_t at = atomic_load(&seen->count);
	if (at + WORKERS >= SEEN_MAX)
		return;
	at = atomic_fetch_add(&seen->count, 1);
	seen->rows[at].id = h->id;
	seen->rows[at].seq = h->durable_seq;
}

/* Reads twice: the second time nothing is older than the first. */
static void look(struct store *s, struct task_ref ref)
{
	struct task_head before, h;
	struct buf doc = BUF_INIT, sse = BUF_INIT;
	struct event_cursor c;
	struct event_view v;
	uint64_t last = 0;
	if (task_doc_copy(s, ref, &doc, &before) == ERR_NONE) {
		ensure(before.durable_seq >= before.last_seq && doc.len > 0);
		event_cursor_init(&c, before.first_seq - 1);
		if (task_events_copy(s, ref, &c, 1 << 20, &sse, &h) == ERR_NONE) {
			for (struct slice rest = buf_slice(&sse); rest.len > 0; last = v.seq) {
				ensure(event_next(&rest, &v));
				ensure(last == 0 || v.seq == last + 1);
			}
			ensure(last == 0 || last == h.durable_seq);
			ensure(h.durable_seq >= before.durable_seq && h.last_seq >= h.durable_seq);
			seen_add(&h);
		}
	}
	buf_release(&doc);
	buf_release(&sse);
}

/* A request with a key makes a task; however often it is made, there is one. */
static void request(struct store *s)
{
	uint32_t n = any(KEYS);
	struct request_key k = kept_key(n);
	struct request_place p = {.at_ms = 1};
	enum request_status status;
	struct error e;
	struct task_ref ref;
	if (request_key_claim(s, &k, &status, &p, &e) != ERR_NONE)
		return;
	if (status == REQUEST_BEGUN && !task_find(s, &p.task, &ref) &&
	    atomic_load(&seen->keys_made[n]) == 0 && request_key_reclaim(s, &k, &p))
		status = REQUEST_NEW; /* it was begun by one that died over it */
	if (status != REQUEST_NEW)
		return;
	char text[ID_TEXT_SIZE], json[128];
	p = (struct request_place){.at_ms = 1};
	id_new(&p.task);
	id_format(&p.task, text);
	snprintf(json, sizeof json, "{\"task_id\":\"%s\",\"prompt\":\"p\",\"approval\":\"auto\"}", text);
	request_key_begin(s, &k, &p);
	if (task_create(s, &p.task, slice_str(json), &ref, &e) != ERR_NONE) {
		request_key_drop(s, &k);
		return;
	}
	atomic_fetch_add(&seen->keys_made[n], 1);
	request_key_settle(s, &k, &p, false);
}

static void told(struct task_ref ref, void *arg)
{
	(void)ref;
	(void)arg;
}

static _Noreturn void worker(uint32_t proc, uint64_t seed)
{
	struct store *s = store_attach(created, proc);
	rng = seed;
	for (;;) {
		struct task_ref list[SLOTS], ref;
		struct id id;
		struct lease l;
		size_t n = task_list(s, &(struct task_query){.limit = SLOTS}, list);
		ref = n > 0 ? list[any((uint32_t)n)] : (struct task_ref){NONE, 0};
		switch (any(9)) {
		case 0: (void)!kept_create(s, &id, &ref); break;
		case 1:
		case 2:
			if (lease_next(s, &l))
				(void)!kept_move(s, l.ref, any(2) ? TASK_PLANNING : TASK_FAILED, any(4000));
			break;
		case 3: (void)!kept_move(s, ref, TASK_CANCELLED, any(500)); break;
		case 4: (void)!kept_move(s, ref, TASK_SAME, any(9000)); break;
		case 5:
			if (task_watch(s, ref) == ERR_NONE && any(2))
				task_unwatch(s, ref);
			wake_take(s, told, NULL);
			break;
		case 6: request(s); break;
		default: look(s, ref);
		}
	}
}

/* --- the keeper --- */

static _Noreturn void keeper(uint64_t seed)
{
	static struct running r;
	rng = seed;
	running_start(&r, created, &medium);
	for (;;) {
		struct pollfd p = {store_wake_fd(r.s), POLLIN, 0};
		if (any(20) == 0) {
			r.fake.fail_code = ERR_NO_SPACE;
			r.fake.fail_at = 1 + (int)any(30);
		}
		if (poll(&p, 1, 5) == 1)
			keeper_on_wake(r.keeper);
		loop_turn(r.loop, 0);
		/* it is tried again at once, not in a second */
		if (store_health(r.s, NULL) == STORE_NO_SPACE && any(4) == 0) {
			struct error e;
			(void)!keeper_flush(r.keeper, &e);
		}
	}
}

static void start(uint32_t proc)
{
	uint64_t seed = rng + proc * 1000003;
	any(2);
	fflush(stdout);
	pids[proc] = fork();
	assert_true(pids[proc] >= 0);
	if (pids[proc] == 0 && proc == KEEPER)
		keeper(seed);
	if (pids[proc] == 0)
		worker(proc, seed);
	store_proc_started(created, proc, pids[proc]);
}

static void stop(uint32_t proc)
{
	int status;
	kill(pids[proc], SIGKILL);
	assert_int_equal(waitpid(pids[proc], &status, 0), pids[proc]);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("process %u ended by itself (%d)", proc, status);
	store_proc_died(created, proc);
}

/* --- what must hold --- */

static void assert_nothing_lost(const char *when)
{
	struct fake_db f;
	fake_open(&f, medium.fake);
	uint32_t count = atomic_load(&seen->count);
	for (uint32_t i = 0; i < count; i++) {
		if (seen->rows[i].seq == 0)
			continue; /* its writer died */
		const struct fake_row *row = fake_row(&f, &seen->rows[i].id);
		if (row == NULL || row->events_seq < seen->rows[i].seq)
			fail_msg("%s: event %llu of a task was seen durable and is lost", when,
				 (unsigned long long)seen->rows[i].seq);
	}
	atomic_store(&seen->count, 0);
	memset(seen->rows, 0, count * sizeof seen->rows[0]);
	for (uint32_t i = 0; i < KEYS; i++)
		if (atomic_load(&seen->keys_made[i]) > 1)
			fail_msg("%s: a key took effect %u times", when, atomic_load(&seen->keys_made[i]));
	fake_release(&f.db);
}

static void round_run(struct store *looker, int n)
{
	char when[64];
	static struct running r;
	snprintf(when, sizeof when, "after round %d", n);
	for (uint32_t i = 0; i < PROCS; i++)
		if (i != LOOKER)
			start(i);
	for (int64_t until = clock_mono_ms() + ROUND_MS; clock_mono_ms() < until;) {
		uint32_t i = any(4) == 0 ? KEEPER : any(WORKERS);
		usleep(any(40000));
		stop(i);
		start(i);
	}
	for (uint32_t i = 0; i < PROCS; i++)
		if (i != LOOKER)
			stop(i);
	kept_whole(looker, when);
	running_start(&r, created, &medium);
	kept_whole(looker, when);
	kept_same(looker, r.db, when);
	assert_int_equal(store_health(looker, NULL), STORE_WORKS);
	running_die(&r);
	assert_nothing_lost(when);
}

static void rounds__lose_nothing_and_show_nothing_twice(void **state)
{
	const char *text = getenv("STORE_SEED");
	(void)state;
	rng = text != NULL ? strtoull(text, NULL, 10) : random_u64();
	print_message("seed %llu\n", (unsigned long long)rng);
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen != MAP_FAILED);
	created = kept_open(4 << 20, SLOTS, PROCS);
	medium_open(&medium, DISK_BYTES);
	struct store *looker = store_attach(created, LOOKER);
	for (int i = 0; i < ROUNDS; i++)
		round_run(looker, i);
	print_message("%llu tasks, %llu events, %llu commits, %llu owner deaths repaired\n",
		      (unsigned long long)store_counter(looker, COUNTER_TASKS_CREATED),
		      (unsigned long long)store_counter(looker, COUNTER_EVENTS),
		      (unsigned long long)store_counter(looker, COUNTER_COMMITS),
		      (unsigned long long)store_counter(looker, COUNTER_OWNER_DEATHS));
	assert_true(store_counter(looker, COUNTER_COMMITS) > 100);
	store_detach(looker);
	store_destroy(created);
	medium_free(&medium);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds__lose_nothing_and_show_nothing_twice),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
