/* SPDX-License-Identifier: Apache-2.0 */
/* loop_heap.c, through the timers of a loop: order under random arming and disarming. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int64_t fired_at[400];
static size_t fired;

static void note_time(void *arg)
{
	fired_at[fired++] = *(int64_t *)arg;
}

/* Random arming, re-arming and disarming against the plain rule: what is due fires, in the order of
 * deadlines. */
static void timer_heap__fires_in_order_whatever_is_removed(void **state)
{
	struct loop_timer *timers[200];
	int64_t due[200];
	uint64_t seed = 42;
	size_t armed = 0;

	(void)state;
	clock_fake_set(1000000, 0);
	struct loop *loop = loop_new();
	for (size_t i = 0; i < COUNT_OF(timers); i++)
		timers[i] = loop_timer_new(loop, note_time, &due[i]);
	for (size_t i = 0; i < 2000; i++) {
		seed = hash64(&seed, sizeof(seed));
		size_t k = seed % COUNT_OF(timers);
		due[k] = (int64_t)(seed >> 32) % 1000 - 100;
		loop_timer_set(timers[k], due[k] < 0 ? -1 : due[k]);
	}
	for (size_t i = 0; i < COUNT_OF(timers); i++)
		armed += loop_timer_armed(timers[i]);
	clock_fake_set(1400000, 0);
	loop_turn(loop, 0);
	for (size_t i = 0; i < fired; i++)
		assert_true(fired_at[i] <= 400);
	for (size_t i = 0; i < COUNT_OF(timers); i++)
		assert_false(loop_timer_armed(timers[i]) && due[i] <= 400);
	clock_fake_set(2000000, 0);
	loop_turn(loop, 0);
	assert_int_equal(fired, armed);
	for (size_t i = 1; i < fired; i++)
		assert_true(fired_at[i - 1] <= fired_at[i]);
	for (size_t i = 0; i < COUNT_OF(timers); i++)
		loop_timer_free(timers[i]);
	loop_free(loop);
	clock_fake_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timer_heap__fires_in_order_whatever_is_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
