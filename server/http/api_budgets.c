/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/budgets: what the present day (UTC) has cost, of the whole service and of each tenant that has
 * worked today, beside what they may spend. What is charged is what was used, and the worst of what is under
 * way or was lost. Days are only counted where one of budgets.tenant_day_* and budgets.service_day_* is set.
 */
#include "base/base.h"
#include "http/api_int.h"
#include "http/http_int.h"

#include <string.h>

enum { DAY_MS = 24 * 3600 * 1000 };
static const double NANO = 1e9;
static const char *const parameters[] = {"tenant", "limit", NULL};

static void money_write(struct jw *w, int64_t nano)
{
	jw_name(w, "cost");
	jw_double(w, (double)nano / NANO);
}

static void charged_write(struct jw *w, const struct budget_sums *s)
{
	jw_name(w, "charged");
	jw_object(w);
	jw_kv_int(w, "input_tokens", s->input_tokens);
	jw_kv_int(w, "output_tokens", s->output_tokens);
	jw_kv_int(w, "total_tokens", s->input_tokens + s->output_tokens);
	money_write(w, s->cost_nano);
	jw_kv_int(w, "model_calls", s->model_calls);
	jw_kv_int(w, "tool_calls", s->tool_calls);
	jw_object_end(w);
}

static void limit_write(struct jw *w, const char *name, int64_t limit)
{
	if (limit > 0)
		jw_kv_int(w, name, limit);
}

static void limits_write(struct jw *w, const char *name, const struct budget_caps *c)
{
	jw_name(w, name);
	jw_object(w);
	limit_write(w, "input_tokens", c->input_tokens);
	limit_write(w, "output_tokens", c->output_tokens);
	limit_write(w, "total_tokens", c->total_tokens);
	if (c->cost_nano > 0)
		money_write(w, c->cost_nano);
	limit_write(w, "model_calls", c->model_calls);
	limit_write(w, "tool_calls", c->tool_calls);
	jw_object_end(w);
}

/* The tenants of today in the order in which they came; false: there are more than limit. */
static bool tenants_write(struct store *s, struct jw *w, const char *only, uint64_t limit, int64_t now_ms)
{
	struct budget_view v;
	uint64_t written = 0;
	jw_name(w, "tenants");
	jw_array(w);
	for (uint32_t i = 1; budget_view_get(s, i, now_ms, &v); i++) {
		if (v.tenant[0] == '\0' || (only != NULL && strcmp(only, v.tenant) != 0))
			continue;
		if (written++ == limit)
			break;
		jw_object(w);
		jw_kv_text(w, "tenant", v.tenant);
		charged_write(w, &v.charged);
		jw_object_end(w);
	}
	jw_array_end(w);
	return written <= limit;
}

static void day_write(struct jw *w, int64_t now_ms)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t day_ms = budget_day(now_ms) * DAY_MS;
	clock_format(day_ms, text);
	jw_name(w, "day");
	jw_text_n(w, text, strlen("2026-01-01"));
	clock_format(day_ms + DAY_MS, text);
	jw_kv_text(w, "ends_at", text);
}

static void budgets_write(struct store *s, struct jw *w, const char *tenant, uint64_t limit)
{
	int64_t now_ms = clock_wall_ms();
	struct budget_caps of_tenant, of_service;
	struct budget_view all = {0};
	store_budget_caps(s, &of_tenant, &of_service);
	(void)budget_view_get(s, 0, now_ms, &all);
	jw_object(w);
	jw_kv_bool(w, "counted", store_has_budgets(s));
	day_write(w, now_ms);
	jw_name(w, "service");
	jw_object(w);
	charged_write(w, &all.charged);
	limits_write(w, "limits", &of_service);
	jw_object_end(w);
	limits_write(w, "tenant_limits", &of_tenant);
	jw_kv_bool(w, "more", !tenants_write(s, w, tenant, limit, now_ms));
	jw_object_end(w);
}

void api_budgets(struct http_request *r)
{
	struct buf body = BUF_INIT;
	struct jw w = JW(&body);
	struct error e = {0};
	uint64_t limit;
	if (!api_query_check(r, parameters))
		return;
	const char *tenant = http_query_get(r->arena, r->query, "tenant", &e);
	if ((tenant == NULL && e.code != ERR_NONE) || api_limit_parse(r, &limit, &e) != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	budgets_write(r->http->store, &w, tenant, limit);
	http_reply(r, 200, "application/json", "Cache-Control: no-store\r\n", buf_slice(&body));
	buf_release(&body);
}
