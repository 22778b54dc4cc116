/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One provider: its options, where it is asked and with which headers, its transport. It owns copies of all
 * texts; the key is wiped when it goes. What is asked of it is try.c's.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

#include <stdlib.h>
#include <string.h>

static void warn_unencrypted(const struct llm_provider *m)
{
	const struct llm_options *o = &m->options;
	if (o->api_key[0] != '\0' && strncmp(m->url, "http://", 7) == 0 && !url_is_loopback(m->url))
		log_warn("the API key is sent unencrypted: use https in base_url",
			 LF_STR("provider", o->name), LF_STR("server", m->shown));
}

static const struct fetch_words words = {.peer = "the model server",
					 .address = "openai.base_url",
					 .proxy = "llm.proxy",
					 .ca_file = "llm.ca_file",
					 .connect = "llm.connect_seconds",
					 .first_byte = "llm.first_byte_seconds",
					 .idle = "llm.idle_seconds",
					 .response = "llm.response_bytes"};

struct llm_provider *llm_provider_new(struct loop *l, const struct llm_options *o)
{
	struct llm_provider *m = xcalloc(1, sizeof(*m));
	m->loop = l;
	m->options = *o;
	m->options.name = xstrdup(o->name != NULL ? o->name : o->api == LLM_OFFLINE ? "offline" : "openai");
	m->options.base_url = xstrdup(o->base_url != NULL ? o->base_url : "");
	m->options.api_key = xstrdup(o->api_key != NULL ? o->api_key : "");
	m->options.model = xstrdup(o->model != NULL ? o->model : "");
	m->options.reasoning_effort = xstrdup(o->reasoning_effort != NULL ? o->reasoning_effort : "");
	m->options.ca_file = NULL; /* both are the transport's */
	m->options.proxy = NULL;
	m->wire = llm_wire_of(o->api);
	if (m->wire != NULL) {
		m->url = llm_wire_url(m->wire, &m->options);
		m->headers = llm_wire_headers(m->wire, &m->options);
		llm_wire_origin(m->wire, &m->options, m->origin);
	}
	m->options.api_version = m->options.key_header = NULL; /* they are in the headers now */
	m->options.headers = NULL;
	m->shown = url_shown(m->url != NULL ? m->url : "");
	if (m->wire == NULL)
		return m;
	ensure(o->concurrency_max > 0);
	m->fetch = fetch_new(l, &(struct fetch_options){.words = &words,
							.ca_file = o->ca_file,
							.proxy = o->proxy,
							.connect_ms = o->connect_ms,
							.first_byte_ms = o->first_byte_ms,
							.idle_ms = o->idle_ms,
							.response_bytes_max = o->response_bytes_max});
	warn_unencrypted(m);
	return m;
}

/* Text of the options that is ours, wiped: one of them is the API key. */
static void text_wipe(const char *text)
{
	char *own = (char *)(uintptr_t)text;
	if (own != NULL)
		explicit_bzero(own, strlen(own));
	free(own);
}

void llm_provider_free(struct llm_provider *m)
{
	llm_tries_drop(m);
	if (m->fetch != NULL)
		fetch_free(m->fetch);
	text_wipe(m->options.base_url);
	text_wipe(m->options.api_key);
	text_wipe(m->options.model);
	text_wipe(m->options.name);
	text_wipe(m->options.reasoning_effort);
	llm_headers_free(m->headers);
	free(m->url);
	free(m->shown);
	free(m);
}
