/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mapping: one memfd, filled before it is used so that it can never raise SIGBUS, sealed against a change
 * of size, mapped once before the first fork. Its memory is charged up front; how much is said in the
 * configuration.
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

enum { LAYOUT = 1, PAGE = 4096, RESERVE_PART = 32, BLOCKS_MIN = 256 };
static const uint64_t MAGIC = 0x6b736174746e6761; /* "agnttask" */

static enum err layout_plan(const struct store_options *o, struct map *m, struct error *e);
static struct map *mapping_make(size_t bytes, struct error *e);
static void mapping_format(const struct map *plan, struct map *m);
static struct store *handle_new(struct map *m, uint32_t proc, const int *wake_fds);

enum err store_create(const struct store_options *o, struct store **out, struct error *e)
{
	struct map plan = {0};
	enum err code = layout_plan(o, &plan, e);
	struct map *m = code == ERR_NONE ? mapping_make(plan.bytes, e) : NULL;
	if (m == NULL)
		return e->code;
	mapping_format(&plan, m);
	int *fds = xcalloc(o->procs_max, sizeof *fds);
	for (uint32_t i = 0; i < o->procs_max; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (fds[i] >= 0)
			continue;
		code = err_set_errno(e, errno, "cannot make an eventfd");
		while (i-- > 0)
			close(fds[i]);
		free(fds);
		munmap(m, plan.bytes);
		return code;
	}
	*out = handle_new(m, NONE, fds);
	(*out)->wake_fds_owned = fds;
	return ERR_NONE;
}

struct store *store_attach(struct store *created, uint32_t proc)
{
	ensure(proc < created->map->procs_max);
	struct store *s = handle_new(created->map, proc, created->wake_fds);
	s->watches = xcalloc(created->map->tasks_max, sizeof *s->watches);
	for (uint32_t i = 0; i < created->map->procs_max; i++) {
		s->live_seen[i] = atomic_load(&proc_at(s, i)->live_published);
		s->live_seen_count[i] = atomic_load(&proc_at(s, i)->live_count);
	}
	return s;
}

void store_detach(struct store *s)
{
	for (size_t i = 0; i < DOC_CACHE; i++)
		doc_free(s->cache[i].doc);
	buf_release(&s->scratch_doc);
	buf_release(&s->scratch_events);
	free(s->watches);
	free(s->stale);
	free(s);
}

void store_destroy(struct store *created)
{
	ensure(created->wake_fds_owned != NULL);
	for (uint32_t i = 0; i < created->map->procs_max; i++)
		close(created->wake_fds_owned[i]);
	free(created->wake_fds_owned);
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
	uint64_t before = store_counter(s, COUNTER_OWNER_DEATHS);
	lock_take(s, l, LOCK_POOL, NULL, NULL);
	lock_give(l, LOCK_POOL);
	if (store_counter(s, COUNTER_OWNER_DEATHS) == before)
		return err_set(e, ERR_INTERNAL,
			       "robust locks do not work on this system: the death of an owner was not told");
	/* That death was ours: the counters are for those that surprise. */
	atomic_store(&proc_at(s, 0)->counters[COUNTER_OWNER_DEATHS], 0);
	atomic_store(&proc_at(s, 0)->counters[COUNTER_REPAIRS], 0);
	return ERR_NONE;
}

/* --- helpers --- */

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* Places everything whose size is given, then as many blocks as fit. */
static enum err layout_plan(const struct store_options *o, struct map *m, struct error *e)
{
	ensure(o->procs_max > 0 && o->procs_max <= STORE_PROCS_MAX && o->tasks_max > 0);
	ensure((o->live_ring_bytes & (o->live_ring_bytes - 1)) == 0);
	uint64_t at = round_up(sizeof *m, 64);
	m->magic = MAGIC;
	m->layout = LAYOUT;
	m->tasks_max = o->tasks_max;
	m->procs_max = o->procs_max;
	m->buckets = o->tasks_max * 2 + 1;
	m->task_events_max = o->task_events_max;
	m->task_bytes_max = o->task_bytes_max;
	m->live_ring_bytes = o->live_ring_bytes;
	m->procs_at = at;
	at += o->procs_max * sizeof(struct proc);
	m->dirty_at = at;
	at += (uint64_t)o->procs_max * ((o->tasks_max + 63) / 64) * sizeof(uint64_t);
	m->slots_at = at = round_up(at, 64);
	at += (uint64_t)o->tasks_max * sizeof(struct slot);
	m->buckets_at = at = round_up(at, 64);
	at += m->buckets * sizeof(uint32_t);
	m->live_at = at = round_up(at, PAGE);
	at += (uint64_t)o->procs_max * o->live_ring_bytes;
	m->blocks_at = at = round_up(at, 64);
	uint64_t least =
		round_up(at + (uint64_t)BLOCKS_MIN * (BLOCK_BYTES + sizeof(struct block)) + PAGE, PAGE);
	m->bytes = o->bytes / PAGE * PAGE;
	if (m->bytes < least)
		return err_set_field(e, ERR_CONFIG, "store.size_mb",
				     "store.size_mb is too small for store.tasks_max %u and the live rings: "
				     "at least %llu MiB",
				     o->tasks_max, (unsigned long long)((least + (1 << 20) - 1) >> 20));
	m->blocks_max = (uint32_t)((m->bytes - at - PAGE) / (BLOCK_BYTES + sizeof(struct block)));
	m->payload_at = round_up(at + m->blocks_max * sizeof(struct block), 64);
	m->reserve_blocks = m->blocks_max / RESERVE_PART;
	ensure(m->payload_at + (uint64_t)m->blocks_max * BLOCK_BYTES <= m->bytes);
	return ERR_NONE;
}

/* NULL, with e filled, when there is not so much memory. */
static struct map *mapping_make(size_t bytes, struct error *e)
{
	int fd = memfd_create("agent-runtime-tasks", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		err_set_errno(e, errno, "memfd_create failed");
		return NULL;
	}
	int bad = posix_fallocate(fd, 0, (off_t)bytes);
	if (bad == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		bad = errno;
	void *p = bad == 0 ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (bad == 0 && p == MAP_FAILED)
		bad = errno;
	close(fd);
	if (bad == 0)
		return p;
	err_set_errno(e, bad, "no %zu MiB of memory for the task table (store.size_mb)", bytes >> 20);
	return NULL;
}

static void mapping_format(const struct map *plan, struct map *m)
{
	*m = *plan;
	lock_init(&m->index_lock);
	lock_init(&m->pool_lock);
	struct slot *slots = (struct slot *)((char *)m + m->slots_at);
	for (uint32_t i = 0; i < m->tasks_max; i++) {
		lock_init(&slots[i].lock);
		slots[i].versions[0].doc_head = slots[i].versions[0].events_head = NONE;
		slots[i].versions[0].events_tail = NONE;
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
	return s;
}
