/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database that was damaged while nobody looked: cut short, single bits turned, sectors wiped, in the file
 * and in the log beside it. At boot it is refused with what to do, and then not a byte of it is changed; or
 * it is opened and what is read is right; or the damage is found when it is read, or by `verify`. A damaged
 * log ends where it is damaged: what is recovered must be what one of the commits left, whole.
 *
 * What cannot be found by anybody is a bit that turned inside of a text that nothing is computed from, since
 * SQLite keeps no sums of its pages: those are counted and told, and each must be a change of text only, in
 * an event that is there, in its place. FAULT_LONG tries many more places.
 */
#include "tests/fault/disk.h"
#include "tests/fault/look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS = 40, PLACES = 110, SCRIPTS_MAX = 9 };

enum outcome { REFUSED, RIGHT, NOTICED, TEXT_ONLY, WRONG, OUTCOMES };

struct corpse {
	struct rig rig;
	struct script script;
	struct buf db, log; /* the files as they were left */
	uint64_t *vectors;  /* of all commits */
	size_t vectors_count;
	uint64_t random;
	size_t counts[OUTCOMES];
	char fault[600];
};

static char *file_path(const char *suffix)
{
	return xasprintf("%s%s/tasks.db%s", rig_paths.state, rig_paths.db + strlen(rig_paths.live), suffix);
}

static void file_take(const char *suffix, struct buf *out)
{
	struct error e = {0};
	char *path = file_path(suffix);
	if (access(path, F_OK) == 0 && file_read(path, 64 << 20, out, &e) != ERR_NONE)
		die(70, "%s", e.msg);
	free(path);
}

static void file_put(const char *suffix, const struct buf *b)
{
	char *path = file_path(suffix);
	struct error e = {0};
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, b->data, b->len, &e) != ERR_NONE)
		die(73, "cannot write %s", path);
	close(fd);
	free(path);
}

/* killed: the log is left beside the database, else it was merged by an orderly end. */
static struct corpse *corpse_new(bool killed)
{
	struct corpse *c = xcalloc(1, sizeof *c);
	c->random = rig_seed;
	rig_open(&c->rig);
	script_init(&c->script, &c->rig, rig_seed, STEPS);
	if (!rig_keeper_start(&c->rig, &(struct keeper_how){.merge_each = 17}) ||
	    script_run(&c->script) != SCRIPT_DONE)
		die(70, "the script does not come to its end: %s", buf_cstr(&c->rig.said));
	if (!killed)
		rig_keeper_stop(&c->rig);
	rig_keeper_kill(&c->rig);
	folder_copy(rig_paths.live, rig_paths.state);
	file_take("", &c->db);
	file_take("-wal", &c->log);
	struct disk *d = disk_load(rig_paths.log);
	for (size_t i = 0; i < disk_ops(d); i++) {
		const struct mark *m = (const struct mark *)(const void *)io_rec_data(disk_op(d, i));
		if (disk_op(d, i)->op != IO_MARK || m->kind != MARK_COMMIT)
			continue;
		c->vectors = xrealloc(c->vectors, (c->vectors_count + 1) * sizeof *c->vectors);
		c->vectors[c->vectors_count++] = m->value;
	}
	disk_free(d);
	return c;
}

static void corpse_free(struct corpse *c)
{
	script_release(&c->script);
	rig_close(&c->rig);
	buf_release(&c->db);
	buf_release(&c->log);
	free(c->vectors);
	free(c);
}

static bool same_file(const char *suffix, const struct buf *was)
{
	struct buf now = BUF_INIT;
	file_take(suffix, &now);
	bool same = now.len == was->len && (was->len == 0 || memcmp(now.data, was->data, was->len) == 0);
	buf_release(&now);
	return same;
}

/* What is in front of a reader who asks for everything, with the words of look.c about it. */
static enum outcome outcome_of(struct corpse *c, const struct look *l)
{
	static const char *const found[] = {"the database says",       "the check of the database",
					    "cannot be folded",        "is not the fold",
					    "the list of tasks",       "damaged",
					    "cannot be written, read", "its bytes are not those"};
	if (l->refused)
		return REFUSED;
	if (!l->fault[0]) {
		for (size_t i = 0; i < c->vectors_count; i++)
			if (c->vectors[i] == l->vector)
				return RIGHT;
		return WRONG;
	}
	for (size_t i = 0; i < COUNT_OF(found); i++)
		if (strstr(l->fault, found[i]))
			return NOTICED;
	return strstr(l->fault, "says something else") || strstr(l->fault, "are not the same") ? TEXT_ONLY
											       : WRONG;
}

static void open_damaged(struct corpse *c, const struct buf *db, const struct buf *log, const char *what,
			 size_t at)
{
	struct acked none = {0};
	struct look l = {.keep_closed = true};
	memcpy(none.delete_asked, c->script.acked.delete_asked, sizeof none.delete_asked);
	folder_copy(rig_paths.live, rig_paths.state);
	file_put("", db);
	if (log->len)
		file_put("-wal", log);
	look_at(&l, rig_paths.state, &c->script, &none);
	enum outcome o = outcome_of(c, &l);
	c->counts[o]++;
	bool touched = o == REFUSED && (!same_file("", db) || (log->len && !same_file("-wal", log)));
	if ((o == WRONG || touched) && !c->fault[0])
		snprintf(c->fault, sizeof c->fault, "FAULT_SEED=%llu, %s at %zu: %s%s",
			 (unsigned long long)rig_seed, what, at, touched ? "refused, and changed: " : "",
			 l.fault[0] ? l.fault : "what is there is not what any commit left");
}

/* Cut short, a bit turned, a sector wiped: of one file, the other as it was. */
static void damage(struct corpse *c, bool in_log, size_t at, unsigned kind)
{
	static const char *const names[] = {"cut short", "a bit turned", "a sector wiped"};
	const struct buf *whole = in_log ? &c->log : &c->db;
	struct buf b = BUF_INIT;
	char what[64];
	buf_add(&b, whole->data, whole->len);
	if (kind == 0)
		b.len = at;
	else if (kind == 1)
		b.data[at] = (char)(b.data[at] ^ 1 << rig_random(&c->random) % 8);
	else
		memset(b.data + at / SECTOR * SECTOR, 0,
		       at / SECTOR * SECTOR + SECTOR <= b.len ? SECTOR : b.len - at / SECTOR * SECTOR);
	snprintf(what, sizeof what, "%s %s", in_log ? "the log" : "the database", names[kind]);
	open_damaged(c, in_log ? &c->db : &b, in_log ? &b : &c->log, what, at);
	buf_release(&b);
}

static void everywhere(bool killed, bool in_log)
{
	struct corpse *c = corpse_new(killed);
	for (int i = 0; in_log && c->log.len == 0 && i < SCRIPTS_MAX; i++) {
		corpse_free(c); /* the last commit was merged: there is no log */
		rig_seed++;
		c = corpse_new(killed);
	}
	size_t len = in_log ? c->log.len : c->db.len;
	size_t places = rig_long ? PLACES * 40 : PLACES;
	assert_true(len > 0);
	for (unsigned kind = 0; kind < 3; kind++)
		for (size_t i = 0; i < places / 3; i++) /* the header more often than the rest */
			damage(c, in_log, rig_random(&c->random) % (i % 8 ? len : 200), kind);
	printf("    %zu refused, %zu right, %zu noticed, %zu in a text only, %zu wrong\n", c->counts[REFUSED],
	       c->counts[RIGHT], c->counts[NOTICED], c->counts[TEXT_ONLY], c->counts[WRONG]);
	char *fault = xstrdup(c->fault);
	corpse_free(c);
	if (*fault)
		fail_msg("%s", fault);
	free(fault);
}

static void corrupt__a_damaged_database_is_refused_or_read_right(void **state)
{
	(void)state;
	everywhere(false, false);
}
static void corrupt__a_damaged_database_beside_its_log_too(void **state)
{
	(void)state;
	everywhere(true, false);
}
static void corrupt__a_damaged_log_ends_with_a_whole_commit(void **state)
{
	(void)state;
	everywhere(true, true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corrupt__a_damaged_database_is_refused_or_read_right),
		cmocka_unit_test(corrupt__a_damaged_database_beside_its_log_too),
		cmocka_unit_test(corrupt__a_damaged_log_ends_with_a_whole_commit),
	};
	(void)argc;
	rig_begin(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
