/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a task and what may follow, from task_state.def. Pure. */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

static const struct {
	const char *text;
	bool terminal, works;
} states[] = {
#define STATE(name, text, terminal, works) {text, terminal, works},
#define NEXT(from, to)
#include "store/task_state.def"
#undef STATE
#undef NEXT
};

const char *task_state_text(enum task_state s)
{
	ensure(s < TASK_STATE_COUNT);
	return states[s].text;
}

bool task_state_parse(const char *text, enum task_state *out)
{
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		if (strcmp(states[i].text, text) == 0) {
			*out = (enum task_state)i;
			return true;
		}
	}
	return false;
}

bool task_state_terminal(enum task_state s)
{
	return s < TASK_STATE_COUNT && states[s].terminal;
}

bool task_state_works(enum task_state s)
{
	return s < TASK_STATE_COUNT && states[s].works;
}

bool task_state_may_follow(enum task_state from, enum task_state to)
{
	static const struct {
		enum task_state from, to;
	} rows[] = {
#define STATE(name, text, terminal, works)
#define NEXT(from, to) {TASK_##from, TASK_##to},
#include "store/task_state.def"
#undef STATE
#undef NEXT
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].from == from && rows[i].to == to)
			return true;
	return false;
}
