/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Participants hosted in threads of one process, so that ThreadSanitizer sees their races (it is blind
 * between processes): make tsan runs this. Each thread works through its own handle, as a process would.
 */
#include "base/base.h"
#include "store/store.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 1500 };

static struct store *created;
static _Atomic unsigned live_seen;

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

static void round_run(struct store *s, uint32_t r)
{
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
	(void)!task_create(s, &id, slice_str(json), &ref, &e);
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

static void threads__share_the_table_without_races(void **state)
{
	struct store_options o = {.bytes = 4 << 20,
				  .tasks_max = 64,
				  .procs_max = THREADS + 1,
				  .task_events_max = 1000,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 4096};
	struct error e = {0};
	pthread_t threads[THREADS];
	(void)state;
	assert_int_equal(store_create(&o, &created, &e), ERR_NONE);
	for (uint32_t i = 0; i <= THREADS; i++)
		store_proc_started(created, i, 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, participant, (void *)i), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	struct store *s = store_attach(created, THREADS);
	if (store_check(s, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	assert_true(store_counter(s, COUNTER_EVENTS) > ROUNDS);
	store_detach(s);
	store_destroy(created);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads__share_the_table_without_races),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
