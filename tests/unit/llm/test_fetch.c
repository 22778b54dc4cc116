/* SPDX-License-Identifier: Apache-2.0 */
/* The transport, seen through calls: what is sent, times, limits, connections. */
#include "llm/llm.h"
#include "call_world.h"

#include <fcntl.h>

static void llm_call__sends_key_and_body(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{ANSWER, SCRIPT_CLOSE}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	const char *request = w.server->requests[0];
	assert_non_null(strstr(request, "POST /v1/chat/completions HTTP/1.1\r\n"));
	assert_non_null(strstr(request, "\r\nAuthorization: Bearer sk-secret-key-1\r\n"));
	assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
	assert_null(strstr(request, "Expect:"));
	assert_non_null(strstr(request, "\"stream\":true"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__tells_where_a_redirect_leads(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("301 Moved") "Location: https://u:p@new.example/v1?k=1\r\n\r\n", SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_CONFIG);
	assert_non_null(strstr(h.e.msg, "to https://new.example/v1;"));
	heard_release(&h);
}

static void llm_call__fails_a_stalled_stream(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD TEXT("x"), SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of(w.url);
	o.idle_ms = 30;
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_TIMEOUT);
	assert_non_null(strstr(h.e.msg, "llm.idle_seconds"));
	assert_string_equal(buf_cstr(&h.text), "x");
	world_close(&w);
	heard_release(&h);
}

static void llm_call__fails_without_a_first_byte(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD, SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of(w.url);
	o.first_byte_ms = 30;
	o.retries_max = 0;
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_TIMEOUT);
	assert_non_null(strstr(h.e.msg, "llm.first_byte_seconds"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__says_who_refused_the_connection(void **state)
{
	(void)state;
	struct world w;
	struct heard h = {0};
	world_open(&w, NULL, 0);
	struct llm_options o = options_of(w.url);
	o.retries_max = 0;
	world_options(&w, o);
	loop_io_set(w.server->io, 0);
	fd_close(&w.server->fd); /* nobody listens there now */
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_UNAVAILABLE);
	char *expected = xasprintf(
		"the model server at %s/chat/completions refused the connection; check openai.base_url",
		w.url);
	assert_non_null(strstr(h.e.msg, expected));
	free(expected);
	world_close(&w);
	heard_release(&h);
}

static void llm_call__holds_the_response_limit(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("a") TEXT("b") TEXT("c") TEXT("d") TEXT("e") TEXT("f") TEXT("g"), SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of(w.url);
	o.response_bytes_max = 200;
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_UPSTREAM);
	assert_non_null(strstr(h.e.msg, "over 200 bytes; raise llm.response_bytes"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__resends_once_on_a_connection_that_had_died(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 141\r\n\r\n" TEXT("fine") FINISH DONE, SCRIPT_KEEP},
		{"", SCRIPT_CLOSE}, /* the kept connection is closed without an answer */
		{ANSWER, SCRIPT_CLOSE},
	};
	struct world w;
	struct heard h[2] = {0};
	world_open(&w, replies, 3);
	assert_int_equal(strlen(TEXT("fine") FINISH DONE), 141);
	call_start(&w, &h[0]);
	turn_until(&w, &h[0].ends, 1);
	loop_turn(w.loop, 10);
	call_start(&w, &h[1]);
	turn_until(&w, &h[1].ends, 1);
	assert_int_equal(h[1].e.code, ERR_NONE);
	assert_int_equal(h[1].retries, 0);
	assert_int_equal(w.server->requests_count, 3);
	assert_int_equal(w.server->conns_count, 2);
	world_close(&w);
	heard_release(&h[0]);
	heard_release(&h[1]);
}

static void llm_call__keeps_its_sockets_from_children(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD TEXT("x"), SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	call_start(&w, &h);
	turn_until(&w, &h.deltas, 1);
	int sockets = 0;
	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 || peer.sin_family != AF_INET)
			continue;
		sockets++;
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	assert_int_equal(sockets, 2); /* ours and the server's */
	world_close(&w);
	heard_release(&h);
}

static void llm_call__keeps_loopback_from_the_environments_proxy(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{ANSWER, SCRIPT_CLOSE}};
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	struct heard h = call_once(replies, 1, 1);
	unsetenv("http_proxy");
	assert_string_equal(h.turn_text, "fine");
	heard_release(&h);
}

static void llm_call__goes_through_the_proxy_that_is_configured(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{ANSWER, SCRIPT_CLOSE}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of("http://127.0.0.1:1/v1");
	char *proxy = xasprintf("http://127.0.0.1:%d", w.server->port);
	o.proxy = proxy;
	world_options(&w, o);
	free(proxy); /* options are copied */
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_string_equal(h.turn_text, "fine");
	assert_non_null(
		strstr(w.server->requests[0], "POST http://127.0.0.1:1/v1/chat/completions HTTP/1.1\r\n"));
	world_close(&w);
	heard_release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_call__sends_key_and_body),
		cmocka_unit_test(llm_call__tells_where_a_redirect_leads),
		cmocka_unit_test(llm_call__fails_a_stalled_stream),
		cmocka_unit_test(llm_call__fails_without_a_first_byte),
		cmocka_unit_test(llm_call__says_who_refused_the_connection),
		cmocka_unit_test(llm_call__holds_the_response_limit),
		cmocka_unit_test(llm_call__resends_once_on_a_connection_that_had_died),
		cmocka_unit_test(llm_call__keeps_its_sockets_from_children),
		cmocka_unit_test(llm_call__keeps_loopback_from_the_environments_proxy),
		cmocka_unit_test(llm_call__goes_through_the_proxy_that_is_configured),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	int failed = cmocka_run_group_tests_name("without libcurl", tests, NULL, NULL);
	world_host = "localhost";
	return failed + cmocka_run_group_tests_name("with libcurl", tests, NULL, NULL);
}
