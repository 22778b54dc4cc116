/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An authorization server and a protected resource on loopback, on the test's own loop: what it says is a
 * script of the test (struct auth_rig), what it was asked is kept. One answer for each connection.
 */
#ifndef TESTS_UNIT_MCP_AUTH_RIG_H
#define TESTS_UNIT_MCP_AUTH_RIG_H

#include "mcp/auth_int.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { AUTH_RIG_MS_MAX = 20000, AUTH_RIG_ASKED_MAX = 64 };

/* What is said at a path; the body's "%s" stand for the server's address. */
struct auth_said {
	const char *path, *body;
	int status;           /* 0: 200 */
	const char *location; /* NULL: none */
};

struct auth_asked {
	char path[512];
	struct buf text; /* the whole request */
};

struct auth_rig {
	struct loop *loop;
	int fd;
	struct loop_io *io;
	char origin[64], url[96];
	struct auth_said said[16];
	int said_count;
	struct auth_asked asked[AUTH_RIG_ASKED_MAX];
	int asked_count;
	struct auth_house *house;
	struct auth *auth;
	struct mcp_auth_options options;
	struct mcp_auth_common house_options;
	int verdicts, logins, login_ends, login_overs;
	enum auth_verdict verdict;
	struct error why, login_result;
	char login_url[2048];
};

struct auth_peer {
	struct auth_rig *rig;
	int fd;
	struct loop_io *io;
	struct buf in;
};

static inline void auth_rig_say(struct auth_rig *r, const char *path, int status, const char *body)
{
	for (int i = 0; i < r->said_count; i++) {
		if (!strcmp(r->said[i].path, path)) {
			r->said[i] = (struct auth_said){path, body, status, NULL};
			return;
		}
	}
	r->said[r->said_count++] = (struct auth_said){path, body, status, NULL};
}

static inline void auth_rig_answer(struct auth_peer *p, const char *path)
{
	const struct auth_rig *r = p->rig;
	struct auth_said said = {.status = 404, .body = "{}"};
	struct buf body = BUF_INIT, out = BUF_INIT;
	struct error e;
	for (int i = 0; i < r->said_count; i++) {
		if (!strcmp(r->said[i].path, path))
			said = r->said[i];
	}
	for (const char *c = said.body; *c; c++) {
		if (c[0] == '%' && c[1] == 's') {
			buf_add_str(&body, r->origin);
			c++;
		} else {
			buf_add_char(&body, *c);
		}
	}
	buf_printf(&out,
		   "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
		   "%zu\r\n",
		   said.status ? said.status : 200, body.len);
	if (said.location)
		buf_printf(&out, "Location: %s\r\n", said.location);
	buf_add_str(&out, "\r\n");
	buf_add_slice(&out, buf_slice(&body));
	/* Small enough for the socket's buffer, but for the oversized one, which the reader cuts off. */
	(void)!fd_write_all(p->fd, out.data, out.len, &e);
	buf_release(&body);
	buf_release(&out);
}

static inline void auth_peer_ready(int fd, int ready, void *arg)
{
	struct auth_peer *p = arg;
	char bytes[8192];
	(void)ready;
	ssize_t n = read(fd, bytes, sizeof(bytes));
	if (n > 0)
		buf_add(&p->in, bytes, (size_t)n);
	const char *end = p->in.len ? strstr(p->in.data, "\r\n\r\n") : NULL;
	const char *length = p->in.len ? strcasestr(p->in.data, "content-length:") : NULL;
	size_t body = length && end && length < end ? (size_t)atoi(length + 15) : 0;
	if (n > 0 && (!end || p->in.len < (size_t)(end + 4 - p->in.data) + body))
		return;
	if (end) {
		struct auth_asked *a = &p->rig->asked[p->rig->asked_count++];
		assert_true(p->rig->asked_count < AUTH_RIG_ASKED_MAX);
		assert_int_equal(sscanf(p->in.data, "%*s %511[^ ?]", a->path), 1);
		a->text = p->in;
		p->in = BUF_INIT;
		auth_rig_answer(p, a->path);
	}
	loop_io_free(p->io);
	close(p->fd);
	buf_release(&p->in);
	free(p);
}

static inline void auth_rig_accept(int fd, int ready, void *arg)
{
	struct auth_peer *p = calloc(1, sizeof(*p));
	(void)ready;
	p->rig = arg;
	p->fd = accept(fd, NULL, NULL);
	assert_true(p->fd >= 0);
	p->io = loop_io_new(p->rig->loop, p->fd, LOOP_READ, auth_peer_ready, p);
}

static inline void auth_rig_listen(struct auth_rig *r)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(r->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(r->fd, 16), 0);
	assert_int_equal(getsockname(r->fd, (struct sockaddr *)&in, &len), 0);
	snprintf(r->origin, sizeof(r->origin), "http://127.0.0.1:%d", ntohs(in.sin_port));
	snprintf(r->url, sizeof(r->url), "%s/mcp", r->origin);
	r->io = loop_io_new(r->loop, r->fd, LOOP_READ, auth_rig_accept, r);
}

/* --- what the auth room tells --- */

static inline void auth_rig_login_due(const char *url, void *arg)
{
	struct auth_rig *r = arg;
	r->logins++;
	snprintf(r->login_url, sizeof(r->login_url), "%s", url);
}

static inline void auth_rig_login_over(void *arg)
{
	((struct auth_rig *)arg)->login_overs++;
}

static inline void auth_rig_verdict(enum auth_verdict v, const struct error *why, void *arg)
{
	struct auth_rig *r = arg;
	r->verdicts++;
	r->verdict = v;
	r->why = *why;
}

static inline void auth_rig_login_ended(const struct error *e, void *arg)
{
	struct auth_rig *r = arg;
	r->login_ends++;
	r->login_result = *e;
}

/* --- steps of a test --- */

static inline void auth_rig_init(struct auth_rig *r)
{
	memset(r, 0, sizeof(*r));
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	r->loop = loop_new();
	auth_rig_listen(r);
	r->options = (struct mcp_auth_options){.allow_private = true};
	auth_rig_say(r, "/.well-known/oauth-protected-resource/mcp", 200,
		     "{\"resource\":\"%s/mcp\",\"authorization_servers\":[\"%s\"],"
		     "\"scopes_supported\":[\"read\",\"write\"]}");
	auth_rig_say(r, "/.well-known/oauth-authorization-server", 200,
		     "{\"issuer\":\"%s\",\"authorization_endpoint\":\"%s/authorize\","
		     "\"token_endpoint\":\"%s/token\",\"registration_endpoint\":\"%s/register\","
		     "\"code_challenge_methods_supported\":[\"S256\"],"
		     "\"authorization_response_iss_parameter_supported\":true}");
	auth_rig_say(r, "/register", 201, "{\"client_id\":\"dyn\",\"client_secret\":\"hush\"}");
	auth_rig_say(r, "/token", 200,
		     "{\"access_token\":\"tok-1\",\"token_type\":\"bearer\",\"expires_in\":3600,"
		     "\"refresh_token\":\"ref-1\"}");
}

static inline void auth_rig_open(struct auth_rig *r)
{
	struct auth_events events = {auth_rig_login_due, auth_rig_login_over, r};
	r->house = auth_house_new(r->loop, &r->house_options);
	r->auth = auth_new(r->house, "peer", r->url, &r->options, events);
}

static inline void auth_rig_close(struct auth_rig *r)
{
	auth_drop(r->auth);
	auth_house_free(r->house);
	r->auth = NULL;
	r->house = NULL;
}

static inline void auth_rig_free(struct auth_rig *r)
{
	auth_rig_close(r);
	loop_io_free(r->io);
	close(r->fd);
	for (int i = 0; i < r->asked_count; i++)
		buf_release(&r->asked[i].text);
	loop_turn(r->loop, 0);
	loop_free(r->loop);
}

static inline void auth_rig_wait(struct auth_rig *r, const int *counter, int value)
{
	int64_t until = clock_mono_ms() + AUTH_RIG_MS_MAX;
	while (*counter < value) {
		assert_true(clock_mono_ms() < until);
		loop_turn(r->loop, 100);
	}
}

/* A request was refused; waits for the verdict. */
static inline enum auth_verdict auth_rig_refused(struct auth_rig *r, int status, const char *header)
{
	uint64_t generation;
	int before = r->verdicts;
	auth_header(r->auth, &generation);
	auth_challenged(r->auth, status, slice_str(header), generation, auth_rig_verdict, r);
	assert_int_equal(r->verdicts, before);
	auth_rig_wait(r, &r->verdicts, before + 1);
	return r->verdict;
}

/* The value of a parameter in the address of the log-in or in a form, still encoded. */
static inline const char *auth_rig_value(const char *text, const char *name)
{
	static char value[1024];
	char key[64];
	snprintf(key, sizeof(key), "%s=", name);
	for (const char *at = text; (at = strstr(at, key)); at++) {
		if (at != text && !strchr("?&\n", at[-1]))
			continue;
		at += strlen(key);
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "&"), at);
		return value;
	}
	return NULL;
}

/* The person comes back. iss NULL: none; state NULL: the right one. */
static inline enum err auth_rig_back(struct auth_rig *r, const char *state, const char *iss)
{
	char right[1024];
	int before = r->login_ends;
	snprintf(right, sizeof(right), "%s", auth_rig_value(r->login_url, "state"));
	struct mcp_login reply = {.code = "code-1", .state = state ? state : right, .iss = iss};
	auth_login_end(r->auth, &reply, auth_rig_login_ended, r);
	auth_rig_wait(r, &r->login_ends, before + 1);
	return r->login_result.code;
}

static inline int auth_rig_asked_for(const struct auth_rig *r, const char *path)
{
	int n = 0;
	for (int i = 0; i < r->asked_count; i++)
		n += !strcmp(r->asked[i].path, path);
	return n;
}

/* The last request for a path. */
static inline const char *auth_rig_last(const struct auth_rig *r, const char *path)
{
	for (int i = r->asked_count - 1; i >= 0; i--) {
		if (!strcmp(r->asked[i].path, path))
			return buf_cstr(&r->asked[i].text);
	}
	return "";
}

#endif
