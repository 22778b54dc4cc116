/* SPDX-License-Identifier: Apache-2.0 */
/* A table with a keeper before a database that outlives processes, a fake one or the real, for tests that
 * kill them. */
#ifndef TESTS_PROC_KEPT_H
#define TESTS_PROC_KEPT_H

#include "tests/unit/store/database.h"
#include "tests/unit/store/fake_backend.h"
#include "store/keeper.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { KEPT_TURNS = 6 };

/* What is kept between processes. */
struct medium {
	struct fake_disk *fake; /* NULL: a folder for SQLite */
	struct database real;
};

static inline void medium_open(struct medium *m, size_t fake_bytes)
{
	*m = (struct medium){.fake = fake_bytes > 0 ? fake_disk_new(fake_bytes) : NULL};
	if (m->fake == NULL)
		database_init(&m->real);
}

static inline void medium_free(struct medium *m)
{
	if (m->fake != NULL)
		fake_disk_free(m->fake);
	else
		nftw(m->real.folder, database_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* A keeper in this process. */
struct running {
	struct store *created, *s;
	struct loop *loop;
	struct fake_db fake;
	struct db *db;
	struct keeper *keeper;
};

static inline struct store *kept_open(size_t bytes, uint32_t tasks_max, uint32_t procs)
{
	struct store_options o = {.bytes = bytes,
				  .tasks_max = tasks_max,
				  .procs_max = procs,
				  .task_events_max = 100000,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 1024,
				  .keeper = true,
				  .tenant_caps = {.cost_nano = 100},
				  .budgets_max = 4};
	struct store *s;
	struct error e = {0};
	if (store_create(&o, &s, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	for (uint32_t i = 0; i < procs; i++)
		store_proc_started(s, i, getpid());
	return s;
}

static inline void kept_broken(void *arg)
{
	(void)arg;
	ensure_failed("a keeper whose database works", __FILE__, __LINE__);
}

/* Not restored yet. */
static inline void running_open(struct running *r, struct store *created, struct medium *m)
{
	struct keeper_options o = {.batch_tasks_max = 100,
				   .batch_bytes_max = 1 << 20,
				   .request_ms = 1 << 30,
				   .on_broken = kept_broken};
	store_proc_started(created, created->map->keeper_proc, getpid());
	r->created = created;
	r->s = store_attach(created, created->map->keeper_proc);
	r->loop = loop_new();
	r->db = &r->fake.db;
	if (m->fake != NULL) {
		fake_open(&r->fake, m->fake);
	} else {
		database_open(&m->real);
		r->db = m->real.db;
	}
	r->keeper = keeper_new(r->loop, r->s, r->db, &o);
}

/* As its process does: it looks when its descriptor says so, else it does what it has put off. */
static inline void running_turn(struct running *r)
{
	struct pollfd p = {store_wake_fd(r->s), POLLIN, 0};
	for (int i = 0; i < KEPT_TURNS; i++) {
		if (poll(&p, 1, 0) == 1)
			keeper_on_wake(r->keeper);
		loop_turn(r->loop, 0);
	}
}

static inline void running_start(struct running *r, struct store *created, struct medium *m)
{
	struct error e = {0};
	running_open(r, created, m);
	if (keeper_restore(r->keeper, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	running_turn(r);
}

/* Without a last commit. */
static inline void running_die(struct running *r)
{
	r->keeper->broken = true;
	keeper_free(r->keeper);
	loop_turn(r->loop, 0);
	loop_free(r->loop);
	store_detach(r->s);
	store_proc_died(r->created, r->created->map->keeper_proc);
}

static inline void kept_whole(struct store *s, const char *when)
{
	struct error e = {0};
	if (store_check(s, &e) != ERR_NONE)
		fail_msg("%s: %s", when, e.msg);
}

/* A task is durable, and in the database it is what it is here, with each event once. */
static inline void kept_same_task(struct store *s, struct task_ref ref, struct db *db, const char *when)
{
	struct buf doc = BUF_INIT, kept = BUF_INIT, sse = BUF_INIT, events = BUF_INIT;
	struct task_head h;
	struct task_saved saved;
	struct event_cursor c;
	struct error e = {0};
	uint64_t last_seq = 0;
	assert_int_equal(task_doc_copy(s, ref, &doc, &h), ERR_NONE);
	event_cursor_init(&c, h.first_seq - 1);
	assert_int_equal(task_events_copy(s, ref, &c, 1 << 20, &sse, NULL), ERR_NONE);
	enum err code = db->backend->task_get(db, &h.id, &saved, &kept, &e);
	if (code == ERR_NONE)
		code = db->backend->events_get(db, &h.id, h.first_seq - 1, 1 << 20, &events, &last_seq, &e);
	if (code != ERR_NONE)
		fail_msg("%s: slot %u: %s", when, ref.slot, e.msg);
	if (h.durable_seq != h.last_seq || saved.last_seq != h.last_seq || saved.state != h.state ||
	    !slice_eq(buf_slice(&doc), buf_slice(&kept)) || !slice_eq(buf_slice(&sse), buf_slice(&events)))
		fail_msg("%s: slot %u is another one in the database", when, ref.slot);
	buf_release(&doc);
	buf_release(&kept);
	buf_release(&sse);
	buf_release(&events);
}

static inline void kept_same(struct store *s, struct db *db, const char *when)
{
	struct task_ref list[64];
	size_t n = task_list(s, &(struct task_query){.limit = 64}, list);
	if (n != atomic_load(&s->map->slots_used))
		fail_msg("%s: %zu tasks of %u are shown", when, n, atomic_load(&s->map->slots_used));
	for (size_t i = 0; i < n; i++)
		kept_same_task(s, list[i], db, when);
}

/* --- what workers do --- */

static inline enum err kept_create(struct store *s, struct id *id, struct task_ref *ref)
{
	char text[ID_TEXT_SIZE], json[256];
	struct error e;
	id_new(id);
	id_format(id, text);
	snprintf(json, sizeof json,
		 "{\"task_id\":\"%s\",\"prompt\":\"p\",\"approval\":\"auto\",\"metadata\":{}}", text);
	return task_create(s, id, slice_str(json), ref, &e);
}

static inline enum err kept_move(struct store *s, struct task_ref ref, enum task_state to, size_t pad)
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

static inline struct request_key kept_key(uint32_t n)
{
	struct request_key k = {.body = {1}};
	memcpy(k.key, &n, sizeof n);
	return k;
}

#endif
