/* SPDX-License-Identifier: Apache-2.0 */
/* Who follows which task: one watch of the store for many, news once each, and no trace afterwards. */
#include "api_rig.h"
#include "http/api_int.h"

struct follower {
	struct http_follower f;
	int changes, drains;
	bool leaves; /* at its first change */
};

static void changed(struct http_follower *f)
{
	struct follower *me = (struct follower *)f;

	me->changes++;
	if (me->leaves)
		http_unfollow(api.http->watchers, f);
}

static void drained(struct http_follower *f)
{
	((struct follower *)f)->drains++;
	http_unfollow(api.http->watchers, f);
}

static void follow(struct follower *me, struct api_task t)
{
	me->f.on_change = changed;
	me->f.on_drain = drained;
	assert_int_equal(http_follow(api.http->watchers, t.ref, &me->f), ERR_NONE);
}

static void follow__is_told_once_of_many_changes(void **state)
{
	struct api_task t = api_task_new(), other = api_task_new();
	struct follower a = {0}, b = {0};

	(void)state;
	follow(&a, t);
	follow(&b, other);
	for (int i = 0; i < 5; i++)
		api_event(t, EVENT_STEP_SKIPPED, "{\"step\":\"a\",\"reason\":\"b\"}");
	rig_turns(3);
	assert_int_equal(a.changes, 1);
	assert_int_equal(b.changes, 0);
	api_move(t, TASK_PLANNING, NULL);
	rig_turns(3);
	assert_int_equal(a.changes, 2);
	http_unfollow(api.http->watchers, &a.f);
	http_unfollow(api.http->watchers, &a.f);
	http_unfollow(api.http->watchers, &b.f);
	api_move(t, TASK_CANCELLED, NULL);
	rig_turns(3);
	assert_int_equal(a.changes, 2);
}

static void follow__may_be_left_while_it_is_told(void **state)
{
	struct api_task t = api_task_new();
	struct follower many[5] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(many); i++) {
		many[i].leaves = i != 2;
		follow(&many[i], t);
	}
	api_move(t, TASK_PLANNING, NULL);
	rig_turns(3);
	api_move(t, TASK_RUNNING, NULL);
	rig_turns(3);
	for (size_t i = 0; i < COUNT_OF(many); i++)
		assert_int_equal(many[i].changes, i == 2 ? 2 : 1);
	many[2].leaves = true;
	api_move(t, TASK_COMPLETED, NULL);
	rig_turns(3);
	assert_null(many[2].f.watch);
}

static void follow__between_news_and_telling_leaves_no_trace(void **state)
{
	struct api_task t = api_task_new();
	struct follower a = {0};

	(void)state;
	follow(&a, t);
	http_on_task(api.http, t.ref);
	http_unfollow(api.http->watchers, &a.f);
	rig_turns(3);
	assert_int_equal(a.changes, 0);
}

static void follow__refuses_a_task_that_is_no_longer_kept(void **state)
{
	struct api_task t = api_task_new();
	struct follower a = {0};

	(void)state;
	t.ref.gen++;
	assert_int_equal(http_follow(api.http->watchers, t.ref, &a.f), ERR_GONE);
	assert_null(a.f.watch);
}

static void watchers_drain__reaches_everybody(void **state)
{
	struct api_task t = api_task_new(), other = api_task_new();
	struct follower many[4] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(many); i++)
		follow(&many[i], i % 2 ? t : other);
	http_watchers_drain(api.http->watchers);
	for (size_t i = 0; i < COUNT_OF(many); i++)
		assert_int_equal(many[i].drains, 1);
	assert_true(http_watchers_draining(api.http->watchers));
}

static void beat(struct http_follower *f)
{
	((struct follower *)f)->changes++;
}

static void live_none(struct http_follower *f, uint64_t after_seq, struct slice sse)
{
	(void)f;
	(void)after_seq;
	(void)sse;
	fail();
}

static void follow__loose_is_for_beats_and_the_end(void **state)
{
	struct follower a = {0}, b = {0};

	(void)state;
	a.f.on_change = changed;
	a.f.on_drain = drained;
	a.f.on_beat = beat;
	a.f.on_live = live_none;
	b.f = a.f;
	http_follow_loose(api.http->watchers, &a.f);
	http_follow_loose(api.http->watchers, &b.f);
	rig_time_pass(15000);
	assert_int_equal(a.changes, 1);
	http_unfollow(api.http->watchers, &b.f);
	rig_time_pass(15000);
	assert_int_equal(a.changes, 2);
	assert_int_equal(b.changes, 1);
	http_watchers_drain(api.http->watchers);
	assert_int_equal(a.drains, 1);
	assert_int_equal(b.drains, 0);
}

/* Who has nothing to say about the end of the server goes on. */
static void watchers_drain__lets_those_stay_who_wish_to(void **state)
{
	struct api_task t = api_task_new();
	struct follower many[3] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(many); i++) {
		follow(&many[i], t);
		if (i == 1)
			many[i].f.on_drain = NULL;
	}
	http_watchers_drain(api.http->watchers);
	api_move(t, TASK_PLANNING, NULL);
	rig_turns(3);
	assert_int_equal(many[0].drains, 1);
	assert_int_equal(many[1].changes, 1);
	assert_int_equal(many[2].drains, 1);
	http_unfollow(api.http->watchers, &many[1].f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(follow__is_told_once_of_many_changes),
		API_TEST(follow__may_be_left_while_it_is_told),
		API_TEST(follow__between_news_and_telling_leaves_no_trace),
		API_TEST(follow__refuses_a_task_that_is_no_longer_kept),
		API_TEST(watchers_drain__reaches_everybody),
		API_TEST(follow__loose_is_for_beats_and_the_end),
		API_TEST(watchers_drain__lets_those_stay_who_wish_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
