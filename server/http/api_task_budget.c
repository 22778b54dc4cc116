/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a new task may spend: what the request says, else what the configuration says, and never more than the
 * configuration allows. The limits are kept with the task, so that a later configuration does not change what
 * was promised. And whose task it is, as a gateway in front says.
 */
#include "base/base.h"
#include "http/api_int.h"
#include "http/http_int.h"

#include <math.h>
#include <string.h>

static const double NANO = 1e9, INTEGER_MAX = 9e15;

enum { LIMITS = 7, COST = 3 };
static const char *const names[LIMITS + 1] = {"input_tokens", "output_tokens", "total_tokens", "cost",
					      "model_calls",  "tool_calls",    "wall_seconds", NULL};

static int64_t limit_of(const struct http_budget *b, size_t i)
{
	const int64_t all[LIMITS] = {b->caps.input_tokens, b->caps.output_tokens, b->caps.total_tokens,
				     b->caps.cost_nano,    b->caps.model_calls,   b->caps.tool_calls,
				     b->wall_seconds};
	return all[i];
}

static void limit_print(struct jw *w, size_t i, int64_t v)
{
	jw_name(w, names[i]);
	if (i == COST)
		jw_double(w, (double)v / NANO);
	else
		jw_int(w, v);
}

static enum err limit_read(const struct json *given, size_t i, int64_t *out, struct error *e)
{
	char field[64];
	double v = json_number(given) * (i == COST ? NANO : 1);
	snprintf(field, sizeof field, "/budget/%s", names[i]);
	if (!json_is(given, JSON_NUMBER) || v < 1 || v > INTEGER_MAX || (i != COST && v != floor(v)))
		return err_set_field(e, ERR_FIELD, field, "%s must be %s above 0", names[i],
				     i == COST ? "a number" : "a whole number");
	*out = llround(v);
	return ERR_NONE;
}

static enum err limit_check(const struct http_options *o, const struct json *given, size_t i, int64_t *out,
			    struct error *e)
{
	int64_t most = limit_of(&o->budget_max, i);
	char field[64];
	*out = limit_of(&o->budget, i);
	if (given == NULL) {
		if (most > 0 && (*out == 0 || *out > most))
			*out = most;
		return ERR_NONE;
	}
	enum err code = limit_read(given, i, out, e);
	if (code != ERR_NONE)
		return code;
	snprintf(field, sizeof field, "/budget/%s", names[i]);
	if (i == COST && !o->prices_known)
		return err_set_field(
			e, ERR_FIELD, field,
			"a budget of money cannot be kept to: the prices of a model provider are not "
			"known (prices in llm.providers)");
	if (most > 0 && *out > most)
		return err_set_field(e, ERR_FIELD, field,
				     "%s is over what one task may spend (budgets.task_max_%s)", names[i],
				     names[i]);
	return ERR_NONE;
}

enum err api_budget_check(const struct http_options *o, const struct json *body, struct buf *out,
			  struct error *e)
{
	const struct json *budget = json_get(body, "budget");
	struct jw w = JW(out);
	bool any = false;
	if (budget != NULL && !json_is(budget, JSON_OBJECT))
		return err_set_field(e, ERR_FIELD, "/budget", "budget must be an object, not %s",
				     json_type_name(json_type(budget)));
	for (const struct json *m = json_first(budget); m != NULL; m = json_next(m)) {
		bool known = false;
		for (size_t i = 0; i < LIMITS && !known; i++)
			known = strcmp(names[i], json_name(m)) == 0;
		if (!known)
			return err_set_field(e, ERR_FIELD, "/budget",
					     "budget has no member \"%.60s\"; known here: input_tokens, "
					     "output_tokens, total_tokens, cost, model_calls, tool_calls, "
					     "wall_seconds",
					     json_name(m));
	}
	jw_object(&w);
	for (size_t i = 0; i < LIMITS; i++) {
		int64_t v;
		enum err code = limit_check(o, json_get(budget, names[i]), i, &v, e);
		if (code != ERR_NONE)
			return code;
		if (v > 0)
			limit_print(&w, i, v);
		any = any || v > 0;
	}
	jw_object_end(&w);
	if (!any)
		buf_reset(out);
	return ERR_NONE;
}

enum err api_tenant_check(const struct http_request *r, struct slice *tenant, struct error *e)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:@-";
	const char *header = r->http->options.tenant_header;
	*tenant = header != NULL ? http_request_header(r, header) : (struct slice){0};
	for (size_t i = 0; i < tenant->len; i++)
		if (strchr(letters, tenant->ptr[i]) == NULL || tenant->len >= STORE_TENANT_SIZE)
			return err_set_field(
				e, ERR_FIELD, header,
				"the tenant must be up to %d letters, digits, '_', '.', ':', '@' or '-'",
				STORE_TENANT_SIZE - 1);
	return ERR_NONE;
}
