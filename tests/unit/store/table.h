/* SPDX-License-Identifier: Apache-2.0 */
/* A small table with two participants, as the store's tests use it. */
#ifndef TESTS_STORE_TABLE_H
#define TESTS_STORE_TABLE_H

#include "base/base.h"
#include "store/store_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table {
	struct store *created, *a, *b;
};

static inline struct table table_open_with(const struct store_options *o)
{
	struct table t;
	struct error e = {0};
	if (store_create(o, &t.created, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_proc_started(t.created, 0, 1);
	store_proc_started(t.created, 1, 2);
	t.a = store_attach(t.created, 0);
	t.b = store_attach(t.created, 1);
	return t;
}

static inline struct store_options table_options(size_t mib, uint32_t tasks_max)
{
	return (struct store_options){.bytes = mib << 20,
				      .tasks_max = tasks_max,
				      .procs_max = 4,
				      .task_events_max = 100000,
				      .task_bytes_max = 64 << 20,
				      .live_ring_bytes = 4096};
}

static inline struct table table_open(size_t mib, uint32_t tasks_max)
{
	struct store_options o = table_options(mib, tasks_max);
	return table_open_with(&o);
}

static inline void table_check(const struct table *t)
{
	struct error e = {0};
	if (store_check(t->a, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

static inline void table_close(struct table *t)
{
	table_check(t);
	store_detach(t->a);
	store_detach(t->b);
	store_destroy(t->created);
}

/* A task whose prompt has so many bytes. */
static inline enum err create_sized(struct store *s, size_t prompt_bytes, struct task_ref *ref, struct id *id,
				    struct error *e)
{
	char text[ID_TEXT_SIZE];
	struct buf json = BUF_INIT;
	struct jw w = JW(&json);
	id_new(id);
	id_format(id, text);
	char *prompt = xcalloc(1, prompt_bytes + 1);
	memset(prompt, 'p', prompt_bytes);
	jw_object(&w);
	jw_kv_text(&w, "task_id", text);
	jw_kv_text(&w, "prompt", prompt);
	jw_kv_text(&w, "approval", "auto");
	jw_object_end(&w);
	enum err code = task_create(s, id, buf_slice(&json), ref, e);
	free(prompt);
	buf_release(&json);
	return code;
}

static inline struct task_ref create(struct store *s)
{
	struct task_ref ref = {0};
	struct id id;
	struct error e = {0};
	if (create_sized(s, 10, &ref, &id, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	return ref;
}

static inline enum err move_as(struct store *s, struct task_ref ref, const struct lease *l,
			       enum event_type type, const char *data, enum task_state to, struct error *e)
{
	struct task_event ev = {type, slice_str(data)};
	struct task_change c = {.events = &ev, .events_count = data != NULL, .to = to, .lease = l};
	return task_move(s, ref, &c, NULL, e);
}

static inline void move(struct store *s, struct task_ref ref, enum event_type type, const char *data,
			enum task_state to)
{
	struct error e = {0};
	if (move_as(s, ref, NULL, type, data, to, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

/* A result of so many bytes, on the way to `to`. */
static inline enum err move_sized(struct store *s, struct task_ref ref, size_t bytes, enum task_state to,
				  struct error *e)
{
	struct buf data = BUF_INIT;
	buf_add_str(&data, "{\"result\":\"");
	char *pad = buf_grow(&data, bytes);
	memset(pad, 'r', bytes);
	data.len += bytes;
	buf_add_str(&data, "\"}");
	enum err code = move_as(s, ref, NULL, EVENT_TASK_RESULT, buf_cstr(&data), to, e);
	buf_release(&data);
	return code;
}

static inline char *doc_text(struct store *s, struct task_ref ref)
{
	struct buf b = BUF_INIT;
	assert_int_equal(task_doc_copy(s, ref, &b, NULL), ERR_NONE);
	return buf_take(&b);
}

static inline struct task_head head_of(struct store *s, struct task_ref ref)
{
	struct task_head h;
	assert_int_equal(task_head_get(s, ref, &h), ERR_NONE);
	return h;
}

static inline bool readable(struct store *s)
{
	struct pollfd p = {store_wake_fd(s), POLLIN, 0};
	return poll(&p, 1, 0) == 1;
}

struct told {
	size_t count;
	struct task_ref refs[16];
};

static inline void told_add(struct task_ref ref, void *arg)
{
	struct told *t = arg;
	assert_true(t->count < COUNT_OF(t->refs));
	t->refs[t->count++] = ref;
}

static inline bool told_has(const struct told *t, struct task_ref ref)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->refs[i].slot == ref.slot && t->refs[i].gen == ref.gen)
			return true;
	return false;
}

/* What is new, after the descriptor said so. */
static inline struct told wake(struct store *s, unsigned *flags)
{
	struct told t = {0};
	unsigned got = wake_take(s, told_add, &t);
	if (flags != NULL)
		*flags = got;
	return t;
}

#define RUN_TESTS(...)                                            \
	int main(void)                                            \
	{                                                         \
		const struct CMUnitTest tests[] = {__VA_ARGS__};  \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}

#endif
