/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holders of locks, stopped and killed between any two instructions of their critical sections. The victim is
 * traced: it stops itself when it takes a lock for the n-th time, is stepped through a random number of
 * instructions while it holds one, and then killed at once, or first left stopped while others want the
 * table: they go on, or end within the limit of waiting. Afterwards the table must be whole and go on. The
 * seed is printed; STORE_SEED repeats it.
 */
#include "tests/proc/kept.h"

#include <signal.h>
#include <sys/ptrace.h>

#ifndef STORE_KILL_POINTS
#error "build with FLAVOUR=kill"
#endif

enum {
	VICTIM,
	SURVIVOR,
	BYSTANDER,
	KEEPER,
	PROCS,
	LOCKS_MAX = 24,    /* locks taken by one mutation */
	STEPS_MAX = 60000, /* instructions under locks */
	KILLS = 4,         /* for each lock of each mutation */
	WAIT_LIMIT_MS = 30,
	HANG_MS = 8000,
};

struct scene {
	struct store *created, *survivor, *keeper;
	struct task_ref queued;
	struct id finished_id;
};

static uint64_t rng;
static uint32_t any(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static enum err create(struct store *s, struct task_ref *ref)
{
	struct id id;
	return kept_create(s, &id, ref);
}

/* As the keeper does it, without a database. */
static void save(const struct task_unsaved *t, void *arg)
{
	unsaved_done(arg, t->ref, t->last_seq, t->state, t->doc);
}

static void save_all(struct store *keeper)
{
	struct request_unsaved r[4];
	unsaved_take(keeper, SIZE_MAX, SIZE_MAX, save, keeper);
	requests_done(keeper, r, requests_take(keeper, COUNT_OF(r), r));
}

static enum err key_use(struct store *s, uint32_t n)
{
	struct request_key k = kept_key(n);
	struct request_place p = {.after_seq = 5};
	enum request_status status;
	struct error e;
	enum err code = request_key_claim(s, &k, &status, &p, &e);
	if (code == ERR_NONE && status == REQUEST_NEW) {
		request_key_begin(s, &k, &p);
		request_key_settle(s, &k, &p, false);
	}
	return code;
}

/* --- what the victim is at --- */

static enum err do_create(struct store *s, const struct scene *c)
{
	struct task_ref ref;
	(void)c;
	return create(s, &ref);
}
static enum err do_move(struct store *s, const struct scene *c)
{
	return kept_move(s, c->queued, TASK_PLANNING, 3000);
}
static enum err do_end(struct store *s, const struct scene *c)
{
	return kept_move(s, c->queued, TASK_CANCELLED, 10);
}
static enum err do_lease(struct store *s, const struct scene *c)
{
	struct lease l;
	struct error e;
	enum err code = lease_take(s, c->queued, &l, &e);
	if (code == ERR_NONE)
		lease_release(s, &l);
	return code;
}

static enum err do_key(struct store *s, const struct scene *c)
{
	(void)c;
	return key_use(s, 1);
}
/* The second time a part of what is new: what was committed is shown beside it. */
static enum err do_commit(struct store *s, const struct scene *c)
{
	enum err code = kept_move(s, c->queued, TASK_SAME, 2500);
	save_all(s);
	return code;
}
static struct store *other; /* a handle of its own: what is taken stays in that of the keeper */
static void save_late(const struct task_unsaved *t, void *arg)
{
	(void)!kept_move(other, t->ref, TASK_SAME, 100);
	save(t, arg);
}
static enum err do_commit_late(struct store *s, const struct scene *c)
{
	enum err code = kept_move(s, c->queued, TASK_SAME, 2500);
	other = store_attach(c->created, SURVIVOR);
	unsaved_take(s, SIZE_MAX, SIZE_MAX, save_late, s);
	return code;
}
static enum err do_forget(struct store *s, const struct scene *c)
{
	struct error e;
	return task_forget(s, &c->finished_id, &e);
}
static enum err do_restore(struct store *s, const struct scene *c)
{
	struct error e;
	struct task_saved t = {
		.state = TASK_FAILED, .last_seq = 2, .doc = SLICE_LIT("{\"status\":\"failed\"}")};
	(void)c;
	id_new(&t.id);
	return task_restore(s, &t, &e);
}

static const struct mutation {
	const char *name;
	enum err (*act)(struct store *s, const struct scene *c);
	uint32_t proc, tasks_max; /* 2: creating evicts */
} mutations[] = {
	{"create", do_create, VICTIM, 4},
	{"create-evicting", do_create, VICTIM, 2},
	{"move", do_move, VICTIM, 4},
	{"end", do_end, VICTIM, 4},
	{"lease-and-release", do_lease, VICTIM, 4},
	{"key", do_key, VICTIM, 4},
	{"commit", do_commit, KEEPER, 4},
	{"commit-late", do_commit_late, KEEPER, 4},
	{"forget", do_forget, KEEPER, 4},
	{"restore", do_restore, KEEPER, 4},
};

static struct scene scene_open(const struct mutation *m)
{
	struct store_options o = {.bytes = 1 << 20,
				  .tasks_max = m->tasks_max,
				  .procs_max = PROCS,
				  .task_events_max = 1000,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 1024,
				  .keeper = true};
	struct scene c;
	struct task_ref finished;
	struct error e = {0};
	if (store_create(&o, &c.created, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	for (uint32_t i = 0; i < PROCS; i++)
		store_proc_started(c.created, i, getpid());
	c.survivor = store_attach(c.created, SURVIVOR);
	c.keeper = store_attach(c.created, KEEPER);
	store_health_set(c.keeper, STORE_WORKS, "");
	assert_int_equal(kept_create(c.survivor, &c.finished_id, &finished), ERR_NONE);
	assert_int_equal(kept_move(c.survivor, finished, TASK_CANCELLED, 2000), ERR_NONE);
	assert_int_equal(create(c.survivor, &c.queued), ERR_NONE);
	save_all(c.keeper);
	return c;
}

static void scene_close(struct scene *c)
{
	store_detach(c->survivor);
	store_detach(c->keeper);
	store_destroy(c->created);
}

/* --- the tracer's view --- */

static bool lock_is_of(const struct lock *l, pid_t pid)
{
	const int *word =
		(const int *)&l->mutex; /* glibc: the futex word comes first and holds the owner's id */
	return (__atomic_load_n(word, __ATOMIC_RELAXED) & 0x3fffffff) == pid;
}

static bool holds_any(const struct scene *c, pid_t pid)
{
	const struct map *m = c->created->map;
	if (lock_is_of(&m->index_lock, pid) || lock_is_of(&m->pool_lock, pid) ||
	    lock_is_of(&m->keys_lock, pid))
		return true;
	for (uint32_t i = 0; i < m->tasks_max; i++)
		if (lock_is_of(&slot_at(c->created, i)->lock, pid))
			return true;
	return false;
}

/* A victim that has just taken its count-th lock, or 0: there are not so many. */
static pid_t victim_start(const struct scene *c, const struct mutation *m, int count)
{
	int status;
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = store_attach(c->created, m->proc);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(99);
		kill_point_signal(SIGSTOP);
		kill_point_arm("locked", count);
		_exit(m->act(s, c) == ERR_NONE ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	atomic_store(&proc_at(c->created, m->proc)->pid, pid);
	if (WIFSTOPPED(status))
		return pid;
	if (WEXITSTATUS(status) == 99) {
		print_message("skipped: this sandbox forbids ptrace\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

/* Steps while the victim holds a lock, at most `steps` instructions; returns how many. */
static uint32_t victim_step(const struct scene *c, pid_t pid, uint32_t steps)
{
	int status;
	uint32_t n = 0;
	for (; n < steps && holds_any(c, pid); n++) {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status))
			fail_msg("the victim ended with a lock held");
	}
	return n;
}

static void victim_end(const struct scene *c, const struct mutation *m, pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	store_proc_died(c->created, m->proc);
}

/* --- what must hold --- */

static void assert_goes_on(const struct scene *c, const struct mutation *m, const char *where)
{
	struct error e = {0};
	struct task_head h;
	struct task_ref ref;
	struct lease l;
	if (store_check(c->survivor, &e) != ERR_NONE)
		fail_msg("%s: %s", where, e.msg);
	assert_int_equal(task_head_get(c->survivor, c->queued, &h), ERR_NONE);
	if (m->proc != KEEPER)
		assert_int_equal(h.last_seq, h.state == TASK_QUEUED ? 1 : 3);
	if (task_state_works(h.state))
		assert_true(lease_next(c->survivor, &l));
	if (!task_state_terminal(h.state))
		assert_int_equal(kept_move(c->survivor, c->queued, TASK_FAILED, 100), ERR_NONE);
	assert_int_equal(key_use(c->survivor, 1), ERR_NONE);
	assert_int_equal(key_use(c->survivor, 2), ERR_NONE);
	unsaved_mark_all(c->keeper);
	for (int i = 0; i < 4; i++) {
		save_all(c->keeper);
		assert_int_equal(create(c->survivor, &ref), ERR_NONE);
		assert_int_equal(kept_move(c->survivor, ref, TASK_CANCELLED, 1000), ERR_NONE);
	}
	save_all(c->keeper);
	assert_int_equal(task_head_get(c->survivor, ref, &h), ERR_NONE);
	assert_int_equal(h.durable_seq, h.last_seq);
	if (store_check(c->survivor, &e) != ERR_NONE)
		fail_msg("%s, later: %s", where, e.msg);
}

/* Wants everything that there is to lock. Ends with 0, or by giving up a lock that it waited for too long. */
static _Noreturn void bystander(const struct scene *c)
{
	struct store *s = store_attach(c->created, BYSTANDER);
	struct task_ref ref, list[4];
	struct buf b = BUF_INIT;
	log_init("bystander", LOG_OFF, LOG_FORMAT_JSON);
	lock_wait_limit_set(WAIT_LIMIT_MS);
	(void)!task_doc_copy(s, c->queued, &b, NULL);
	(void)!kept_move(s, c->queued, TASK_SAME, 10);
	task_list(s, &(struct task_query){.limit = 4}, list);
	(void)!key_use(s, 2);
	if (create(s, &ref) == ERR_NONE)
		(void)!kept_move(s, ref, TASK_CANCELLED, 10);
	_exit(0);
}

/* true: somebody had to give up, and said for whom. */
static bool others_do_not_hang(const struct scene *c, const struct mutation *m, const char *where)
{
	int status;
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		bystander(c);
	for (int64_t until = clock_mono_ms() + HANG_MS; waitpid(pid, &status, WNOHANG) == 0; usleep(2000)) {
		if (clock_mono_ms() < until)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		fail_msg("%s: another process hangs", where);
	}
	uint32_t stuck = NONE;
	int stuck_pid = store_stuck_take(c->created, &stuck);
	if (WIFEXITED(status))
		return false;
	assert_int_equal(WTERMSIG(status), SIGABRT);
	if (stuck_pid == 0 || stuck != m->proc)
		fail_msg("%s: participant %u was named", where, stuck);
	store_proc_died(c->created, BYSTANDER);
	return true;
}

/* One death. steps: how far into the critical section. Returns how far it came. */
static uint32_t death_at(const struct mutation *m, int count, uint32_t steps, bool stop_first,
			 uint32_t *gave_up)
{
	char where[128];
	struct scene c = scene_open(m);
	uint32_t came = 0;
	pid_t pid = victim_start(&c, m, count);
	if (pid != 0) {
		came = victim_step(&c, pid, steps);
		snprintf(where, sizeof where, "%s, lock %d, %u instructions on", m->name, count, came);
		if (stop_first && holds_any(&c, pid)) {
			/* seen in the state "stopped" by all the others, traced or not */
			*gave_up += others_do_not_hang(&c, m, where);
		}
		victim_end(&c, m, pid);
		/* a bystander that went on has changed the task, too */
		if (!stop_first)
			assert_goes_on(&c, m, where);
		struct error e = {0};
		if (store_check(c.survivor, &e) != ERR_NONE)
			fail_msg("%s: %s", where, e.msg);
	}
	scene_close(&c);
	return pid != 0 ? came + 1 : 0;
}

static void stopped_and_killed__at_any_instruction_nobody_hangs(void **state)
{
	const char *text = getenv("STORE_SEED");
	uint32_t deaths = 0, stops = 0, gave_up = 0;
	uint64_t instructions = 0;
	(void)state;
	rng = text != NULL ? strtoull(text, NULL, 10) : random_u64();
	print_message("seed %llu\n", (unsigned long long)rng);
	for (size_t i = 0; i < COUNT_OF(mutations); i++)
		for (int count = 1; count <= LOCKS_MAX; count++) {
			/* once to the end of the section, to know how long it is */
			uint32_t length = death_at(&mutations[i], count, STEPS_MAX, false, &gave_up);
			if (length == 0)
				break;
			instructions += length;
			for (int k = 0; k < KILLS; k++, deaths++)
				death_at(&mutations[i], count, any(length), false, &gave_up);
			death_at(&mutations[i], count, any(length < 200 ? length : 200), true, &gave_up);
			stops++;
		}
	print_message("%u killed at one of %llu instructions, %u stopped, %u others gave up\n", deaths,
		      (unsigned long long)instructions, stops, gave_up);
	assert_true(deaths > 100 && gave_up > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopped_and_killed__at_any_instruction_nobody_hangs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
