/* SPDX-License-Identifier: Apache-2.0 */
/* A table with two workers and a keeper before a fake database, on a clock that stands still. */
#ifndef TESTS_STORE_KEEPER_RIG_H
#define TESTS_STORE_KEEPER_RIG_H

#include "tests/unit/store/fake_backend.h"
#include "tests/unit/store/table.h"
#include "store/keeper.h"

enum { RIG_DISK_BYTES = 256 << 20, RIG_TURNS = 8 };

struct rig {
	struct table t;
	struct store *k;
	struct loop *loop;
	struct fake_disk *disk;
	struct fake_db db;
	struct keeper *keeper;
	struct keeper_options options;
	int told_broken;
	int64_t ms; /* of the clock, wall and monotonic */
};

static inline void rig_pass(struct rig *r, int64_t ms)
{
	r->ms += ms;
	clock_fake_set(r->ms * 1000, r->ms);
}

static inline void rig_broken(void *arg)
{
	struct rig *r = arg;
	r->told_broken++;
}

static inline void rig_keeper_open(struct rig *r)
{
	uint32_t proc = r->t.created->map->keeper_proc;
	store_proc_started(r->t.created, proc, 3);
	r->k = store_attach(r->t.created, proc);
	r->loop = loop_new();
	fake_open(&r->db, r->disk);
	r->keeper = keeper_new(r->loop, r->k, &r->db.db, &r->options);
}

static inline void rig_restore(struct rig *r)
{
	struct error e = {0};
	if (keeper_restore(r->keeper, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

static inline struct rig rig_options(size_t mib, uint32_t tasks_max)
{
	struct rig r = {.ms = 1700000000000};
	struct store_options o = table_options(mib, tasks_max);
	o.keeper = true;
	o.requests_max = (uint32_t)mib << 10;
	rig_pass(&r, 0);
	r.disk = fake_disk_new(RIG_DISK_BYTES);
	r.t = table_open_with(&o);
	r.options = (struct keeper_options){.batch_tasks_max = 100,
					    .batch_bytes_max = 1 << 20,
					    .request_ms = 1000,
					    .on_broken = rig_broken};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return r;
}

/* r->options may have been changed; r must stay where it is. */
static inline void rig_start(struct rig *r)
{
	r->options.arg = r;
	rig_keeper_open(r);
	rig_restore(r);
}

/* Turns of the loop, as the role makes them; as often as there is something to do at once. */
static inline void rig_turn(struct rig *r)
{
	for (int i = 0; i < RIG_TURNS; i++) {
		if (readable(r->k))
			keeper_on_wake(r->keeper);
		loop_turn(r->loop, 0);
	}
}

static inline void rig_keeper_close(struct rig *r)
{
	keeper_free(r->keeper);
	loop_turn(r->loop, 0);
	loop_free(r->loop);
	store_detach(r->k);
}

/* As if it was killed: nothing more is committed, nobody is told. */
static inline void rig_keeper_die(struct rig *r)
{
	r->keeper->broken = true;
	rig_keeper_close(r);
	store_proc_died(r->t.created, r->t.created->map->keeper_proc);
}

static inline void rig_close(struct rig *r)
{
	if (r->keeper != NULL)
		rig_keeper_close(r);
	table_close(&r->t);
	fake_disk_free(r->disk);
	clock_fake_clear();
}

/* What another process would find in the database. */
static inline struct fake_db rig_look(const struct rig *r)
{
	struct fake_db f;
	fake_open(&f, r->disk);
	return f;
}

static inline const struct fake_row *rig_row(struct fake_db *f, const struct id *id)
{
	const struct fake_row *row = fake_row(f, id);
	ensure(row != NULL);
	return row;
}

static inline struct id id_of(struct store *s, struct task_ref ref)
{
	return head_of(s, ref).id;
}

#endif
