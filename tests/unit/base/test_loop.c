/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c: order of a turn, freeing inside callbacks, injected time, waking. */
#include "base/base.h"

#include <signal.h>
#include <unistd.h>

#include <event2/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A callback argument: letters that note() adds. Lives as long as the function it stands in. */
#define LETTER(s) ((char[]){s})

/* What happened, as a string of letters. */
static char seen[256];
static struct loop *loop;

static int loop_setup(void **state)
{
	(void)state;
	seen[0] = '\0';
	clock_fake_set(1000000, 0);
	loop = loop_new();
	return 0;
}

static int loop_teardown(void **state)
{
	(void)state;
	loop_free(loop);
	clock_fake_clear();
	return 0;
}

static void note(void *arg)
{
	strcat(seen, arg);
}

static void advance_ms(int64_t ms)
{
	clock_fake_set(clock_mono_us() + ms * 1000, 0);
}

/* --- deferrals --- */

static void defer_again(void *arg)
{
	note(LETTER("x"));
	loop_defer(loop, note, arg);
}

static void loop_defer__keeps_order_and_next_turn(void **state)
{
	(void)state;
	loop_defer(loop, note, LETTER("a"));
	loop_defer(loop, defer_again, LETTER("c"));
	loop_defer(loop, note, LETTER("b"));
	assert_string_equal(seen, "");
	loop_turn(loop, -1); /* would hang if a deferral made while idle did not wake the loop */
	assert_string_equal(seen, "axb");
	loop_turn(loop, -1);
	assert_string_equal(seen, "axbc");
}

static void say_late(void *arg)
{
	note(LETTER("y"));
	loop_late(loop, note, arg);
}

static void loop_late__comes_behind_what_was_deferred(void **state)
{
	(void)state;
	loop_late(loop, note, LETTER("l"));
	loop_defer(loop, note, LETTER("a"));
	loop_defer(loop, say_late, LETTER("m"));
	loop_turn(loop, -1); /* would hang if it did not wake the loop */
	assert_string_equal(seen, "aylm");
	loop_late(loop, say_late, LETTER("n"));
	loop_turn(loop, -1);
	assert_string_equal(seen, "aylmy");
	loop_turn(loop, -1);
	assert_string_equal(seen, "aylmyn");
}

static char victim[] = "v";

static void cancel_victim(void *arg)
{
	note(arg);
	loop_defer_cancel(loop, victim);
}

static void loop_defer_cancel__works_within_the_batch(void **state)
{
	(void)state;
	loop_defer(loop, note, victim);
	loop_late(loop, note, victim);
	loop_defer_cancel(loop, victim);
	loop_defer(loop, cancel_victim, LETTER("a"));
	loop_defer(loop, note, victim);
	loop_defer(loop, note, LETTER("b"));
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	assert_string_equal(seen, "ab");
}

static void many_more(void *arg)
{
	static char letter[] = "m"; /* outlives this call */

	(void)arg;
	for (int i = 0; i < 100; i++) /* moves the queue while it is being run */
		loop_defer(loop, note, letter);
}

static void loop_defer__survives_growth_while_running(void **state)
{
	(void)state;
	loop_defer(loop, many_more, NULL);
	loop_defer(loop, note, LETTER("z"));
	loop_turn(loop, 0);
	assert_string_equal(seen, "z");
	loop_turn(loop, 0);
	assert_int_equal(strlen(seen), 101);
}

static void loop_free__runs_what_is_deferred(void **state)
{
	struct loop *l = loop_new();

	(void)state;
	loop_defer(l, note, LETTER("f"));
	loop_free(l);
	assert_string_equal(seen, "f");
}

/* --- timers --- */

static void loop_timer__follows_the_injected_clock(void **state)
{
	struct loop_timer *a = loop_timer_new(loop, note, LETTER("a")),
			  *b = loop_timer_new(loop, note, LETTER("b")),
			  *c = loop_timer_new(loop, note, LETTER("c"));

	(void)state;
	loop_timer_set(b, 200);
	loop_timer_set(a, 100);
	loop_timer_set(c, 100);
	loop_turn(loop, 0);
	assert_string_equal(seen, "");
	advance_ms(99);
	loop_turn(loop, 0);
	assert_string_equal(seen, "");
	advance_ms(1);
	loop_turn(loop, -1);
	assert_string_equal(seen, "ac");
	assert_false(loop_timer_armed(a));
	assert_true(loop_timer_armed(b));
	loop_timer_set(b, -1);
	advance_ms(1000);
	loop_turn(loop, 0);
	assert_string_equal(seen, "ac");
	loop_timer_free(a);
	loop_timer_free(b);
	loop_timer_free(c);
	loop_timer_free(NULL);
}

static struct loop_timer *own, *other;

static void free_both(void *arg)
{
	note(arg);
	loop_timer_free(own);
	loop_timer_free(other);
}

static void loop_timer_free__is_allowed_inside_the_callback(void **state)
{
	(void)state;
	own = loop_timer_new(loop, free_both, LETTER("o"));
	other = loop_timer_new(loop, note, LETTER("n"));
	loop_timer_set(own, 0);
	loop_timer_set(other, 0);
	loop_turn(loop, -1);
	loop_turn(loop, 0);
	assert_string_equal(seen, "o");
}

static void rearm(void *arg)
{
	note(arg);
	loop_timer_set(own, 0);
}

static void loop_timer__rearmed_at_zero_does_not_hold_the_turn(void **state)
{
	(void)state;
	own = loop_timer_new(loop, rearm, LETTER("r"));
	loop_timer_set(own, 0);
	loop_turn(loop, -1);
	assert_string_equal(seen, "r");
	loop_turn(loop, -1);
	assert_string_equal(seen, "rr");
	loop_timer_free(own);
}

static void stop(void *arg)
{
	note(arg);
	loop_stop(loop);
}

static void loop_run__sleeps_until_a_real_timer(void **state)
{
	(void)state;
	clock_fake_clear();
	struct loop_timer *t = loop_timer_new(loop, stop, LETTER("t"));
	int64_t begin_us = clock_mono_us();
	loop_timer_set(t, 20);
	loop_run(loop);
	assert_true(clock_mono_us() - begin_us >= 20000);
	assert_string_equal(seen, "t");
	loop_timer_free(t);
}

static void loop_stop__before_run_is_kept(void **state)
{
	(void)state;
	loop_stop(loop);
	loop_run(loop);
}

static void loop_turn__gives_up_after_max_ms(void **state)
{
	(void)state;
	loop_turn(loop, 5); /* nothing is registered: must neither hang nor fail */
	assert_string_equal(seen, "");
}

/* --- descriptors --- */

static int fds[2];
static struct loop_io *io;

static void io_note(int fd, int ready, void *arg)
{
	char c;

	(void)arg;
	if (ready & LOOP_READ) {
		assert_int_equal(read(fd, &c, 1), 1);
		strncat(seen, &c, 1);
	}
	if (ready & LOOP_WRITE)
		note(LETTER("w"));
}

static void loop_io__is_level_triggered_and_pausable(void **state)
{
	(void)state;
	assert_int_equal(fd_socketpair(fds, NULL), ERR_NONE);
	io = loop_io_new(loop, fds[0], LOOP_READ, io_note, NULL);
	assert_int_equal(write(fds[1], "123", 3), 3);
	loop_turn(loop, -1);
	loop_turn(loop, -1);
	assert_string_equal(seen, "12");
	loop_io_set(io, 0);
	loop_turn(loop, 0);
	assert_string_equal(seen, "12");
	loop_io_set(io, LOOP_READ);
	loop_turn(loop, -1);
	assert_string_equal(seen, "123");
	loop_io_set(io, LOOP_WRITE);
	loop_turn(loop, -1);
	assert_string_equal(seen, "123w");
	loop_io_free(io);
	loop_io_free(NULL);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static void free_own_io(int fd, int ready, void *arg)
{
	(void)fd;
	(void)ready;
	note(arg);
	loop_io_free(io);
	fd_close(&fds[0]);
}

static void loop_io_free__is_allowed_inside_the_callback(void **state)
{
	(void)state;
	assert_int_equal(fd_socketpair(fds, NULL), ERR_NONE);
	assert_int_equal(write(fds[1], "x", 1), 1);
	/* Both sides are ready: the second must not be told after the first has freed. */
	io = loop_io_new(loop, fds[0], LOOP_READ | LOOP_WRITE, free_own_io, LETTER("f"));
	loop_turn(loop, -1);
	loop_turn(loop, 0);
	assert_string_equal(seen, "f");
	fd_close(&fds[1]);
}

static void defer_from_io(int fd, int ready, void *arg)
{
	io_note(fd, ready, arg);
	loop_defer(loop, note, LETTER("d"));
}

static void loop_turn__runs_io_then_timers_then_deferrals(void **state)
{
	struct loop_timer *t = loop_timer_new(loop, note, LETTER("t"));

	(void)state;
	assert_int_equal(fd_socketpair(fds, NULL), ERR_NONE);
	io = loop_io_new(loop, fds[0], LOOP_READ, defer_from_io, NULL);
	loop_timer_set(t, 0);
	assert_int_equal(write(fds[1], "i", 1), 1);
	loop_turn(loop, -1);
	assert_string_equal(seen, "itd");
	loop_io_free(io);
	loop_timer_free(t);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static void on_signal(int signo, void *arg)
{
	assert_int_equal(signo, SIGUSR1);
	note(arg);
	loop_defer(loop, note, LETTER("d"));
}

static void loop_signal__wakes_the_loop(void **state)
{
	(void)state;
	loop_signal(loop, SIGUSR1, on_signal, LETTER("s"));
	raise(SIGUSR1);
	loop_turn(loop, -1);
	assert_string_equal(seen, "sd");
}

static void once_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_defer(loop, note, arg);
}

static void loop_base__serves_events_of_others(void **state)
{
	struct timeval now = {0, 0};

	(void)state;
	assert_int_equal(event_base_once(loop_base(loop), -1, EV_TIMEOUT, once_ready, LETTER("e"), &now), 0);
	loop_turn(loop, -1);
	assert_string_equal(seen, "e");
}

#define loop_test(f) cmocka_unit_test_setup_teardown(f, loop_setup, loop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(loop_defer__keeps_order_and_next_turn),
		loop_test(loop_late__comes_behind_what_was_deferred),
		loop_test(loop_defer_cancel__works_within_the_batch),
		loop_test(loop_defer__survives_growth_while_running),
		loop_test(loop_free__runs_what_is_deferred),
		loop_test(loop_timer__follows_the_injected_clock),
		loop_test(loop_timer_free__is_allowed_inside_the_callback),
		loop_test(loop_timer__rearmed_at_zero_does_not_hold_the_turn),
		loop_test(loop_run__sleeps_until_a_real_timer),
		loop_test(loop_stop__before_run_is_kept),
		loop_test(loop_turn__gives_up_after_max_ms),
		loop_test(loop_io__is_level_triggered_and_pausable),
		loop_test(loop_io_free__is_allowed_inside_the_callback),
		loop_test(loop_turn__runs_io_then_timers_then_deferrals),
		loop_test(loop_signal__wakes_the_loop),
		loop_test(loop_base__serves_events_of_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
