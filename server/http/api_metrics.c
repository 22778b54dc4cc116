/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: the counters of all processes together and what is in the table, in the text format of
 * Prometheus (version 0.0.4), whichever worker is asked. What each model provider is doing has its name as a
 * label. Walking the slots of the table is all the work.
 */
#include "base/base.h"
#include "http/api_int.h"
#include "http/http_int.h"

#define PREFIX "agent_runtime_"

static const struct {
	const char *name, *help;
} counters[] = {
#define COUNTER(name, metric, help) {metric, help},
#include "store/counter.def"
#undef COUNTER
};

static void head_write(struct buf *out, const char *name, const char *help, const char *type)
{
	buf_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void value_write(struct buf *out, const char *name, const char *help, const char *type, uint64_t value)
{
	head_write(out, name, help, type);
	buf_printf(out, PREFIX "%s %llu\n", name, (unsigned long long)value);
}

static void table_write(struct store *s, struct buf *out)
{
	struct store_usage u;

	store_usage_get(s, &u);
	value_write(out, "tasks", "Tasks in the table", "gauge", u.slots_used);
	value_write(out, "tasks_unfinished", "Tasks in the table that are not over", "gauge",
		    u.slots_unfinished);
	value_write(out, "tasks_max", "Tasks that the table has room for", "gauge", u.slots);
	value_write(out, "table_bytes", "Size of the table", "gauge", u.bytes);
	value_write(out, "table_blocks", "Blocks of the table", "gauge", u.blocks);
	value_write(out, "table_blocks_used", "Blocks of the table in use", "gauge", u.blocks_used);
	value_write(out, "store_works", "1 while the store takes everything", "gauge",
		    store_health(s, NULL) == STORE_WORKS);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void label_write(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			buf_add_char(out, '\\');
		if (*text == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_char(out, *text);
	}
}

/* One figure of every provider. */
static void providers_write(struct http *h, struct buf *out, const char *name, const char *help,
			    const char *type, uint64_t (*get)(const struct gate_view *v))
{
	struct gate_view v;

	head_write(out, name, help, type);
	for (uint32_t i = 0; i < store_gates(h->store); i++) {
		gate_view_get(h->store, i, clock_mono_ms(), &v);
		buf_printf(out, PREFIX "%s{provider=\"", name);
		label_write(out, h->options.models[i].provider);
		buf_printf(out, "\"} %llu\n", (unsigned long long)get(&v));
	}
}

static uint64_t calls_get(const struct gate_view *v)
{
	return v->calls;
}

static uint64_t failed_get(const struct gate_view *v)
{
	return v->failed;
}

static uint64_t in_flight_get(const struct gate_view *v)
{
	return (uint64_t)v->in_flight;
}

static uint64_t state_get(const struct gate_view *v)
{
	return (uint64_t)v->state;
}

static uint64_t trips_get(const struct gate_view *v)
{
	return v->trips;
}

static void models_write(struct http *h, struct buf *out)
{
	if (store_gates(h->store) == 0)
		return;
	providers_write(h, out, "provider_calls_total", "Attempts at a model provider", "counter", calls_get);
	providers_write(h, out, "provider_failed_total", "Attempts that failed", "counter", failed_get);
	providers_write(h, out, "provider_in_flight", "Attempts under way", "gauge", in_flight_get);
	providers_write(h, out, "provider_breaker_state", "Circuit breaker: 0 closed, 1 open, 2 half open",
			"gauge", state_get);
	providers_write(h, out, "provider_breaker_trips_total", "Times the circuit breaker opened", "counter",
			trips_get);
}

void api_metrics(struct http_request *r)
{
	static const char *const none[] = {NULL};
	struct buf out = BUF_INIT;

	if (!api_query_check(r, none))
		return;
	for (size_t i = 0; i < COUNT_OF(counters); i++)
		value_write(&out, counters[i].name, counters[i].help, "counter",
			    store_counter(r->http->store, (enum counter)i));
	table_write(r->http->store, &out);
	models_write(r->http, &out);
	if (out.overflow)
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for the figures");
	else
		http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", "Cache-Control: no-store\r\n",
			   buf_slice(&out));
	buf_release(&out);
}
