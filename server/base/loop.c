/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: libevent waits for descriptors and signals, timers and deferrals are ours.
 *
 * A turn is: wait (not at all when work is left over), run what descriptors and signals brought, run the
 * timers that are due, run what was deferred up to then, and last what is to be handed over together. Timers
 * are ours because they must follow clock_mono_us, which tests set; libevent only gets one time-out, for the
 * earliest of them, and none when nothing is armed: an idle process sleeps. The loop is not thread-safe and
 * is woken from outside through descriptors only.
 *
 * Every callback may free the io or timer it was called for, or any other, or defer more: nothing here
 * touches an object after its callback was called. A timer or deferral made by a callback of the same phase
 * waits for the next turn, so a turn always ends.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>

enum { LOOP_FREE_ROUNDS_MAX = 1000 };
#define TIMER_MS_MAX ((int64_t)1000 * 3600 * 24 * 365 * 100)

struct deferral {
	loop_fn *fn; /* NULL: cancelled */
	void *arg;
};

struct deferrals {
	struct deferral *at;
	size_t count, cap;
};

struct loop_signal {
	struct event event;
	loop_signal_fn *fn;
	void *arg;
	struct loop_signal *next;
};

struct loop_io {
	struct loop *loop;
	struct event read, write; /* two, so that switching one side costs one system call */
	int interest;
	loop_io_fn *fn;
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event wake; /* ends the wait; its time-out is the earliest timer's */
	struct timer_heap timers;
	uint64_t timer_seq;
	struct deferrals deferred, late;
	struct loop_signal *signals;
	size_t objects; /* ios and timers that exist */
	bool stopping;
};

static void wake_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg; /* its firing has ended the wait, which is all it is for */
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	struct event_config *config = event_config_new();

	/* The environment (EVENT_NOEPOLL and so on) does not choose how a service waits. */
	ensure(config &&
	       event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!l->base) {
		log_error("cannot make an event loop: look at the limit of open files");
		abort();
	}
	ensure(event_assign(&l->wake, l->base, -1, 0, wake_ready, NULL) == 0);
	return l;
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

/* --- deferrals --- */

static void deferral_add(struct deferrals *d, loop_fn *fn, void *arg)
{
	if (d->count == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 32;
		d->at = xrealloc(d->at, d->cap * sizeof(*d->at));
	}
	d->at[d->count++] = (struct deferral){fn, arg};
}

void loop_defer(struct loop *l, loop_fn *fn, void *arg)
{
	deferral_add(&l->deferred, fn, arg);
}

void loop_late(struct loop *l, loop_fn *fn, void *arg)
{
	deferral_add(&l->late, fn, arg);
}

static void deferrals_cancel(struct deferrals *d, const void *arg)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->at[i].arg == arg)
			d->at[i].fn = NULL;
	}
}

void loop_defer_cancel(struct loop *l, void *arg)
{
	deferrals_cancel(&l->deferred, arg);
	deferrals_cancel(&l->late, arg);
}

static void deferrals_run(struct deferrals *d)
{
	size_t due = d->count;

	/* The array may move while a function runs: go by index. */
	for (size_t i = 0; i < due; i++) {
		struct deferral one = d->at[i];
		d->at[i].fn = NULL;
		if (one.fn)
			one.fn(one.arg);
	}
	d->count -= due;
	if (d->count)
		memmove(d->at, d->at + due, d->count * sizeof(*d->at));
}

/* --- timers --- */

struct loop_timer *loop_timer_new(struct loop *l, loop_fn *fn, void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	t->slot = TIMER_DISARMED;
	l->objects++;
	return t;
}

bool loop_timer_armed(const struct loop_timer *t)
{
	return t->slot != TIMER_DISARMED;
}

void loop_timer_set(struct loop_timer *t, int64_t ms)
{
	if (loop_timer_armed(t))
		timer_heap_remove(&t->loop->timers, t);
	if (ms < 0)
		return;
	t->deadline_us = clock_mono_us() + (ms < TIMER_MS_MAX ? ms : TIMER_MS_MAX) * 1000;
	t->seq = t->loop->timer_seq++;
	timer_heap_add(&t->loop->timers, t);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	loop_timer_set(t, -1);
	ensure(t->loop->objects > 0);
	t->loop->objects--;
	free(t);
}

static void timers_run(struct loop *l)
{
	struct loop_timer *t = timer_heap_first(&l->timers);
	uint64_t seq_end = l->timer_seq; /* what is armed from here on waits for the next turn */

	if (!t)
		return;
	int64_t now_us = clock_mono_us();
	while ((t = timer_heap_first(&l->timers)) && t->deadline_us <= now_us && t->seq < seq_end) {
		timer_heap_remove(&l->timers, t);
		t->fn(t->arg);
	}
}

/* --- descriptors --- */

static void io_ready(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;

	io->fn(fd, what & EV_READ ? LOOP_READ : LOOP_WRITE, io->arg);
}

struct loop_io *loop_io_new(struct loop *l, int fd, int interest, loop_io_fn *fn, void *arg)
{
	struct loop_io *io = xcalloc(1, sizeof(*io));

	ensure(fd >= 0);
	io->loop = l;
	io->fn = fn;
	io->arg = arg;
	ensure(event_assign(&io->read, l->base, fd, EV_READ | EV_PERSIST, io_ready, io) == 0);
	ensure(event_assign(&io->write, l->base, fd, EV_WRITE | EV_PERSIST, io_ready, io) == 0);
	l->objects++;
	loop_io_set(io, interest);
	return io;
}

static void interest_switch(struct event *event, bool on)
{
	/* Fails only for a descriptor that epoll refuses (closed, or a plain file): a bug of the caller. */
	ensure((on ? event_add(event, NULL) : event_del(event)) == 0);
}

void loop_io_set(struct loop_io *io, int interest)
{
	int changed = interest ^ io->interest;

	if (changed & LOOP_READ)
		interest_switch(&io->read, interest & LOOP_READ);
	if (changed & LOOP_WRITE)
		interest_switch(&io->write, interest & LOOP_WRITE);
	io->interest = interest;
}

void loop_io_free(struct loop_io *io)
{
	if (!io)
		return;
	loop_io_set(io, 0);
	ensure(io->loop->objects > 0);
	io->loop->objects--;
	free(io);
}

/* --- signals --- */

static void signal_ready(evutil_socket_t signo, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)what;
	s->fn(signo, s->arg);
}

void loop_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof(*s));

	s->fn = fn;
	s->arg = arg;
	s->next = l->signals;
	l->signals = s;
	ensure(event_assign(&s->event, l->base, signo, EV_SIGNAL | EV_PERSIST, signal_ready, s) == 0);
	ensure(event_add(&s->event, NULL) == 0);
}

/* --- turning --- */

/* How long this turn may sleep, in microseconds; -1: until a descriptor is ready. */
static int64_t wait_us(const struct loop *l, int max_ms)
{
	const struct loop_timer *first = timer_heap_first(&l->timers);
	int64_t wait = max_ms < 0 ? -1 : (int64_t)max_ms * 1000;

	if (l->deferred.count || l->late.count || l->stopping)
		return 0;
	if (first) {
		int64_t left = first->deadline_us - clock_mono_us();
		left = left > 0 ? left : 0;
		wait = wait < 0 || left < wait ? left : wait;
	}
	return wait;
}

void loop_turn(struct loop *l, int max_ms)
{
	int64_t wait = wait_us(l, max_ms);
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

	if (wait == 0)
		flags |= EVLOOP_NONBLOCK;
	else if (wait > 0)
		event_add(&l->wake, &(struct timeval){wait / 1000000, wait % 1000000});
	ensure(event_base_loop(l->base, flags) >= 0);
	if (wait > 0)
		event_del(&l->wake);
	timers_run(l);
	deferrals_run(&l->deferred);
	deferrals_run(&l->late);
}

void loop_run(struct loop *l)
{
	while (!l->stopping)
		loop_turn(l, -1);
	l->stopping = false;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	/* What is still deferred is mostly the freeing of things. */
	for (int i = 0; l->deferred.count || l->late.count; i++) {
		ensure(i < LOOP_FREE_ROUNDS_MAX);
		deferrals_run(&l->deferred);
		deferrals_run(&l->late);
	}
	ensure(l->objects == 0);
	for (struct loop_signal *s = l->signals, *next; s; s = next) {
		next = s->next;
		event_del(&s->event);
		free(s);
	}
	timer_heap_release(&l->timers);
	free(l->deferred.at);
	free(l->late.at);
	event_base_free(l->base);
	free(l);
}
