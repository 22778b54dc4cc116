/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mapping: one memfd, sealed against a change of size and mapped once before the first fork. The system
 * gives its memory before it is used, so that it can never raise SIGBUS: all of it at once, or what is no
 * block at the start and the rest in steps (store_grow). Blocks beyond what is backed are on no list and
 * never touched.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAYOUT = 5, PAGE = 4096, RESERVE_PART = 32, BLOCKS_MIN = 256, LIVE_RING_MIN = 1024, KEYS_MIN = 64 };
static const uint64_t MAGIC = 0x6b736174746e6761; /* "agnttask" */

static enum err layout_plan(const struct store_options *o, struct map *m, struct error *e);
static enum err mapping_make(const struct map *plan, int *fd, struct error *e);
static enum err mapping_map(int fd, size_t bytes, struct map **out, struct error *e);
static enum err memory_take(int fd, const struct map *m, uint64_t from, uint64_t bytes, struct error *e);
static uint32_t blocks_within(const struct map *m, uint64_t bytes);
static enum err eventfds_make(uint32_t n, int **out, struct error *e);
static void eventfds_close(int *fds, uint32_t n);
static void mapping_format(const struct map *plan, struct map *m);
static struct store *handle_new(struct map *m, uint32_t proc, const int *wake_fds);

enum err store_create(const struct store_options *o, struct store **out, struct error *e)
{
	struct map plan = {0};
	int fd = -1, *fds = NULL;
	enum err code = layout_plan(o, &plan, e);
	if (code == ERR_NONE)
		code = mapping_make(&plan, &fd, e);
	if (code == ERR_NONE)
		code = eventfds_make(o->procs_max, &fds, e);
	struct map *m = NULL;
	if (code == ERR_NONE)
		code = mapping_map(fd, plan.bytes, &m, e);
	if (code != ERR_NONE) {
		fd_close(&fd);
		eventfds_close(fds, o->procs_max);
		return code;
	}
	ensure(m != NULL);
	mapping_format(&plan, m);
	for (uint32_t i = 0; i < plan.gates_max; i++)
		gate_format((struct gate *)(void *)((char *)m + plan.gates_at) + i, &o->gates[i]);
	*out = handle_new(m, NONE, fds);
	(*out)->wake_fds_owned = fds;
	(*out)->fd = fd;
	if (plan.bytes_backed == plan.bytes)
		fd_close(&(*out)->fd);
	return ERR_NONE;
}

enum err store_grow(struct store *created, size_t step, bool *whole, struct error *e)
{
	struct map *m = created->map;
	uint64_t backed = atomic_load(&m->bytes_backed), left = m->bytes - backed;
	if (step > left)
		step = left;
	*whole = step == left;
	enum err code = left == 0 ? ERR_NONE : memory_take(created->fd, m, backed, step, e);
	if (code != ERR_NONE)
		return code;
	atomic_store(&m->bytes_backed, backed + step);
	atomic_store(&m->blocks_backed, blocks_within(m, backed + step));
	if (*whole)
		fd_close(&created->fd);
	return ERR_NONE;
}

bool store_whole(const struct store *s)
{
	return atomic_load(&s->map->bytes_backed) == s->map->bytes;
}

struct store *store_attach(struct store *created, uint32_t proc)
{
	ensure(proc < created->map->procs_max);
	struct store *s = handle_new(created->map, proc, created->wake_fds);
	s->watches = xcalloc(created->map->tasks_max, sizeof *s->watches);
	if (proc == created->map->keeper_proc)
		s->unsaved_from = xcalloc(created->map->tasks_max, sizeof *s->unsaved_from);
	for (uint32_t i = 0; i < created->map->procs_max; i++) {
		/* In this order: what is published in between is found to be missing, not to be negative. */
		s->live_seen_count[i] = atomic_load(&proc_at(s, i)->live_count);
		s->live_seen[i] = atomic_load(&proc_at(s, i)->live_published);
	}
	return s;
}

void store_detach(struct store *s)
{
	cache_release(s);
	buf_release(&s->scratch_doc);
	buf_release(&s->scratch_events);
	buf_release(&s->scratch_live);
	free(s->unsaved_from);
	free(s->watches);
	free(s->stale);
	free(s);
}

void store_destroy(struct store *created)
{
	ensure(created->wake_fds_owned != NULL);
	eventfds_close(created->wake_fds_owned, created->map->procs_max);
	fd_close(&created->fd);
	munmap(created->map, created->map->bytes);
	store_detach(created);
}

enum err store_prove_locks(struct store *s, struct error *e)
{
	struct lock *l = &s->map->pool_lock;
	pid_t pid = fork();
	if (pid < 0)
		return err_set_errno(e, errno, "cannot fork to prove that robust locks work");
	if (pid == 0) {
		lock_take(s, l, LOCK_POOL, NULL, NULL);
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return lock_owner_died(l) ? ERR_NONE
				  : err_set(e, ERR_INTERNAL,
					    "robust locks do not work on this system: the death of an owner "
					    "was not told");
}

/* --- helpers --- */

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static enum err options_check(const struct store_options *o, struct error *e)
{
	ensure(o->gates_count <= STORE_GATES_MAX);
	ensure(o->procs_max > 0 && o->procs_max <= STORE_PROCS_MAX && o->tasks_max > 0);
	uint64_t low = LIVE_RING_MIN;
	while (low * 2 <= o->live_ring_bytes)
		low *= 2;
	if (low == o->live_ring_bytes)
		return ERR_NONE;
	return err_set_field(e, ERR_CONFIG, "store.live_ring_bytes",
			     "store.live_ring_bytes must be a power of two: %llu or %llu, not %zu",
			     (unsigned long long)low, (unsigned long long)low * 2, o->live_ring_bytes);
}

/* Places everything whose size is given, then as many blocks as fit. */
static enum err layout_plan(const struct store_options *o, struct map *m, struct error *e)
{
	if (options_check(o, e) != ERR_NONE)
		return ERR_CONFIG;
	uint64_t at = round_up(sizeof *m, 64);
	m->magic = MAGIC;
	m->layout = LAYOUT;
	m->tasks_max = o->tasks_max;
	m->procs_max = o->procs_max;
	m->buckets = o->tasks_max * 2 + 1;
	m->keeper_proc = o->keeper ? o->procs_max - 1 : NONE;
	m->keys_max = (uint32_t)round_up(o->requests_max > KEYS_MIN ? o->requests_max : KEYS_MIN, KEY_WAYS);
	m->task_events_max = o->task_events_max;
	m->task_bytes_max = o->task_bytes_max;
	m->live_ring_bytes = o->live_ring_bytes;
	m->procs_at = at;
	at += (uint64_t)o->procs_max * sizeof(struct proc);
	uint64_t bitmap = (uint64_t)((o->tasks_max + 63) / 64) * sizeof(uint64_t);
	m->dirty_at = at;
	m->works_at = at += o->procs_max * bitmap;
	m->unsaved_at = at += bitmap;
	at += bitmap;
	m->slots_at = at = round_up(at, 64);
	at += (uint64_t)o->tasks_max * sizeof(struct slot);
	m->buckets_at = at = round_up(at, 64);
	at += m->buckets * sizeof(uint32_t);
	m->keys_at = at = round_up(at, 64);
	at += (uint64_t)m->keys_max * sizeof(struct key_entry);
	m->gates_max = o->gates_count;
	m->gates_at = at = round_up(at, 64);
	at += (uint64_t)m->gates_max * sizeof(struct gate);
	m->budgets_max = o->budgets_max > 0 ? o->budgets_max + 1 : 0;
	m->tenant_caps = o->tenant_caps;
	m->service_caps = o->service_caps;
	m->budgets_at = at = round_up(at, 64);
	at += (uint64_t)m->budgets_max * sizeof(struct budget_entry);
	m->live_at = at = round_up(at, PAGE);
	at += (uint64_t)o->procs_max * o->live_ring_bytes;
	m->blocks_at = at = round_up(at, 64);
	uint64_t least =
		round_up(at + (uint64_t)BLOCKS_MIN * (BLOCK_BYTES + sizeof(struct block)) + PAGE, PAGE);
	m->bytes = o->bytes / PAGE * PAGE;
	if (m->bytes < least)
		return err_set_field(e, ERR_CONFIG, "store.size_mb",
				     "store.size_mb is too small for store.tasks_max %u, "
				     "store.idempotency_keys and the live rings: "
				     "at least %llu MiB",
				     o->tasks_max, (unsigned long long)((least + (1 << 20) - 1) >> 20));
	m->blocks_max = (uint32_t)((m->bytes - at - PAGE) / (BLOCK_BYTES + sizeof(struct block)));
	m->payload_at = round_up(at + m->blocks_max * sizeof(struct block), 64);
	m->reserve_blocks = m->blocks_max / RESERVE_PART;
	ensure(m->payload_at + (uint64_t)m->blocks_max * BLOCK_BYTES <= m->bytes);
	/* At the start at least what is no block, and a few of them. */
	uint64_t start = round_up(m->payload_at + (uint64_t)BLOCKS_MIN * BLOCK_BYTES, PAGE);
	if (start < o->bytes_at_start)
		start = o->bytes_at_start / PAGE * PAGE;
	m->bytes_backed = o->bytes_at_start == 0 || start > m->bytes ? m->bytes : start;
	m->blocks_backed = blocks_within(m, m->bytes_backed);
	return ERR_NONE;
}

static uint32_t blocks_within(const struct map *m, uint64_t bytes)
{
	uint64_t n = bytes > m->payload_at ? (bytes - m->payload_at) / BLOCK_BYTES : 0;
	return n < m->blocks_max ? (uint32_t)n : m->blocks_max;
}

static enum err memory_take(int fd, const struct map *m, uint64_t from, uint64_t bytes, struct error *e)
{
	int bad = posix_fallocate(fd, (off_t)from, (off_t)bytes);
	return bad == 0 ? ERR_NONE
			: err_set_errno(e, bad, "no %llu MiB of memory for the task table (store.size_mb)",
					(unsigned long long)m->bytes >> 20);
}

static enum err mapping_make(const struct map *plan, int *fd, struct error *e)
{
	*fd = memfd_create("agent-runtime-tasks", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return err_set_errno(e, errno, "memfd_create failed");
	if (ftruncate(*fd, (off_t)plan->bytes) != 0)
		return err_set_errno(e, errno, "cannot size the task table (store.size_mb)");
	enum err code = memory_take(*fd, plan, 0, plan->bytes_backed, e);
	if (code == ERR_NONE && fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		code = err_set_errno(e, errno, "cannot seal the task table");
	return code;
}

static enum err mapping_map(int fd, size_t bytes, struct map **out, struct error *e)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_set_errno(e, errno, "cannot map the %zu MiB of the task table (store.size_mb)",
				     bytes >> 20);
	*out = p;
	return ERR_NONE;
}

static enum err eventfds_make(uint32_t n, int **out, struct error *e)
{
	int *fds = xcalloc(n, sizeof *fds);
	enum err code = ERR_NONE;
	for (uint32_t i = 0; i < n; i++) {
		fds[i] = code == ERR_NONE ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
		if (fds[i] < 0 && code == ERR_NONE)
			code = err_set_errno(e, errno, "cannot make an eventfd");
	}
	*out = fds;
	return code;
}

static void eventfds_close(int *fds, uint32_t n)
{
	for (uint32_t i = 0; fds != NULL && i < n; i++)
		fd_close(&fds[i]);
	free(fds);
}

static void mapping_format(const struct map *plan, struct map *m)
{
	memcpy(m, plan, sizeof *m);
	atomic_store(&m->stuck, (uint32_t)NONE);
	atomic_store(&m->work_seq, 1);
	lock_init(&m->index_lock);
	lock_init(&m->pool_lock);
	lock_init(&m->keys_lock);
	budgets_format(m);
	atomic_store(&m->health, m->keeper_proc != NONE ? STORE_STARTING : STORE_WORKS);
	struct slot *slots = (struct slot *)((char *)m + m->slots_at);
	for (uint32_t i = 0; i < m->tasks_max; i++) {
		lock_init(&slots[i].lock);
		slots[i].versions[0].doc_head = slots[i].versions[0].events_head = NONE;
		slots[i].versions[0].events_tail = slots[i].versions[0].shown_head = NONE;
		lease_clear(&slots[i].versions[0].lease);
	}
	index_format(m);
	pool_format(m);
}

static struct store *handle_new(struct map *m, uint32_t proc, const int *wake_fds)
{
	struct store *s = xcalloc(1, sizeof *s);
	s->map = m;
	s->proc = proc;
	s->wake_fds = wake_fds;
	s->index_hint = NONE;
	s->fd = -1;
	return s;
}
