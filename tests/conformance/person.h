/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The person who logs in, for the conformance client: looks now and then whether a server waits for a log-in,
 * asks for its authorization_url as a browser would, and hands what the redirect brings to the client half,
 * as GET /v1/oauth/callback does. It never follows the redirect.
 */
#ifndef TESTS_CONFORMANCE_PERSON_H
#define TESTS_CONFORMANCE_PERSON_H

#include "base/base.h"
#include "base/fetch.h"
#include "mcp/mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PERSON_LOOKS_MS = 10 };

struct person {
	struct loop *loop;
	struct mcp_broker *broker;
	struct mcp_client *client;
	struct fetch *fetch;
	struct loop_timer *timer;
	char *done; /* the last address that was opened */
};

/* The decoded value of a parameter of the query; the caller frees it. NULL when it is absent. */
static inline char *person_parameter(const char *url, const char *name)
{
	size_t n = strlen(name);
	for (const char *at = strchr(url, '?'); at; at = strchr(at + 1, '&')) {
		if (strncmp(at + 1, name, n) != 0 || at[1 + n] != '=')
			continue;
		const char *v = at + n + 2;
		size_t len = strcspn(v, "&#");
		char *out = xcalloc(1, len + 1), *to = out;
		for (size_t i = 0; i < len; i++) {
			unsigned byte = (unsigned char)v[i];
			if (v[i] == '%' && i + 2 < len + 1 && sscanf(v + i + 1, "%2x", &byte) == 1)
				i += 2;
			*to++ = (char)byte;
		}
		return out;
	}
	return NULL;
}

static inline void person_ended(struct slice server, const struct error *e, void *arg)
{
	(void)server;
	(void)arg;
	if (e)
		fprintf(stderr, "log-in: %s\n", e->msg);
}

static inline void person_redirected(const struct fetch_news *n, void *arg)
{
	struct person *p = arg;
	if (!n->over)
		return;
	const char *to = n->head->location;
	fprintf(stderr, "authorization_url: %d %s\n", n->head->status, n->e->code ? n->e->msg : to);
	char *code = person_parameter(to, "code"), *state = person_parameter(to, "state"),
	     *iss = person_parameter(to, "iss"), *error = person_parameter(to, "error");
	struct mcp_login login = {.code = code, .state = state, .iss = iss, .error = error};
	mcp_client_login(p->client, &login, person_ended, p);
	free(code);
	free(state);
	free(iss);
	free(error);
}

static inline void person_looks(void *arg)
{
	struct person *p = arg;
	struct buf text = BUF_INIT;
	struct error e;
	mcp_broker_servers_text(p->broker, &text);
	struct json *j = json_parse(text.data, text.len, 0, &e);
	const char *url = json_get_text(json_at(json_get(j, "servers"), 0), "authorization_url", NULL);
	if (url && (!p->done || strcmp(p->done, url) != 0)) {
		struct fetch_request r = {
			.method = "GET", .url = url, .headers = (const char *const[]){NULL}};
		free(p->done);
		p->done = xstrdup(url);
		fetch_start(p->fetch, &r, person_redirected, p);
	}
	json_free(j);
	buf_release(&text);
	loop_timer_set(p->timer, PERSON_LOOKS_MS);
}

static inline void person_open(struct person *p, struct loop *l, struct mcp_broker *b, struct mcp_client *c)
{
	static const struct fetch_words words = {"the authorization server", "", "", "", "", "", "", ""};
	struct fetch_options o = {.words = &words, .response_bytes_max = 1 << 20};
	*p = (struct person){.loop = l, .broker = b, .client = c};
	p->fetch = fetch_new(l, &o);
	p->timer = loop_timer_new(l, person_looks, p);
	loop_timer_set(p->timer, PERSON_LOOKS_MS);
}

static inline void person_close(struct person *p)
{
	loop_timer_free(p->timer);
	fetch_free(p->fetch);
	free(p->done);
}

#endif
