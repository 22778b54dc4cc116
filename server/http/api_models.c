/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/models: the model providers as they are configured, and what all workers together know of each: its
 * breaker, what is in flight, what its limits are and how far they are used, the last thing that went wrong.
 * No key and no header is known here.
 */
#include "base/base.h"
#include "http/api_int.h"
#include "http/http_int.h"

static const char *const no_parameters[] = {NULL};

static void seconds_write(struct jw *w, const char *name, int64_t ms)
{
	jw_name(w, name);
	jw_double(w, (double)ms / 1000);
}

static void roles_write(struct jw *w, unsigned roles)
{
	static const char *const names[] = {"planner", "executor", "writer"};
	jw_name(w, "roles");
	jw_array(w);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (roles >> i & 1)
			jw_text(w, names[i]);
	jw_array_end(w);
}

/* 0 is no limit. */
static void limit_write(struct jw *w, const char *name, int64_t limit)
{
	jw_name(w, name);
	if (limit > 0)
		jw_int(w, limit);
	else
		jw_null(w);
}

static void breaker_write(struct jw *w, const struct gate_view *v)
{
	static const char *const states[] = {"closed", "open", "half_open"};
	jw_name(w, "breaker");
	jw_object(w);
	jw_kv_text(w, "state", states[v->state]);
	jw_kv_int(w, "failures_in_a_row", v->failures);
	limit_write(w, "opens_after", v->limits.breaker_failures);
	jw_kv_int(w, "opened", (int64_t)v->trips);
	seconds_write(w, "open_for_seconds", v->shut_ms);
	jw_object_end(w);
}

static void limits_write(struct jw *w, const struct gate_view *v)
{
	jw_name(w, "limits");
	jw_object(w);
	limit_write(w, "max_concurrency", v->limits.concurrency_max);
	limit_write(w, "requests_per_minute", v->limits.requests_per_minute);
	limit_write(w, "tokens_per_minute", v->limits.tokens_per_minute);
	jw_object_end(w);
	jw_name(w, "last_minute");
	jw_object(w);
	jw_kv_int(w, "requests", v->requests);
	jw_kv_int(w, "tokens", v->tokens);
	jw_object_end(w);
}

static void error_write(struct jw *w, const struct gate_view *v)
{
	char at[CLOCK_TEXT_SIZE];
	jw_name(w, "last_error");
	if (v->error[0] == '\0') {
		jw_null(w);
		return;
	}
	clock_format(v->error_ms, at);
	jw_object(w);
	jw_kv_text(w, "at", at);
	jw_kv_text(w, "message", v->error);
	jw_object_end(w);
}

static void model_write(struct jw *w, const struct http_model *m, const struct gate_view *v)
{
	jw_object(w);
	jw_kv_text(w, "provider", m->provider);
	jw_kv_text(w, "model", m->model);
	jw_kv_text(w, "api", m->api);
	jw_kv_text(w, "base_url", m->base_url[0] != '\0' ? m->base_url : NULL);
	roles_write(w, m->roles);
	breaker_write(w, v);
	jw_kv_int(w, "in_flight", v->in_flight);
	jw_kv_int(w, "calls", (int64_t)v->calls);
	jw_kv_int(w, "failed", (int64_t)v->failed);
	limits_write(w, v);
	seconds_write(w, "paused_for_seconds", v->pause_ms);
	error_write(w, v);
	jw_object_end(w);
}

void api_models(struct http_request *r)
{
	struct buf body = BUF_INIT;
	struct jw w = JW(&body);
	struct gate_view v;
	if (!api_query_check(r, no_parameters))
		return;
	jw_object(&w);
	jw_name(&w, "models");
	jw_array(&w);
	for (uint32_t i = 0; i < store_gates(r->http->store); i++) {
		gate_view_get(r->http->store, i, clock_mono_ms(), &v);
		model_write(&w, &r->http->options.models[i], &v);
	}
	jw_array_end(&w);
	jw_object_end(&w);
	http_reply(r, 200, "application/json", "Cache-Control: no-store\r\n", buf_slice(&body));
	buf_release(&body);
}
