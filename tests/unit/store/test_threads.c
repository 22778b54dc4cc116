/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Participants hosted in threads of one process, so that ThreadSanitizer sees their races (it is blind
 * between processes): make tsan runs this. Each thread works through its own handle, as a process would.
 */
#include "tests/unit/store/fake_backend.h"
#include "store/keeper.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 1500, KEYS = 8 };

static struct store *created;
static _Atomic unsigned live_seen;
static _Atomic bool ended;

static void woken(struct task_ref ref, void *arg)
{
	(void)ref;
	(void)arg;
}

static void live_came(const struct live_view *v, void *arg)
{
	(void)arg;
	ensure(v->sse.len > 20);
	atomic_fetch_add(&live_seen, 1);
}

static void key_use(struct store *s, uint32_t n)
{
	struct request_key k = {.body = {1}};
	struct request_place p = {.at_ms = n};
	enum request_status status;
	struct error e;
	memcpy(k.key, &n, sizeof n);
	if (request_key_claim(s, &k, &status, &p, &e) != ERR_NONE)
		return;
	if (status == REQUEST_NEW)
		request_key_begin(s, &k, &p);
	if (status == REQUEST_NEW && n % 2)
		request_key_drop(s, &k);
	else if (status == REQUEST_NEW)
		request_key_settle(s, &k, &p, false);
	else if (status == REQUEST_BEGUN && request_key_reclaim(s, &k, &p))
		request_key_drop(s, &k);
}

static void round_run(struct store *s, uint32_t r)
{
	char why[ERROR_MSG_MAX];
	char text[ID_TEXT_SIZE], json[256];
	struct id id;
	struct task_ref ref, list[8];
	struct error e;
	struct lease l;
	struct buf b = BUF_INIT;
	struct event_cursor c;
	id_new(&id);
	id_format(&id, text);
	snprintf(json, sizeof json,
		 "{\"task_id\":\"%s\",\"prompt\":\"p\",\"approval\":\"auto\",\"metadata\":{}}", text);
	/* refused, it waits until the keeper has made more durable */
	struct pollfd p = {store_wake_fd(s), POLLIN, 0};
	if (task_create(s, &id, slice_str(json), &ref, &e) != ERR_NONE && store_has_keeper(s))
		poll(&p, 1, 1);
	if (lease_next(s, &l)) {
		struct task_event ev = {EVENT_TOOL_STARTED, SLICE_LIT("{\"call\":\"c1\"}")};
		struct task_change change = {
			.events = &ev, .events_count = 1, .to = TASK_PLANNING, .lease = &l};
		(void)!task_move(s, l.ref, &change, NULL, &e);
		live_publish(s, &l, EVENT_MODEL_DELTA, SLICE_LIT("{\"text\":\"some text\"}"));
		change = (struct task_change){.to = r % 3 ? TASK_FAILED : TASK_SAME, .lease = &l};
		if (task_move(s, l.ref, &change, NULL, &e) != ERR_NONE || r % 3 == 0)
			lease_release(s, &l);
	}
	size_t n = task_list(s, &(struct task_query){.limit = 8}, list);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&b);
		if (task_watch(s, list[i]) == ERR_NONE) {
			event_cursor_init(&c, 0);
			(void)!task_events_copy(s, list[i], &c, 4096, &b, NULL);
			(void)!task_doc_copy(s, list[i], &b, NULL);
			if (r % 5 == 0) {
				struct task_change cancel = {.to = TASK_CANCELLED};
				(void)!task_move(s, list[i], &cancel, NULL, &e);
			}
		}
	}
	key_use(s, r % KEYS);
	store_health(s, why);
	wake_take(s, woken, NULL);
	live_drain(s, live_came, NULL);
	for (size_t i = 0; i < n; i++)
		task_unwatch(s, list[i]);
	buf_release(&b);
}

static void *participant(void *arg)
{
	struct store *s = store_attach(created, (uint32_t)(uintptr_t)arg);
	for (uint32_t r = 0; r < ROUNDS; r++)
		round_run(s, r);
	store_detach(s);
	return NULL;
}

static void keeper_broken(void *arg)
{
	(void)arg;
	ensure_failed("a keeper whose database works", __FILE__, __LINE__);
}

/* Commits until the others have ended; the disk is full at times. */
static void *keeper(void *disk)
{
	struct keeper_options o = {.batch_tasks_max = 16,
				   .batch_bytes_max = 1 << 16,
				   .request_ms = 1000,
				   .on_broken = keeper_broken};
	struct store *s = store_attach(created, THREADS + 1);
	struct loop *l = loop_new();
	struct fake_db db;
	struct error e;
	fake_open(&db, disk);
	struct keeper *k = keeper_new(l, s, &db.db, &o);
	ensure(keeper_restore(k, &e) == ERR_NONE);
	for (int n = 0; !atomic_load(&ended); n++) {
		struct pollfd p = {store_wake_fd(s), POLLIN, 0};
		db.fail_code = ERR_NO_SPACE;
		db.fail_at = n % 10 == 0 ? 3 : 0;
		if (poll(&p, 1, 1) == 1)
			keeper_on_wake(k);
		loop_turn(l, 0);
		if (store_health(s, NULL) == STORE_NO_SPACE)
			(void)!keeper_flush(k, &e);
	}
	db.fail_at = 0;
	keeper_free(k);
	loop_turn(l, 0);
	loop_free(l);
	store_detach(s);
	return NULL;
}

static void share_the_table(bool with_keeper)
{
	struct store_options o = {.bytes = 4 << 20,
				  .tasks_max = 64,
				  .procs_max = THREADS + 2,
				  .task_events_max = 1000,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 4096,
				  .keeper = with_keeper};
	struct error e = {0};
	pthread_t threads[THREADS + 1];
	struct fake_disk *disk = fake_disk_new(256 << 20);
	atomic_store(&ended, false);
	assert_int_equal(store_create(&o, &created, &e), ERR_NONE);
	for (uint32_t i = 0; i < o.procs_max; i++)
		store_proc_started(created, i, 1);
	if (with_keeper)
		assert_int_equal(pthread_create(&threads[THREADS], NULL, keeper, disk), 0);
	while (store_accepts(created, &e) != ERR_NONE)
		sched_yield();
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, participant, (void *)i), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	atomic_store(&ended, true);
	if (with_keeper)
		assert_int_equal(pthread_join(threads[THREADS], NULL), 0);
	struct store *s = store_attach(created, THREADS);
	if (store_check(s, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	/* where nobody may outrun the disk for long, less is made */
	assert_true(store_counter(s, COUNTER_EVENTS) > ROUNDS / (with_keeper ? 10 : 1));
	if (with_keeper)
		assert_true(store_counter(s, COUNTER_COMMITS) > 10);
	print_message("%llu events\n", (unsigned long long)store_counter(s, COUNTER_EVENTS));
	store_detach(s);
	store_destroy(created);
	fake_disk_free(disk);
}

static void threads__share_the_table_without_races(void **state)
{
	(void)state;
	share_the_table(false);
}

static void threads__and_a_keeper_share_it_likewise(void **state)
{
	(void)state;
	share_the_table(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads__share_the_table_without_races),
		cmocka_unit_test(threads__and_a_keeper_share_it_likewise),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
