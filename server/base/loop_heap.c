/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The armed timers of a loop as a binary heap, earliest first; timers armed for the same instant keep the
 * order of arming. Each timer knows its slot, so that it can be taken out from anywhere. The heap owns the
 * array, not the timers.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <stdlib.h>

static bool is_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->deadline_us != b->deadline_us ? a->deadline_us < b->deadline_us : a->seq < b->seq;
}

static void place(struct timer_heap *h, size_t i, struct loop_timer *t)
{
	h->at[i] = t;
	t->slot = i;
}

static void sift_up(struct timer_heap *h, size_t i)
{
	struct loop_timer *t = h->at[i];

	while (i > 0 && is_before(t, h->at[(i - 1) / 2])) {
		place(h, i, h->at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, t);
}

static void sift_down(struct timer_heap *h, size_t i)
{
	struct loop_timer *t = h->at[i];

	for (size_t child; (child = 2 * i + 1) < h->count; i = child) {
		if (child + 1 < h->count && is_before(h->at[child + 1], h->at[child]))
			child++;
		if (!is_before(h->at[child], t))
			break;
		place(h, i, h->at[child]);
	}
	place(h, i, t);
}

void timer_heap_add(struct timer_heap *h, struct loop_timer *t)
{
	ensure(t->slot == TIMER_DISARMED);
	if (h->count == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->at = xrealloc(h->at, h->cap * sizeof(struct loop_timer *));
	}
	h->at[h->count] = t;
	sift_up(h, h->count++);
}

void timer_heap_remove(struct timer_heap *h, struct loop_timer *t)
{
	size_t i = t->slot;

	ensure(i < h->count && h->at[i] == t);
	t->slot = TIMER_DISARMED;
	struct loop_timer *moved = h->at[--h->count];
	if (moved == t)
		return;
	place(h, i, moved);
	sift_down(h, i);
	sift_up(h, moved->slot);
}

struct loop_timer *timer_heap_first(const struct timer_heap *h)
{
	return h->count ? h->at[0] : NULL;
}

void timer_heap_release(struct timer_heap *h)
{
	ensure(h->count == 0);
	free(h->at);
	*h = (struct timer_heap){0};
}
