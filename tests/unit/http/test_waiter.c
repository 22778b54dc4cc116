/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the store: each for its time, told of news, one timer for all. */
#include "api_rig.h"
#include "http/api_int.h"

struct waiter {
	struct http_waiter w;
	int over, health, requests;
	bool leaves;
};

static void on_over(struct http_waiter *w)
{
	assert_false(w->waiting);
	((struct waiter *)w)->over++;
}

static void on_health(struct http_waiter *w)
{
	struct waiter *me = (struct waiter *)w;

	me->health++;
	if (me->leaves)
		http_wait_end(api.http->waiters, w);
}

static void on_requests(struct http_waiter *w)
{
	((struct waiter *)w)->requests++;
}

static void wait_begin(struct waiter *me)
{
	me->w.on_over = on_over;
	http_wait(api.http->waiters, &me->w);
}

static void wait__each_has_its_time(void **state)
{
	struct waiter many[3] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(many); i++) {
		wait_begin(&many[i]);
		rig_time_pass(1000);
	}
	http_wait_end(api.http->waiters, &many[0].w);
	http_wait_end(api.http->waiters, &many[0].w);
	rig_time_pass(7999);
	assert_int_equal(many[1].over, 0);
	rig_time_pass(1);
	assert_int_equal(many[1].over, 1);
	assert_int_equal(many[2].over, 0);
	rig_time_pass(1000);
	assert_int_equal(many[2].over, 1);
	assert_int_equal(many[0].over, 0);
	/* The list has been empty: its timer is set anew. */
	wait_begin(&many[0]);
	rig_time_pass(10000);
	assert_int_equal(many[0].over, 1);
}

static void wait__news_are_for_those_who_want_them(void **state)
{
	struct waiter many[4] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(many); i++) {
		many[i].leaves = i < 2;
		many[i].w.on_health = i < 3 ? on_health : NULL;
		many[i].w.on_requests = i == 3 ? on_requests : NULL;
		wait_begin(&many[i]);
	}
	http_on_health(api.http);
	http_on_health(api.http);
	http_on_requests(api.http);
	assert_int_equal(many[0].health, 1);
	assert_int_equal(many[1].health, 1);
	assert_int_equal(many[2].health, 2);
	assert_int_equal(many[3].health, 0);
	assert_int_equal(many[3].requests, 1);
	http_wait_end(api.http->waiters, &many[2].w);
	http_wait_end(api.http->waiters, &many[3].w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(wait__each_has_its_time),
		API_TEST(wait__news_are_for_those_who_want_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
