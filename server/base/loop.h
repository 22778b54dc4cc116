/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of one process: libevent behind a small face. Callbacks record facts and queue work;
 * loop_defer runs work at the bottom of the current turn, which is also where things are freed that may not
 * be freed inside their own callback. One loop per process, made after the fork.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>
#include <stdbool.h>

struct loop;
struct loop_io;    /* interest in one descriptor */
struct loop_timer; /* one-shot timer, re-armed by hand */
struct event_base; /* libevent's, for files that use bufferevents or curl */

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void loop_fn(void *arg);
typedef void loop_io_fn(int fd, int ready, void *arg);
typedef void loop_signal_fn(int signo, void *arg);

struct loop *loop_new(void);    /* aborts when the system refuses */
void loop_free(struct loop *l); /* everything made from it must be gone */
/* Runs until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* One turn: waits at most `max_ms` (-1: for ever), runs what is due. For tests. */
void loop_turn(struct loop *l, int max_ms);
struct event_base *loop_base(struct loop *l);

/* Level-triggered. `interest` is a set of LOOP_READ|LOOP_WRITE and may be changed; 0 pauses. The descriptor
 * stays the caller's; free the interest before closing it. Freeing inside the callback is allowed. */
struct loop_io *loop_io_new(struct loop *l, int fd, int interest, loop_io_fn *fn, void *arg);
void loop_io_set(struct loop_io *io, int interest);
void loop_io_free(struct loop_io *io); /* NULL is fine */

struct loop_timer *loop_timer_new(struct loop *l, loop_fn *fn, void *arg);
void loop_timer_set(struct loop_timer *t, int64_t ms); /* (re)arms; < 0 disarms */
bool loop_timer_armed(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL is fine */

/* fn(arg) once, at the bottom of this turn (or of the next, when called from a deferred function), in call
 * order. */
void loop_defer(struct loop *l, loop_fn *fn, void *arg);
/* fn(arg) once, as the last of this turn, behind what was deferred: for handing over together what a turn had
 * to say. */
void loop_late(struct loop *l, loop_fn *fn, void *arg);
/* Removes every pending deferral with this arg, late ones too (called before arg is freed). */
void loop_defer_cancel(struct loop *l, void *arg);

/* Freed with the loop. */
void loop_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg);

#endif
