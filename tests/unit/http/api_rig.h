/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole http half of a worker over a real store: clients speak to it through loopback, the test plays the
 * agent (moves tasks), the tool servers (a stand-in for the client half of mcp) and, when there is one, the
 * keeper (kept_rig.h). Wiring as in the worker.
 */
#ifndef TESTS_API_RIG_H
#define TESTS_API_RIG_H

#include "conn_rig.h"
#include "kept_rig.h"

struct api_rig {
	struct http *http;
	struct store *created, *store, *other; /* other: another worker's handle */
	struct loop_io *wake;
	/* the stand-in for mcp */
	bool settled, servers_late;
	const char *tools, *servers;
	struct mcp_catalog catalog;
	int catalog_holds;
	void (*servers_fn)(struct slice text, const struct error *e, void *arg);
	void *servers_arg;
	struct mcp_login login; /* texts of the request's arena: look at them while it lives */
	int logins;
	/* The last request to a server, until it is answered or cancelled. */
	struct mcp_call_handler asked;
	char task_ended[ID_TEXT_SIZE]; /* the last that the tool servers were told of */
	char asked_method[64], asked_params[1000];
	enum mcp_list listed;
	unsigned listed_limit;
	char listed_cursor[64];
	char restarted[64]; /* the server that was to be started anew */
	struct json *body;  /* of the last answer */
};

static struct api_rig api;

/* --- mcp, as far as http knows it --- */

const struct mcp_catalog *mcp_client_catalog(struct mcp_client *c)
{
	(void)c;
	api.catalog_holds++;
	api.catalog.text = slice_str(api.tools);
	return &api.catalog;
}

const struct mcp_tool *mcp_catalog_find(const struct mcp_catalog *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++) {
		if (strcmp(c->tools[i].exposed, name) == 0)
			return &c->tools[i];
	}
	return NULL;
}

void mcp_catalog_drop(const struct mcp_catalog *c)
{
	assert_ptr_equal(c, &api.catalog);
	api.catalog_holds--;
}

bool mcp_client_settled(const struct mcp_client *c)
{
	(void)c;
	return api.settled;
}

void mcp_client_servers(struct mcp_client *c, void (*fn)(struct slice text, const struct error *e, void *arg),
			void *arg)
{
	struct error e;

	(void)c;
	err_set(&e, ERR_UNAVAILABLE, "no supervisor");
	if (!api.servers_late) {
		fn(slice_str(api.servers), api.servers ? NULL : &e, arg);
		return;
	}
	api.servers_fn = fn;
	api.servers_arg = arg;
}

/* Answered by the test through servers_fn. */
void mcp_client_login(struct mcp_client *c, const struct mcp_login *r,
		      void (*fn)(struct slice text, const struct error *e, void *arg), void *arg)
{
	(void)c;
	api.logins++;
	api.login = *r;
	api.servers_fn = fn;
	api.servers_arg = arg;
}

void mcp_client_restart(struct mcp_client *c, const char *server,
			void (*fn)(struct slice text, const struct error *e, void *arg), void *arg)
{
	(void)c;
	snprintf(api.restarted, sizeof(api.restarted), "%s", server);
	if (!api.servers_late) {
		fn(SLICE_LIT("{}"), NULL, arg);
		return;
	}
	api.servers_fn = fn;
	api.servers_arg = arg;
}

void mcp_client_list(struct mcp_client *c, const struct mcp_list_request *r,
		     void (*fn)(struct slice text, const struct error *e, void *arg), void *arg)
{
	(void)c;
	api.listed = r->list;
	api.listed_limit = r->limit;
	snprintf(api.restarted, sizeof(api.restarted), "%s", r->server);
	snprintf(api.listed_cursor, sizeof(api.listed_cursor), "%s", r->cursor ? r->cursor : "none");
	if (!api.servers_late) {
		fn(SLICE_LIT("{}"), NULL, arg);
		return;
	}
	api.servers_fn = fn;
	api.servers_arg = arg;
}

static void api_asked_end(void *unused)
{
	struct mcp_call_end end = {.sent = true, .result = SLICE_LIT("{}")};

	(void)unused;
	api.asked.on_end(&end, api.asked.arg);
}

/* Answered by the test through asked, or by itself unless servers_late. */
struct mcp_call *mcp_request_start(struct mcp_client *c, const struct mcp_request *r,
				   struct mcp_call_handler h)
{
	(void)c;
	snprintf(api.asked_method, sizeof(api.asked_method), "%s %s", r->server, r->method);
	snprintf(api.asked_params, sizeof(api.asked_params), "%.*s", (int)r->params.len, r->params.ptr);
	api.asked = h;
	if (!api.servers_late)
		loop_defer(rig.loop, api_asked_end, &api.asked);
	return (struct mcp_call *)&api;
}

void mcp_call_cancel(struct mcp_call *call)
{
	assert_ptr_equal(call, &api);
	api.asked.on_end = NULL;
}

void mcp_client_servers_cancel(struct mcp_client *c, void *arg)
{
	(void)c;
	assert_ptr_equal(api.servers_arg, arg);
	api.servers_fn = NULL;
}

void mcp_client_task_ended(struct mcp_client *c, const char *task_id)
{
	(void)c;
	snprintf(api.task_ended, sizeof(api.task_ended), "%s", task_id);
}

/* --- the worker --- */

static inline void api_task_changed(struct task_ref ref, void *arg)
{
	(void)arg;
	http_on_task(api.http, ref);
}

static inline void api_woken(int fd, int ready, void *arg)
{
	unsigned what = wake_take(api.store, api_task_changed, NULL);

	(void)fd;
	(void)ready;
	(void)arg;
	if (what & WAKE_LIVE)
		http_on_live(api.http);
	if (what & WAKE_HEALTH)
		http_on_health(api.http);
	if (what & WAKE_REQUESTS)
		http_on_requests(api.http);
}

enum { API_MODELS = 1 };

static inline int api_start_as(uint32_t tasks_max, bool keeper)
{
	static const struct gate_limits gates[API_MODELS] = {{.breaker_failures = 1, .breaker_ms = 60000}};
	static const struct http_model models[API_MODELS] = {
		{.provider = "main", .model = "m", .api = "chat", .base_url = "http://h/v1", .roles = 5}};
	struct store_options so = {.bytes = 16 << 20,
				   .tasks_max = tasks_max,
				   .procs_max = 4,
				   .task_events_max = 10000,
				   .task_bytes_max = 4 << 20,
				   .live_ring_bytes = 64 << 10,
				   .keeper = keeper,
				   .requests_max = 64,
				   .gates = gates,
				   .gates_count = API_MODELS,
				   .service_caps = {.cost_nano = 2500000000},
				   .tenant_caps = {.model_calls = 9},
				   .budgets_max = 3};
	struct http_options o;
	struct error e = {0};

	rig_start(NULL);
	memset(&api, 0, sizeof(api));
	o = rig.http.options;
	o.json_depth_max = 16;
	o.prompt_bytes_max = 1000;
	o.metadata_bytes_max = 100;
	o.output_schema_bytes_max = 100;
	o.heartbeat_ms = 15000;
	o.wait_ms_max = 60000;
	o.connections_max = 64;
	o.stream_chunk_bytes = 4096;
	o.approval = "required";
	o.ack_ms_max = 10000;
	o.tool_result_bytes_max = 2000;
	o.store_backend = keeper ? "sqlite" : "memory";
	o.version = "0.1.0";
	o.models = models;
	if (store_create(&so, &api.created, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	store_proc_started(api.created, 0, getpid());
	store_proc_started(api.created, 1, getpid());
	api.store = store_attach(api.created, 0);
	api.other = store_attach(api.created, 1);
	kept.loop = rig.loop;
	TAILQ_INIT(&kept.calls);
	if (keeper) {
		store_proc_started(api.created, 3, getpid());
		kept.store = store_attach(api.created, 3);
		store_health_set(kept.store, STORE_WORKS, "");
	}
	api.http = http_new(rig.loop, rig.listen_fd, api.store, keeper ? (struct archive *)&kept : NULL, NULL,
			    &o);
	api.wake = loop_io_new(rig.loop, store_wake_fd(api.store), LOOP_READ, api_woken, NULL);
	api.settled = true;
	api.tools = "{\"tools\":[]}";
	api.servers = "{\"servers\":[]}";
	return 0;
}

static inline int api_start_sized(uint32_t tasks_max)
{
	return api_start_as(tasks_max, false);
}

static inline int api_start(void **state)
{
	(void)state;
	return api_start_sized(64);
}

/* With a keeper: nothing is durable until the test says kept_commit. */
static inline int api_start_kept(void **state)
{
	(void)state;
	return api_start_as(64, true);
}

static inline int api_stop(void **state)
{
	struct error e = {0};

	http_free(api.http);
	loop_io_free(api.wake);
	json_free(api.body);
	assert_int_equal(api.catalog_holds, 0);
	if (store_check(api.created, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	if (kept.store)
		store_detach(kept.store);
	kept_stop();
	store_detach(api.store);
	store_detach(api.other);
	store_destroy(api.created);
	return rig_stop(state);
}

/* --- clients --- */

static inline int api_client(void)
{
	int before = api.http->conns->count, fd = rig_connect();

	rig_until(&api.http->conns->count, before + 1);
	return fd;
}

static inline void api_until_connections(int n)
{
	for (int turn = 0; api.http->conns->count != n; turn++) {
		assert_true(turn < RIG_TURNS_MAX);
		loop_turn(rig.loop, 1);
	}
}

/* Sends `head` ("GET /x", further header lines allowed) with a body (NULL: none). */
static inline void api_send(int fd, const char *head, const char *body)
{
	struct buf text = BUF_INIT;
	size_t line = strcspn(head, "\r");

	buf_printf(&text, "%.*s HTTP/1.1\r\nHost: a\r\nConnection: close%s\r\n", (int)line, head,
		   head + line);
	if (body)
		buf_printf(&text, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	else
		buf_add_str(&text, "\r\n");
	rig_send_bytes(fd, text.data, text.len);
	buf_release(&text);
}

/* The answer that is in rig.got: its status; its body, parsed when it is JSON, in api.body. */
static inline int api_answer(void)
{
	const char *text = buf_cstr(&rig.got), *body = strstr(text, "\r\n\r\n");

	json_free(api.body);
	api.body = NULL;
	assert_non_null(body);
	body += 4;
	if (*body == '{') {
		api.body = json_parse(body, strlen(body), 0, NULL);
		assert_non_null(api.body);
	}
	assert_true(strncmp(text, "HTTP/1.1 ", 9) == 0);
	return atoi(text + 9);
}

/* One request on a connection of its own; its status. What it changes is committed. */
static inline int api_ask(const char *head, const char *body)
{
	int before = api.http->conns->count, fd = api_client(), status;

	api_send(fd, head, body);
	if (kept.store) {
		rig_turns(3);
		kept_commit();
	}
	rig_read(fd, NULL);
	status = api_answer();
	close(fd);
	api_until_connections(before);
	return status;
}

static inline int api_post(const char *path, const char *body)
{
	char head[300];

	snprintf(head, sizeof(head), "POST %s\r\nContent-Type: application/json", path);
	return api_ask(head, body);
}

/* A request whose answer is not waited for: read it with api_read. */
static inline int api_begin(const char *head, const char *body)
{
	int fd = api_client();

	api_send(fd, head, body);
	rig_turns(3);
	return fd;
}

/* Has nothing come yet? */
static inline bool api_silent(int fd)
{
	rig_turns(5);
	buf_reset(&rig.got);
	rig_take(fd);
	return rig.got.len == 0 && !rig.got_end && !rig.got_reset;
}

static inline int api_read(int fd)
{
	int before = api.http->conns->count, status;

	rig_read(fd, NULL);
	status = api_answer();
	close(fd);
	api_until_connections(before - 1);
	return status;
}

/* A string of the last answer's body, by JSON pointer; "" when it is none. */
static inline const char *api_text(const char *pointer)
{
	const char *text = json_text(json_pointer(api.body, pointer));

	return text ? text : "";
}

/* The value of a header of the last answer, or "". */
static inline const char *api_header(const char *name)
{
	static char value[300];
	char line[100];
	const char *at;

	snprintf(line, sizeof(line), "\r\n%s: ", name);
	at = strstr(buf_cstr(&rig.got), line);
	value[0] = '\0';
	if (at)
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + strlen(line), "\r"),
			 at + strlen(line));
	return value;
}

/* --- tasks --- */

struct api_task {
	char id[ID_TEXT_SIZE], path[64];
	struct task_ref ref;
};

static inline struct api_task api_task_of(const char *id)
{
	struct api_task t = {0};
	struct id parsed;

	assert_true(id_parse(id, strlen(id), &parsed));
	assert_true(task_find(api.other, &parsed, &t.ref));
	id_format(&parsed, t.id);
	snprintf(t.path, sizeof(t.path), "/v1/tasks/%s", t.id);
	return t;
}

static inline struct api_task api_task_new(void)
{
	assert_int_equal(api_post("/v1/tasks", "{\"prompt\":\"do it\"}"), 202);
	return api_task_of(api_text("/id"));
}

/* As another worker would. */
static inline void api_move(struct api_task t, enum task_state to, const char *state_data)
{
	struct task_change c = {.to = to, .state_data = slice_str(state_data)};
	struct error e = {0};

	if (task_move(api.other, t.ref, &c, NULL, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

static inline void api_event(struct api_task t, enum event_type type, const char *data)
{
	struct task_event ev = {type, slice_str(data)};
	struct task_change c = {.events = &ev, .events_count = 1, .to = TASK_SAME};
	struct error e = {0};

	if (task_move(api.other, t.ref, &c, NULL, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
}

/* Up to a plan that waits for a person. */
static inline void api_plan(struct api_task t, const char *digest, int version)
{
	char data[300];

	api_move(t, TASK_PLANNING, NULL);
	snprintf(data, sizeof(data),
		 "{\"plan\":{\"version\":%d,\"digest\":\"%s\",\"goal\":\"g\",\"steps\":[{\"id\":\"s1\","
		 "\"title\":\"t\","
		 "\"objective\":\"o\",\"depends_on\":[],\"side_effects\":\"read\"}]}}",
		 version, digest);
	api_event(t, EVENT_PLAN_CREATED, data);
	api_move(t, TASK_AWAITING_APPROVAL, NULL);
}

/* "GET /v1/tasks/ID" and the like, with a tail. */
static inline const char *api_line(const char *method, struct api_task t, const char *tail)
{
	static char line[300];

	snprintf(line, sizeof(line), "%s %s%s", method, t.path, tail);
	return line;
}

#define API_TEST(name)  cmocka_unit_test_setup_teardown(name, api_start, api_stop)
#define KEPT_TEST(name) cmocka_unit_test_setup_teardown(name, api_start_kept, api_stop)

#endif
