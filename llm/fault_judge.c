/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kind of failure a model call ended with, and what follows from that for trying again. Pure.
 *
 * The names that the server itself gave come first, since statuses mislead: want of money comes as 429, an
 * overload as 503 or 529, an error inside a stream with no status at all. Only then the status, then the way
 * the connection ended. `x-should-retry` overrides whether the failure may pass, never that money is out.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ASKED_MAX = 1 << 30 };

const char *llm_fault_kind_text(enum llm_fault_kind k)
{
	static const char *const text[] = {"request",  "format", "money", "access", "rate",
					   "overload", "busy",   "lost",  "answer"};
	ensure((size_t)k < COUNT_OF(text));
	return text[k];
}

static bool fault_is(const struct llm_fault *f, const char *name)
{
	return strcmp(f->code, name) == 0 || strcmp(f->type, name) == 0;
}

struct name_kind {
	const char *name;
	enum llm_fault_kind kind;
};

/* Codes and types of OpenAI and Anthropic, and Google's where compatible servers pass them on. */
static const struct name_kind names[] = {
	{"slow_down", LLM_FAULT_OVERLOAD},          {"server_is_overloaded", LLM_FAULT_OVERLOAD},
	{"overloaded_error", LLM_FAULT_OVERLOAD},   {"service_unavailable_error", LLM_FAULT_OVERLOAD},
	{"rate_limit_exceeded", LLM_FAULT_RATE},    {"rate_limit_error", LLM_FAULT_RATE},
	{"RESOURCE_EXHAUSTED", LLM_FAULT_RATE},     {"invalid_api_key", LLM_FAULT_ACCESS},
	{"authentication_error", LLM_FAULT_ACCESS}, {"permission_error", LLM_FAULT_ACCESS},
	{"model_not_found", LLM_FAULT_ACCESS},      {"not_found_error", LLM_FAULT_ACCESS},
	{"server_error", LLM_FAULT_BUSY},           {"api_error", LLM_FAULT_BUSY},
	{"timeout_error", LLM_FAULT_BUSY},          {"INTERNAL", LLM_FAULT_BUSY},
	{"UNAVAILABLE", LLM_FAULT_OVERLOAD},
};

static const struct name_kind *find_name(const struct llm_fault *f)
{
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (fault_is(f, names[i].name))
			return &names[i];
	}
	return NULL;
}

static enum llm_fault_kind kind_of_status(int status)
{
	switch (status) {
	case 401:
	case 403:
	case 404:
	case 405: return LLM_FAULT_ACCESS;
	case 429: return LLM_FAULT_RATE;
	case 529:
	case 503: return LLM_FAULT_OVERLOAD;
	case 408:
	case 409: return LLM_FAULT_BUSY;
	}
	if (status >= 500)
		return LLM_FAULT_BUSY;
	return status >= 400 ? LLM_FAULT_REQUEST : LLM_FAULT_ACCESS; /* 3xx: the address is another */
}

static enum llm_fault_kind kind_find(const struct llm_fault *f, enum err how)
{
	if (llm_fault_is_money(f))
		return LLM_FAULT_MONEY;
	if (llm_fault_is_format(f))
		return LLM_FAULT_FORMAT;
	const struct name_kind *n = find_name(f);
	if (n != NULL)
		return n->kind;
	if (f->status >= 300)
		return kind_of_status(f->status);
	return how == ERR_LOST || how == ERR_UNAVAILABLE || how == ERR_TIMEOUT ? LLM_FAULT_LOST
									       : LLM_FAULT_ANSWER;
}

static bool number_read(const char *text, double *out)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	*out = strtod(text, &end);
	return *end == '\0' && *out < ASKED_MAX;
}

static int64_t asked_ms(const struct fetch_head *h, int64_t wall_ms)
{
	double number;
	if (number_read(h->retry_after_ms, &number))
		return (int64_t)number;
	if (number_read(h->retry_after, &number))
		return (int64_t)(number * 1000);
	struct tm tm = {0};
	const char *end = strptime(h->retry_after, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (h->retry_after[0] == '\0' || end == NULL || *end != '\0')
		return -1;
	int64_t ms = (int64_t)timegm(&tm) * 1000 - wall_ms;
	return ms > 0 ? ms : 0;
}

struct llm_verdict llm_fault_judge(const struct llm_fault *f, const struct fetch_head *h, enum err how,
				   int64_t wall_ms)
{
	struct llm_verdict v = {.kind = kind_find(f, how), .asked_ms = asked_ms(h, wall_ms)};
	v.passing = v.kind == LLM_FAULT_RATE || v.kind == LLM_FAULT_OVERLOAD || v.kind == LLM_FAULT_BUSY ||
		    v.kind == LLM_FAULT_LOST;
	if (v.kind == LLM_FAULT_MONEY)
		return v;
	if (strcasecmp(h->should_retry, "true") == 0)
		v.passing = true;
	if (strcasecmp(h->should_retry, "false") == 0)
		v.passing = false;
	return v;
}
