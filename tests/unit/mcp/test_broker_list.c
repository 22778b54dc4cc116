/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of resources, templates and prompts from a server to a worker: pages, changes, servers that list
 * badly. */
#include "tests/unit/mcp/shelf_rig.h"

static const char *text_at(const struct listed *l, const char *pointer)
{
	return json_text(json_pointer(l->page, pointer));
}

static void list__comes_in_pages_as_the_server_sent_it(void **state)
{
	struct rig r;
	struct listed l;
	char *cursor;
	(void)state;
	shelf_init(&r, "shelf");
	rig_start(&r);
	rig_settle(&r);
	list_wait(&r, MCP_RESOURCES, NULL, 3, &l);
	assert_int_equal(json_count(json_get(l.page, "resources")), 3);
	assert_string_equal(text_at(&l, "/server"), "shelf");
	assert_string_equal(text_at(&l, "/resources/1/uri"), "shelf://2");
	assert_int_equal(json_number(json_pointer(l.page, "/resources/1/custom/0")), 2);
	cursor = xstrdup(text_at(&l, "/next_cursor"));
	json_free(l.page);
	list_wait(&r, MCP_RESOURCES, cursor, 3, &l);
	assert_int_equal(json_count(json_get(l.page, "resources")), 1);
	assert_string_equal(text_at(&l, "/resources/0/mimeType"), "image/png");
	assert_true(json_is(json_get(l.page, "next_cursor"), JSON_NULL));
	json_free(l.page);
	list_wait(&r, MCP_RESOURCE_TEMPLATES, NULL, 10, &l);
	assert_string_equal(text_at(&l, "/resource_templates/1/uriTemplate"), "shelf://{n}/{page}");
	json_free(l.page);
	list_wait(&r, MCP_PROMPTS, NULL, 10, &l);
	assert_string_equal(text_at(&l, "/prompts/0/arguments/0/name"), "who");
	json_free(l.page);
	list_wait(&r, MCP_PROMPTS, "x", 10, &l);
	assert_int_equal(l.error.code, ERR_FIELD);
	free(cursor);
	rig_free(&r);
}

/* The first page, asked for until it says what it is to say. */
static void list_becomes(struct rig *r, size_t count)
{
	struct listed l;
	for (int64_t until = clock_mono_ms() + RIG_WAIT_MS;;) {
		list_wait(r, MCP_RESOURCES, NULL, 100, &l);
		size_t n = json_count(json_get(l.page, "resources"));
		json_free(l.page);
		if (n == count)
			return;
		assert_true(clock_mono_ms() < until);
		loop_turn(r->loop, 20);
	}
}

static void list__follows_changes_and_outlives_the_server(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	shelf_init(&r, "shelf");
	r.options.restart_ms_min = r.options.restart_ms_max = 60000;
	rig_start(&r);
	rig_settle(&r);
	list_becomes(&r, 4);
	rig_call_wait(&r, "shelf", "grow", "{}", &o);
	list_becomes(&r, 5);
	rig_call_wait(&r, "shelf", "stop", "{}", &o);
	assert_int_equal(o.error.code, ERR_LOST);
	list_becomes(&r, 5);
	rig_free(&r);
}

/* What is subscribed to and when it changed last, as the list of resources shows it. */
static void subscriptions_are(struct rig *r, const char *text)
{
	struct listed l;
	struct buf got = BUF_INIT;
	list_wait(r, MCP_RESOURCES, NULL, 1, &l);
	for (const struct json *s = json_first(json_get(l.page, "subscriptions")); s; s = json_next(s))
		buf_printf(&got, "%s %s ", json_get_text(s, "uri", "?"),
			   json_get_text(s, "updated_at", NULL) ? "changed" : "same");
	assert_string_equal(buf_cstr(&got), text);
	buf_release(&got);
	json_free(l.page);
}

static void server_has(struct rig *r, const char *uris)
{
	struct outcome o;
	char *text = xasprintf("{\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}", uris);
	/* It may be about to be started again. */
	for (int tries = 0; tries < 100; tries++) {
		rig_call_wait(r, "shelf", "subscribed", "{}", &o);
		if (o.error.code != ERR_UNAVAILABLE)
			break;
		loop_turn(r->loop, 50);
	}
	assert_string_equal(buf_cstr(&o.result), text);
	free(text);
}

static void list__tells_when_what_was_read_has_changed(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	shelf_init(&r, "shelf");
	rig_start(&r);
	rig_settle(&r);
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://1\"}", &o);
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://9\"}", &o); /* there is none */
	rig_call_wait(&r, "shelf", "read_resource", "{\"uri\":\"shelf://2\"}", &o);
	server_has(&r, "shelf://1 shelf://2 ");
	subscriptions_are(&r, "shelf://1 same shelf://2 same ");
	rig_call_wait(&r, "shelf", "touch", "{\"uri\":\"shelf://2\"}", &o);
	subscriptions_are(&r, "shelf://1 same shelf://2 changed ");
	/* No more than three: the one that was not read for longest makes room. */
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://1\"}", &o);
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://3\"}", &o);
	request_wait(&r, "resources/read", "{\"uri\":\"shelf://4\"}", &o);
	subscriptions_are(&r, "shelf://1 same shelf://4 same shelf://3 same ");
	server_has(&r, "shelf://1 shelf://4 shelf://3 ");
	/* A new process of the server is told all of them. */
	rig_call_wait(&r, "shelf", "stop", "{}", &o);
	server_has(&r, "shelf://1 shelf://4 shelf://3 ");
	rig_free(&r);
}

static void list__that_is_bad_is_bounded_and_harms_no_other(void **state)
{
	static const struct {
		const char *mode;
		size_t count, quarantined;
		bool truncated;
	} bad[] = {{"endless", 199, 0, true}, {"huge", 300, 0, true}, {"wrong", 2, 6, false}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct rig r;
		struct listed l;
		struct outcome o;
		shelf_init(&r, bad[i].mode);
		r.options.list_items_max = 300;
		rig_start(&r);
		rig_settle(&r);
		list_wait(&r, MCP_RESOURCES, NULL, 1000, &l);
		size_t n = json_count(json_get(l.page, "resources"));
		if (n < bad[i].count || n > 300)
			fail_msg("%s: %zu", bad[i].mode, n);
		assert_int_equal(json_count(json_get(l.page, "quarantined")), bad[i].quarantined);
		assert_int_equal(json_truth(json_get(l.page, "truncated")), bad[i].truncated);
		json_free(l.page);
		list_wait(&r, MCP_PROMPTS, NULL, 10, &l);
		assert_int_equal(json_count(json_get(l.page, "prompts")), 2);
		json_free(l.page);
		rig_call_wait(&r, "shelf", "link", "{}", &o);
		assert_int_equal(o.error.code, ERR_NONE);
		rig_free(&r);
	}
}

static void list__that_fails_says_why(void **state)
{
	struct rig r;
	struct listed l;
	(void)state;
	shelf_init(&r, "broken");
	rig_start(&r);
	rig_settle(&r);
	list_wait(&r, MCP_RESOURCES, NULL, 10, &l);
	assert_int_equal(l.error.code, ERR_UPSTREAM);
	assert_non_null(strstr(l.error.msg, "the shelf fell down"));
	list_wait(&r, MCP_PROMPTS, NULL, 10, &l);
	assert_int_equal(l.error.code, ERR_UPSTREAM);
	assert_non_null(strstr(l.error.msg, "no array \"prompts\""));
	/* It has resources, but no templates: that is no fault. */
	list_wait(&r, MCP_RESOURCE_TEMPLATES, NULL, 10, &l);
	assert_int_equal(json_count(json_get(l.page, "resource_templates")), 0);
	json_free(l.page);
	rig_free(&r);
}

static void list__that_does_not_come_is_unavailable(void **state)
{
	struct rig r;
	struct listed l;
	struct mcp_list_request nobody = {"nobody", MCP_PROMPTS, NULL, 1};
	(void)state;
	shelf_init(&r, "mute");
	rig_start(&r);
	list_wait(&r, MCP_RESOURCES, NULL, 10, &l);
	assert_int_equal(l.error.code, ERR_UNAVAILABLE);
	rig_settle(&r); /* not held up for longer than a while */
	list_wait(&r, MCP_RESOURCES, NULL, 10, &l);
	assert_int_equal(l.error.code, ERR_UNAVAILABLE);
	l.ends = 0;
	mcp_client_list(r.client, &nobody, listed_came, &l);
	rig_wait(&r, l.ends);
	assert_int_equal(l.error.code, ERR_NOT_FOUND);
	rig_free(&r);
}

static void list__of_a_server_without_any_is_empty(void **state)
{
	static const char *const args[] = {"echo", NULL};
	struct rig r;
	struct listed l;
	(void)state;
	rig_init(&r);
	rig_add(&r, "shelf", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	list_wait(&r, MCP_RESOURCES, NULL, 10, &l);
	assert_int_equal(json_count(json_get(l.page, "resources")), 0);
	assert_true(json_is(json_get(l.page, "offered"), JSON_BOOL));
	assert_false(json_truth(json_get(l.page, "offered")));
	json_free(l.page);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list__comes_in_pages_as_the_server_sent_it),
		cmocka_unit_test(list__follows_changes_and_outlives_the_server),
		cmocka_unit_test(list__tells_when_what_was_read_has_changed),
		cmocka_unit_test(list__that_is_bad_is_bounded_and_harms_no_other),
		cmocka_unit_test(list__that_fails_says_why),
		cmocka_unit_test(list__that_does_not_come_is_unavailable),
		cmocka_unit_test(list__of_a_server_without_any_is_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
