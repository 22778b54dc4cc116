/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tasks a worker runs: two agents on one store. What one has no room for goes to the other; what both
 * have no room for waits for whoever is free first; a worker that drains passes on what it was woken for.
 */
#include "base/base.h"
#include "run_rig.h"

#include <poll.h>

/* Agents of participants 0 and 1 of one world; every model call stays open until the test lets it go. */
struct pair {
	struct world w;
	struct mcp_client *client0;
	struct agent *agents[2];
	struct store *stores[2];
};

static void pair_open(struct pair *p, int runs_max)
{
	struct mcp_client_options mo = {1 << 20, 1 << 20, 1000};
	struct error e;
	int ends[2];
	world_open(&p->w, NULL, false);
	p->w.options.runs_max = runs_max;
	agent_free(p->w.agent);
	p->client0 = mcp_client_new(p->w.loop, &mo);
	assert_int_equal(fd_socketpair(ends, &e), ERR_NONE);
	mcp_broker_add_worker(p->w.mcp.broker, ends[0]);
	mcp_client_connect(p->client0, ends[1]);
	rig_wait(&p->w.mcp, mcp_client_settled(p->client0));
	p->stores[0] = p->w.other;
	p->stores[1] = p->w.s;
	p->agents[0] = agent_new(p->w.loop, p->w.other, p->w.llm, p->client0, NULL, &p->w.options);
	p->agents[1] = p->w.agent =
		agent_new(p->w.loop, p->w.s, p->w.llm, p->w.mcp.client, NULL, &p->w.options);
	for (int i = 0; i < 2; i++)
		agent_on_work(p->agents[i]);
}

static void pair_close(struct pair *p)
{
	agent_free(p->agents[0]);
	loop_turn(p->w.loop, 0);
	mcp_client_free(p->client0);
	world_close(&p->w);
}

static bool readable(struct store *s)
{
	struct pollfd f = {.fd = store_wake_fd(s), .events = POLLIN};
	return poll(&f, 1, 0) == 1;
}

struct waking {
	struct agent *agent;
};

static void on_task(struct task_ref ref, void *arg)
{
	agent_on_task(((struct waking *)arg)->agent, ref);
}

/* What both workers do when their descriptors are readable, until nothing is left. Returns the wake-ups. */
static int settle(struct pair *p)
{
	int wakes = 0;
	for (bool again = true; again;) {
		again = false;
		for (int i = 0; i < 2; i++) {
			struct waking w = {p->agents[i]};
			if (!readable(p->stores[i]))
				continue;
			again = true;
			wakes++;
			if (wake_take(p->stores[i], on_task, &w) & (WAKE_WORK | WAKE_PEER_DIED))
				agent_on_work(p->agents[i]);
		}
		assert_true(wakes < 20);
	}
	return wakes;
}

static void cancel(struct pair *p, struct task_ref ref)
{
	p->w.ref = ref;
	task_change(&p->w, 0, NULL, TASK_CANCELLED, NULL);
}

static void agent_on_work__what_one_has_no_room_for_goes_to_the_other(void **state)
{
	struct pair p;
	struct task_ref refs[3];
	(void)state;
	pair_open(&p, 1);
	settle(&p);
	/* two before anybody looks: both are offered to participant 0, who made them and has room for one */
	for (int i = 0; i < 3; i++) {
		task_create_as(&p.w, "wait", "auto");
		refs[i] = p.w.ref;
		if (i > 0)
			settle(&p);
	}
	assert_int_equal(agent_runs(p.agents[0]), 1);
	assert_int_equal(agent_runs(p.agents[1]), 1);
	/* both are full: nobody is woken for the third, again and again */
	assert_int_equal(settle(&p), 0);
	/* whoever has room again looks by itself */
	p.w.ref = refs[2];
	assert_false(task_head(&p.w).leased);
	cancel(&p, refs[1]);
	settle(&p);
	loop_turn(p.w.loop, 0);
	p.w.ref = refs[2];
	assert_true(task_head(&p.w).leased);
	assert_int_equal(agent_runs(p.agents[0]) + agent_runs(p.agents[1]), 2);
	for (int i = 0; i < 3; i += 2)
		cancel(&p, refs[i]);
	settle(&p);
	pair_close(&p);
}

static void agent_on_work__a_draining_worker_passes_it_on(void **state)
{
	struct pair p;
	(void)state;
	pair_open(&p, 4);
	settle(&p);
	/* offered to participant 0, which begins to drain before it looks */
	task_create_as(&p.w, "wait", "auto");
	assert_true(readable(p.stores[0]));
	agent_drain(p.agents[0], rig_stopped, &p.w.mcp);
	p.w.mcp.stopped = false;
	settle(&p);
	assert_int_equal(agent_runs(p.agents[0]), 0);
	assert_int_equal(agent_runs(p.agents[1]), 1);
	/* and what comes later is not offered to it at all */
	task_create_as(&p.w, "wait", "auto");
	assert_false(readable(p.stores[0]));
	settle(&p);
	assert_int_equal(agent_runs(p.agents[1]), 2);
	pair_close(&p);
}

static void agent_on_task__cancelled_runs_are_dropped_at_once(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	task_give(&w, "wait");
	assert_int_equal(agent_runs(w.agent), 1);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	agent_on_task(w.agent, w.ref);
	assert_int_equal(agent_runs(w.agent), 0);
	world_close(&w);
}

static void drained(void *arg)
{
	((struct world *)arg)->drained = true;
}

static void agent_drain__nothing_runs(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	agent_drain(w.agent, drained, &w);
	assert_true(w.drained);
	task_give(&w, "not here");
	assert_int_equal(agent_runs(w.agent), 0);
	world_close(&w);
}

static void agent_drain__a_queued_task_goes_back(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	task_give(&w, "wait");
	agent_drain(w.agent, drained, &w);
	assert_false(w.drained);
	world_wait(&w, w.drained);
	struct task_head h = task_head(&w);
	assert_int_equal(h.state, TASK_QUEUED);
	assert_false(h.leased);
	assert_true(lease_next(w.other, &w.lease));
	world_close(&w);
}

static void agent_drain__a_model_call_may_finish(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	task_give(&w, "plan this");
	world_wait(&w, w.model->conns_count == 1);
	agent_drain(w.agent, drained, &w);
	world_wait(&w, w.drained);
	struct task_head h = task_head(&w);
	assert_int_equal(h.state, TASK_RUNNING);
	assert_false(h.leased);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 0);
	world_close(&w);
}

static void agent_drain__a_tool_call_may_finish(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__sleep", "{\"ms\":50}");
	task_give(&w, "sleep");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 1);
	agent_drain(w.agent, drained, &w);
	assert_false(w.drained);
	world_wait(&w, w.drained);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 1);
	assert_int_equal(task_head(&w).state, TASK_RUNNING);
	assert_false(task_head(&w).leased);
	world_close(&w);
}

/* Who watches the task is told of its end before the service goes: that must be durable. */
static void agent_drain__ends_when_the_last_words_are_durable(void **state)
{
	struct world w;
	(void)state;
	for (int full = 0; full < 2; full++) {
		world_open_as(&w, NULL, false, true);
		w.drained = false;
		model_plan(&w, STEP("s1", "none"));
		task_create_as(&w, "plan this", "required");
		agent_on_work(w.agent);
		world_wait(&w, w.model->conns_count == 1);
		agent_drain(w.agent, drained, &w);
		world_wait(&w, agent_runs(w.agent) == 0);
		for (int i = 0; i < 5; i++)
			loop_turn(w.loop, 0);
		assert_int_equal(task_head(&w).state, TASK_AWAITING_APPROVAL);
		assert_false(w.drained);
		if (full) {
			store_health_set(w.keeper, STORE_NO_SPACE, "full");
			world_wake(&w);
		} else {
			world_commit(&w);
		}
		assert_true(w.drained);
		world_close(&w);
	}
}

static void agent_free__gives_back_what_runs(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__sleep", "{\"ms\":60000}");
	task_give(&w, "sleep");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 1);
	agent_free(w.agent);
	assert_false(task_head(&w).leased);
	agent_make(&w);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent_on_work__what_one_has_no_room_for_goes_to_the_other),
		cmocka_unit_test(agent_on_work__a_draining_worker_passes_it_on),
		cmocka_unit_test(agent_on_task__cancelled_runs_are_dropped_at_once),
		cmocka_unit_test(agent_drain__nothing_runs),
		cmocka_unit_test(agent_drain__a_queued_task_goes_back),
		cmocka_unit_test(agent_drain__a_model_call_may_finish),
		cmocka_unit_test(agent_drain__a_tool_call_may_finish),
		cmocka_unit_test(agent_drain__ends_when_the_last_words_are_durable),
		cmocka_unit_test(agent_free__gives_back_what_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
