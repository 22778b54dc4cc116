/* SPDX-License-Identifier: Apache-2.0 */
/* The table of states by itself. */
#include "tests/unit/store/table.h"

static void task_state_parse__reads_what_text_writes(void **state)
{
	(void)state;
	for (enum task_state s = 0; s < TASK_STATE_COUNT; s++) {
		enum task_state back;
		assert_true(task_state_parse(task_state_text(s), &back));
		assert_int_equal(back, s);
		assert_false(task_state_terminal(s) && task_state_works(s));
	}
	enum task_state s;
	assert_false(task_state_parse("Queued", &s));
	assert_false(task_state_parse("", &s));
}

static void task_state_may_follow__nothing_leaves_terminal_and_every_state_can_end(void **state)
{
	bool ends[TASK_STATE_COUNT];
	(void)state;
	for (enum task_state s = 0; s < TASK_STATE_COUNT; s++)
		ends[s] = task_state_terminal(s);
	for (int round = 0; round < TASK_STATE_COUNT; round++)
		for (enum task_state s = 0; s < TASK_STATE_COUNT; s++)
			for (enum task_state to = 0; to < TASK_STATE_COUNT; to++) {
				assert_false(task_state_terminal(s) && task_state_may_follow(s, to));
				ends[s] = ends[s] || (task_state_may_follow(s, to) && ends[to]);
			}
	for (enum task_state s = 0; s < TASK_STATE_COUNT; s++)
		assert_true(ends[s]);
	/* an out-of-range value is no state */
	assert_false(task_state_terminal(TASK_STATE_COUNT));
	assert_false(task_state_works(TASK_STATE_COUNT));
}

RUN_TESTS(cmocka_unit_test(task_state_parse__reads_what_text_writes),
	  cmocka_unit_test(task_state_may_follow__nothing_leaves_terminal_and_every_state_can_end))
