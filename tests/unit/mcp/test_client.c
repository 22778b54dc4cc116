/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's connection: greeting, catalogues, the state of the servers. */
#include "tests/unit/mcp/client_world.h"

static void servers_told(struct slice text, const struct error *e, void *arg)
{
	struct world *w = arg;
	w->answers++;
	w->error = e ? *e : (struct error){0};
	snprintf(w->text, sizeof(w->text), "%.*s", (int)text.len, text.len ? text.ptr : "");
}

static void client__has_an_empty_catalog_before_the_supervisor_tells(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	const struct mcp_catalog *c = mcp_client_catalog(w.client);
	assert_int_equal(c->count, 0);
	assert_true(slice_eq_str(c->text, "{\"tools\":[]}"));
	assert_null(mcp_catalog_find(c, "a__b"));
	mcp_catalog_drop(c);
	assert_false(mcp_client_settled(w.client));
	world_close(&w);
}

static void client__greets_and_takes_catalogs(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	frame_last(&w, IPC_HELLO);
	catalog_send(&w,
		     "{\"tools\":[{\"name\":\"s__t\",\"server\":\"s\",\"tool\":\"t\",\"input_schema\":{}}]}",
		     false);
	assert_int_equal(w.changes, 1);
	const struct mcp_catalog *old = mcp_client_catalog(w.client);
	assert_int_equal(old->count, 1);
	assert_false(mcp_client_settled(w.client));
	catalog_send(&w, "{\"tools\":[]}", true);
	assert_true(mcp_client_settled(w.client));
	assert_int_equal(w.changes, 2);
	assert_non_null(mcp_catalog_find(old, "s__t")); /* held: still whole */
	mcp_catalog_drop(old);
	/* A broken one leaves the last. */
	catalog_send(&w, "{\"tools\":", true);
	const struct mcp_catalog *c = mcp_client_catalog(w.client);
	assert_int_equal(c->count, 0);
	mcp_catalog_drop(c);
	world_close(&w);
}

static size_t tools_count(const struct world *w)
{
	const struct mcp_catalog *c = mcp_client_catalog(w->client);
	size_t count = c->count;
	mcp_catalog_drop(c);
	return count;
}

static void client__keeps_its_tools_while_a_new_supervisor_starts(void **state)
{
	static const char two[] =
		"{\"tools\":[{\"name\":\"s__t\",\"server\":\"s\",\"tool\":\"t\",\"input_schema\":{}},"
		"{\"name\":\"s__u\",\"server\":\"s\",\"tool\":\"u\",\"input_schema\":{}}]}";
	static const char one[] =
		"{\"tools\":[{\"name\":\"s__t\",\"server\":\"s\",\"tool\":\"t\",\"input_schema\":{}}]}";
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	catalog_send(&w, one, false); /* the first one ever: as it comes */
	assert_int_equal(tools_count(&w), 1);
	catalog_send(&w, two, true);
	catalog_send(&w, one, false); /* and so while one supervisor lives */
	assert_int_equal(tools_count(&w), 1);
	catalog_send(&w, two, true);
	ipc_close(w.supervisor);
	turns(&w);
	supervisor_connect(&w);
	catalog_send(&w, "{\"tools\":[]}", false);
	catalog_send(&w, one, false);
	assert_int_equal(tools_count(&w), 2);
	assert_false(mcp_client_settled(w.client));
	catalog_send_as(&w, one, true, false); /* of one no more is known than that its first start failed */
	assert_int_equal(tools_count(&w), 2);
	assert_true(mcp_client_settled(w.client));
	catalog_send(&w, one, true); /* one is really gone */
	assert_int_equal(tools_count(&w), 1);
	assert_true(mcp_client_settled(w.client));
	catalog_send(&w, "{\"tools\":[]}", false);
	assert_int_equal(tools_count(&w), 0);
	world_close(&w);
}

static size_t frames_of(const struct world *w, enum ipc_msg msg)
{
	size_t n = 0;
	for (size_t i = 0; i < w->frames_count; i++)
		n += w->frames[i].msg == msg;
	return n;
}

static void client__tells_ends_of_tasks_where_they_matter(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	catalog_send(&w, "{\"tools\":[]}", true);
	mcp_client_task_ended(w.client, "t1");
	turns(&w);
	assert_int_equal(frames_of(&w, IPC_TASK_ENDED), 0);
	w.tasks_matter = true;
	catalog_send(&w, "{\"tools\":[]}", true);
	mcp_client_task_ended(w.client, "t2");
	turns(&w);
	assert_int_equal(frames_of(&w, IPC_TASK_ENDED), 1);
	world_close(&w);
}

static void servers__are_asked_and_told_once(void **state)
{
	struct world w;
	struct buf b = BUF_INIT;
	(void)state;
	world_open(&w);
	mcp_client_servers(w.client, servers_told, &w);
	assert_int_equal(w.answers, 0);
	turns(&w);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.error.code, ERR_UNAVAILABLE);
	supervisor_connect(&w);
	mcp_client_servers(w.client, servers_told, &w);
	turns(&w);
	uint64_t id = frame_last(&w, IPC_SERVERS_GET);
	buf_add_str(&b, "{\"servers\":[]}");
	frame_send(&w, IPC_SERVERS, id, &b);
	assert_int_equal(w.answers, 2);
	assert_int_equal(w.error.code, ERR_NONE);
	assert_string_equal(w.text, "{\"servers\":[]}");
	world_close(&w);
}

static void servers__forgotten_lost_and_late_questions(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	mcp_client_servers(w.client, servers_told, &w);
	mcp_client_servers_cancel(w.client, &w);
	turns(&w);
	mcp_client_servers(w.client, servers_told, &w);
	world_pass(&w, 5000);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.error.code, ERR_TIMEOUT);
	mcp_client_servers(w.client, servers_told, &w);
	ipc_close(w.supervisor);
	w.supervisor = NULL;
	turns(&w);
	assert_int_equal(w.answers, 2);
	assert_int_equal(w.error.code, ERR_LOST);
	mcp_client_servers(w.client, servers_told, &w);
	world_close(&w); /* with one open */
	assert_int_equal(w.answers, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client__has_an_empty_catalog_before_the_supervisor_tells),
		cmocka_unit_test(client__greets_and_takes_catalogs),
		cmocka_unit_test(client__keeps_its_tools_while_a_new_supervisor_starts),
		cmocka_unit_test(client__tells_ends_of_tasks_where_they_matter),
		cmocka_unit_test(servers__are_asked_and_told_once),
		cmocka_unit_test(servers__forgotten_lost_and_late_questions),
	};
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
