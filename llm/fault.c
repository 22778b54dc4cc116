/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model server says went wrong: reads the forms of error bodies that are in use and words them for a
 * person, with what to do about it. Pure.
 *
 * Text of the server is quoted, shortened and freed of control characters; it is data, not to be trusted. The
 * caller takes the API key out of it (some servers echo the header they refuse).
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_PART_MIN = 4 }; /* fewer bytes of a key tell nothing, and would be found in plain words */

/* Copies what fits, whole characters only, controls and line ends as spaces. */
static void text_copy(char *out, size_t size, struct slice s)
{
	size_t n = utf8_valid_prefix(s.ptr, s.len);
	n = n < size ? n : utf8_cut(s.ptr, n, size - 1);
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f ? ' ' : s.ptr[i];
	out[n] = '\0';
}

static void member_copy(char *out, size_t size, const struct json *j)
{
	int64_t number;
	if (json_text(j) != NULL)
		text_copy(out, size, slice_str(json_text(j)));
	else if (json_integer(j, &number))
		snprintf(out, size, "%lld", (long long)number);
}

/* Codes are names for some servers and HTTP's numbers for others, where the status is what the number means.
 */
static void code_read(const struct json *code, struct llm_fault *f)
{
	int64_t number;
	member_copy(f->code, sizeof(f->code), code);
	if (json_integer(code, &number) && number >= 400 && number <= 599 && f->status < 400)
		f->status = (int)number;
}

bool llm_fault_read(const struct json *j, struct llm_fault *f)
{
	if (json_is(j, JSON_ARRAY))
		j = json_at(j, 0);
	const struct json *error = json_get(j, "error");
	if (json_text(error) != NULL && json_text(error)[0] != '\0') {
		member_copy(f->message, sizeof(f->message), error);
		return true;
	}
	if (json_is(error, JSON_OBJECT)) {
		j = error;
	} else if (json_get(j, "detail") != NULL && json_get(j, "choices") == NULL) {
		member_copy(f->message, sizeof(f->message), json_get(j, "detail"));
		return true;
	} else if (json_text(json_get(j, "message")) == NULL || json_get(j, "choices") != NULL) {
		return false;
	}
	member_copy(f->message, sizeof(f->message), json_get(j, "message"));
	member_copy(f->type, sizeof(f->type),
		    json_get(j, "type") != NULL ? json_get(j, "type") : json_get(j, "status"));
	member_copy(f->param, sizeof(f->param), json_get(j, "param"));
	code_read(json_get(j, "code"), f);
	const struct json *detail = json_pointer(j, "/details/error_code");
	if (detail != NULL)
		member_copy(f->code, sizeof(f->code), detail);
	return true;
}

void llm_fault_from_body(struct slice body, struct llm_fault *f)
{
	struct json *j = body.len > 0 ? json_parse(body.ptr, body.len, 0, NULL) : NULL;
	bool known = llm_fault_read(j, f);
	json_free(j);
	if (known || body.len == 0)
		return;
	size_t start = 0;
	while (start < body.len && strchr(" \t\r\n", body.ptr[start]) != NULL)
		start++;
	if (start < body.len && body.ptr[start] == '<')
		snprintf(f->message, sizeof(f->message), "(a page of HTML, not an answer of an API)");
	else
		text_copy(f->message, sizeof(f->message), body);
}

static void text_mask(char *text, const char *key)
{
	size_t key_len = strlen(key);
	if (key_len <= KEY_PART_MIN)
		return; /* a placeholder for servers that want just any key */
	for (char *at = strstr(text, key); at != NULL; at = strstr(at, key))
		memset(at, '*', key_len);
	size_t len = strlen(text);
	for (size_t n = key_len - 1; n >= KEY_PART_MIN; n--) {
		if (n <= len && memcmp(text + len - n, key, n) == 0)
			memset(text + len - n, '*', n);
	}
}

void llm_fault_mask(struct llm_fault *f, const char *key)
{
	text_mask(f->message, key);
	text_mask(f->type, key);
	text_mask(f->code, key);
	text_mask(f->param, key);
}

void llm_error_mask(struct error *e, const char *key)
{
	text_mask(e->msg, key);
}

bool llm_fault_is_money(const struct llm_fault *f)
{
	static const char *const names[] = {
		"insufficient_quota",
		"credit_balance_exhausted",
		"organization_spend_limit_exceeded",
		"project_spend_limit_exceeded",
		"organization_usage_limit_exceeded",
		"billing_hard_limit_reached",
		"enforced_spend_limit_reached",
		"contract_spend_limit_reached",
		"billing_error",
	};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(f->code, names[i]) == 0 || strcmp(f->type, names[i]) == 0)
			return true;
	}
	return f->status == 402;
}

bool llm_fault_is_format(const struct llm_fault *f)
{
	static const char *const members[] = {"response_format", "json_schema", "text.format",
					      "output_config", "output_format"};
	if (f->status != 0 && f->status != 400 && f->status != 422 && f->status != 501)
		return false;
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (strstr(f->param, members[i]) != NULL || strstr(f->message, members[i]) != NULL)
			return true;
	}
	return false;
}

struct advice {
	int status;
	enum err code;
	const char *what, *hint;
};

static const struct advice *advice_find(const struct llm_fault *f)
{
	static const struct advice money = {0, ERR_BUDGET, "has no money left for this account",
					    "check its billing and limits; waiting does not help"};
	static const struct advice rows[] = {
		{400, ERR_UPSTREAM, "refused the request", "check llm.model and llm.json_format"},
		{401, ERR_CONFIG, "did not accept the API key", "check openai.api_key"},
		{403, ERR_CONFIG, "denied access", "check openai.api_key and what it may use"},
		{404, ERR_CONFIG, "does not know the address or the model",
		 "check openai.base_url and llm.model"},
		{405, ERR_CONFIG, "does not take model calls at this address", "check openai.base_url"},
		{413, ERR_TOO_LARGE, "finds the request too large",
		 "offer fewer tools or shorten the prompt"},
		{429, ERR_UNAVAILABLE, "limits the rate of calls", "wait, or lower llm.concurrency_max"},
	};
	static const struct advice redirect = {0, ERR_CONFIG, "redirects elsewhere",
					       "set openai.base_url to the final address"};
	static const struct advice busy = {0, ERR_UPSTREAM, "failed", "see its log or status page"};
	static const struct advice within = {0, ERR_UPSTREAM, "reported an error within its answer",
					     "see its log or status page"};
	static const struct advice other = {0, ERR_UPSTREAM, "answered with an error",
					    "check openai.base_url and llm.model"};
	if (llm_fault_is_money(f))
		return &money;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (rows[i].status == f->status)
			return &rows[i];
	}
	if (f->status >= 300 && f->status < 400)
		return &redirect;
	if (f->status == 0)
		return &within;
	return f->status >= 500 ? &busy : &other;
}

enum err llm_fault_word(const struct llm_fault *f, const struct fetch_head *h, const char *where,
			struct error *e)
{
	const struct advice *a = advice_find(f);
	struct buf b = BUF_INIT;
	buf_printf(&b, "the model server at %s %s", where, a->what);
	if (f->status != 0)
		buf_printf(&b, " (status %d%s%s)", f->status, f->code[0] != '\0' ? ", " : "", f->code);
	else if (f->code[0] != '\0' || f->type[0] != '\0')
		buf_printf(&b, " (%s)", f->code[0] != '\0' ? f->code : f->type);
	if (f->message[0] != '\0')
		buf_printf(&b, ": %s", f->message);
	if (f->status >= 300 && f->status < 400 && h->location[0] != '\0') {
		char *to = url_shown(h->location);
		buf_printf(&b, ": to %s", to);
		free(to);
	}
	buf_printf(&b, "; %s", a->hint);
	if (h->request_id[0] != '\0')
		buf_printf(&b, " [request %s]", h->request_id);
	err_set(e, a->code, "%s", buf_cstr(&b));
	buf_release(&b);
	return a->code;
}
