/* SPDX-License-Identifier: Apache-2.0 */
/* Anything that a server with tasks may say, and that we may do, in any order: each call ends once, and
 * nothing of it is left. A round is its seed. */
#include "tests/unit/mcp/task_world.h"

static uint64_t seed;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* What a server might say, as members of a result or of params: # is a task, @ a number. */
static const char *const results[] = {
	"\"resultType\":\"task\",\"taskId\":\"t-#\",\"status\":\"working\",\"pollIntervalMs\":100",
	"\"resultType\":\"task\",\"taskId\":\"t-#\",\"status\":\"input_required\"",
	"\"taskId\":\"t-#\",\"status\":\"working\",\"statusMessage\":\"@\"",
	"\"taskId\":\"t-#\",\"status\":\"working\",\"statusMessage\":\"@\"",
	"\"taskId\":\"t-#\",\"status\":\"input_required\",\"inputRequests\":{\"k@\":{\"method\":\"roots/"
	"list\"}}",
	"\"taskId\":\"t-#\",\"status\":\"input_required\",\"inputRequests\":{\"a\":{\"method\":\"roots/"
	"list\"},"
	"\"k@\":{\"method\":\"elicitation/create\"}}",
	"\"taskId\":\"t-#\",\"status\":\"completed\",\"result\":{\"n\":@}",
	"\"taskId\":\"t-#\",\"status\":\"failed\",\"error\":{\"code\":-@}",
	"\"taskId\":\"t-#\",\"status\":\"cancelled\"",
	"\"resultType\":\"input_required\",\"requestState\":\"t-#\"",
	"\"resultType\":\"complete\",\"content\":[@]",
};

static uint64_t some_request(const struct world *w)
{
	size_t n = 0, at;
	for (const struct request *r = w->session->requests; r; r = r->next)
		n += r->wire_id != 0;
	at = n ? below((unsigned)n) : 0;
	for (const struct request *r = w->session->requests; r; r = r->next) {
		if (r->wire_id && at-- == 0)
			return r->wire_id;
	}
	return 3;
}

static void filled_add(struct buf *out, const char *text, unsigned id, const char *members)
{
	for (; *text; text++) {
		if (*text == '#')
			buf_printf(out, "%u", below(2));
		else if (*text == '@')
			buf_printf(out, "%u", below(5));
		else if (*text == '^')
			buf_printf(out, "%u", id);
		else if (*text == '~')
			filled_add(out, members, id, "");
		else
			buf_add_char(out, *text);
	}
}

/* In frames ^ is a request under way, ~ such members. */
static void something_said(struct world *w)
{
	static const char *const frames[] = {
		"{\"id\":^,\"result\":{~}}",
		"{\"id\":^,\"result\":{~}}",
		"{\"method\":\"notifications/tasks\",\"params\":{\"_meta\":{\"" SUBSCRIPTION_ID "\":^},~}}",
		"{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":^,~}}",
		"{\"id\":^,\"error\":{\"code\":-32602,\"message\":\"no\",~}}",
		"{\"method\":\"notifications/subscriptions/"
		"acknowledged\",\"params\":{\"_meta\":{\"" SUBSCRIPTION_ID
		"\":^},\"notifications\":{\"taskIds\":[\"t-0\",\"t-1\",\"t-2\"]},~}}",
	};
	struct buf line = BUF_INIT;
	filled_add(&line, frames[below(COUNT_OF(frames))], (unsigned)some_request(w),
		   results[below(COUNT_OF(results))]);
	say(w, buf_cstr(&line));
	buf_release(&line);
}

static void something_done(struct world *w, uint64_t *calls, int *made, int *cancelled)
{
	struct link_failure f = {.id = some_request(w)};
	struct session_ask *a = w->session->asks;
	switch (below(12)) {
	case 0: calls[(*made)++] = call(w, "{}"); break;
	case 1:
		err_set(&f.why, ERR_LOST, "cut");
		session_failed(w->session, &f);
		break;
	case 2:
		f.id = *made ? calls[below((unsigned)*made)] : 0;
		*cancelled += f.id && wire_find(w->session, f.id);
		if (f.id)
			session_cancel(w->session, f.id, "enough");
		break;
	case 3:
		if (a && below(4) == 0)
			session_ask_refuse(a, ASK_REJECTED, "no");
		break;
	case 4:
		if (a)
			session_ask_answer(a, SLICE_LIT("{\"roots\":[]}"));
		break;
	case 5:
	case 6: world_pass(w, below(40000)); break;
	default: something_said(w);
	}
}

static void task__survives_anything_in_any_order(void **state)
{
	enum { ROUNDS = 400, STEPS = 120 };
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct world w = {0};
		uint64_t calls[STEPS];
		int made = 0, cancelled = 0, open = 0;
		seed = (uint64_t)round;
		tasks_ready(&w);
		for (int i = 0; i < STEPS; i++)
			something_done(&w, calls, &made, &cancelled);
		for (int i = 0; i < made; i++)
			open += wire_find(w.session, calls[i]) != NULL;
		if (w.ends + cancelled + open != made || w.broken)
			fail_msg("round %d: %d calls, %d ended, %d cancelled, %d open", round, made, w.ends,
				 cancelled, open);
		for (int i = 0; i < made; i++)
			session_cancel(w.session, calls[i], "the end");
		assert_null(w.session->asks);
		assert_int_equal(w.session->tasks_listened, 0);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task__survives_anything_in_any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
