/* SPDX-License-Identifier: Apache-2.0 */
/* What a server is told that we can do, and that nothing else is answered. */
#include "tests/unit/mcp/session_world.h"
#include "mcp/session_int.h"

static void offer_is(struct session_offers offers, const char *text)
{
	struct session s = {.events = {.offers = offers}};
	struct buf out = BUF_INIT;
	struct jw w = JW(&out);
	capabilities_write(&s, &w);
	assert_string_equal(buf_cstr(&out), text);
	buf_release(&out);
}

static void capabilities_write__says_what_is_offered(void **state)
{
	(void)state;
	offer_is((struct session_offers){0}, "{}");
	offer_is((struct session_offers){.elicitation = true}, "{\"elicitation\":{\"form\":{},\"url\":{}}}");
	offer_is((struct session_offers){true, true, true},
		 "{\"elicitation\":{\"form\":{},\"url\":{}},\"sampling\":{\"tools\":{}},\"roots\":{}}");
}

static void capability_answers__nothing_else(void **state)
{
	struct session s = {.events = {.offers = {.roots = true}}};
	(void)state;
	assert_true(capability_answers(&s, SLICE_LIT("roots/list")));
	assert_false(capability_answers(&s, SLICE_LIT("sampling/createMessage")));
	assert_false(capability_answers(&s, SLICE_LIT("elicitation/create")));
	assert_false(capability_answers(&s, SLICE_LIT("roots/lists")));
}

/* The level is told to who logs only, and a log message goes to the only call there is. */
static void told_log(struct slice params, void *arg)
{
	(void)params;
	((struct world *)arg)->progress++;
}

static void log__goes_to_its_call_or_to_the_owner(void **state)
{
	struct world w;
	struct error e;
	(void)state;
	w = (struct world){.takes_asks = true};
	world_opened_ready(&w);
	w.session->events.on_log = told_log;
	say(&w, "{\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}");
	assert_int_equal(w.progress, 1);
	struct request_handler h = {
		.on_end = told_end, .arg = &w, .takes_asks = true, .on_log = told_progress};
	w.session->events.on_log = NULL;
	assert_int_not_equal(session_call(w.session, "a", SLICE_LIT("{}"), NULL, h, &e), 0);
	say(&w, "{\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}");
	assert_int_equal(w.progress, 2);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_write__says_what_is_offered),
		cmocka_unit_test(capability_answers__nothing_else),
		cmocka_unit_test(log__goes_to_its_call_or_to_the_owner),
	};
	return cmocka_run_group_tests_name("capability", tests, NULL, NULL);
}
