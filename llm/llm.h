/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Language models. One internal form of a conversation; encoders and decoders per wire; a list of providers,
 * of which each role asks some in order; and `offline`, a deterministic, rule-based stand-in that needs no
 * key and says in every answer that no language model was used. A call streams, is retried by the rules of
 * the official SDKs before its first byte was passed on, goes on to the next provider likewise, can be
 * cancelled at any time, and ends exactly once.
 */
#ifndef LLM_LLM_H
#define LLM_LLM_H

#include "base/base.h"

/* The rules without a model, OpenAI Chat Completions, OpenAI Responses, Anthropic Messages. */
enum llm_api { LLM_OFFLINE, LLM_CHAT, LLM_RESPONSES, LLM_MESSAGES };

/* Millionths of the currency's unit per million tokens, which is millionths of a millionth per token; -1: not
 * known. */
struct llm_prices {
	int64_t input, cached, cache_write, output;
};

/* One provider. */
struct llm_options {
	const char *name; /* as events, logs and errors call it; NULL: "offline" or "openai" */
	enum llm_api api;
	const char
		*base_url; /* "https://api.openai.com/v1", "{model}" in it is the model; "": the API's own */
	const char *api_key; /* NULL or "": no header with a key */
	const char *model;
	const char *api_version;      /* LLM_MESSAGES: "2023-06-01" or "2026-10-21"; NULL or "": the former */
	const char *key_header;       /* "api-key" for Azure; NULL or "": what the API says */
	const char *const *headers;   /* further ones, "Name: value", the last NULL; NULL: none */
	const char *reasoning_effort; /* "none" ... "max"; NULL or "": not sent */
	enum {
		LLM_THINKING_AUTO,
		LLM_THINKING_ADAPTIVE,
		LLM_THINKING_BUDGET,
		LLM_THINKING_OFF
	} thinking;          /* LLM_MESSAGES; auto: nothing is said */
	int thinking_tokens; /* the budget */
	enum {
		LLM_ECHO_REASONING_CONTENT,
		LLM_ECHO_REASONING,
		LLM_ECHO_OFF
	} reasoning_echo;     /* LLM_CHAT: the member in which reasoning goes back */
	bool text_tool_calls; /* LLM_CHAT: <tool_call> in the text is a call */
	enum {
		LLM_CACHE_AUTO,
		LLM_CACHE_ON,
		LLM_CACHE_OFF
	} prompt_cache; /* ask for prompt caching; auto: not of LLM_CHAT, whose servers may not know it */
	const char *ca_file; /* NULL: the system's */
	const char *proxy;   /* NULL: environment; "": none */
	int64_t connect_ms, first_byte_ms, idle_ms, call_ms_max;
	int retries_max;
	int64_t retry_wait_ms_max; /* a longer Retry-After fails the call at once */
	int max_output_tokens;     /* 0: not sent */
	size_t response_bytes_max;
	int concurrency_max; /* calls at once per process; more wait */
	struct llm_prices prices;
	enum {
		LLM_FORMAT_SCHEMA,
		LLM_FORMAT_OBJECT,
		LLM_FORMAT_NONE
	} json_format; /* what the server can be asked for */
};

enum llm_role { LLM_PLANNER, LLM_EXECUTOR, LLM_WRITER };

enum { LLM_ROLES = LLM_WRITER + 1, LLM_PROVIDERS_MAX = 32 };

/* What all processes share of each provider: its breaker, its limits. By whoever has a store; without it
 * nothing is shared. */
enum llm_permit {
	LLM_GO,   /* one attempt may be made, and is to be reported */
	LLM_HOLD, /* a limit is reached: ask again after *wait_ms */
	LLM_SHUT, /* it has failed too often in a row: likewise, unless there is another to ask */
};
struct llm_pass {
	int64_t words[8]; /* the other side's */
};
enum llm_outcome {
	LLM_WORKED,
	LLM_FAILED,
	LLM_NEITHER /* given up by us, or put off by the provider: says nothing of its health */
};
struct llm_report {
	enum llm_outcome outcome;
	int64_t tokens;   /* used, as far as one knows */
	int64_t pause_ms; /* the provider asked for so much quiet; 0: it did not */
	const char *why;  /* what went wrong; NULL: nothing */
};
struct llm_shared {
	/* tokens: what the attempt may use. after: llm_request.after. *wait_ms -1: llm_on_room will tell. */
	enum llm_permit (*acquire)(size_t provider, int64_t tokens, uint64_t after, struct llm_pass *p,
				   int64_t *wait_ms, void *arg);
	void (*report)(size_t provider, const struct llm_pass *p, const struct llm_report *r, void *arg);
	void *arg;
};

struct llm_cassette; /* llm/cassette.h */

/* All providers, and who asks which. */
struct llm_setup {
	struct llm_shared shared;            /* acquire NULL: nothing is shared */
	const struct llm_options *providers; /* 1 or more */
	size_t providers_count;
	/* By role: indexes of providers in the order in which they are asked; count 0: all. Offline ones do
	 * not stand in one list with others. */
	size_t roles[LLM_ROLES][LLM_PROVIDERS_MAX], roles_count[LLM_ROLES];
	/* Every exchange is kept there, or answered from there, and a call that is not there ends with
	 * ERR_NOT_FOUND; borrowed. NULL: neither. */
	struct llm_cassette *cassette;
};

const char *llm_role_text(enum llm_role r); /* "planner" ... */

enum llm_speaker { LLM_SYSTEM, LLM_USER, LLM_ASSISTANT, LLM_TOOL };

struct llm_tool_call {
	const char *id;
	const char *name;      /* exposed name as it was offered */
	const char *arguments; /* text as the model wrote it; "{}" when empty; may be no JSON at all */
	const char *opaque;    /* unknown members as a JSON object, to be sent back; NULL */
};

struct llm_message {
	enum llm_speaker speaker;
	const char *text;                  /* may be NULL for an assistant turn of calls only */
	const struct llm_tool_call *calls; /* assistant only */
	size_t calls_count;
	const char *tool_call_id; /* LLM_TOOL only: which call this answers */
	bool is_error;            /* LLM_TOOL only: the call failed, text says how */
	const char *reasoning;    /* assistant only: to be echoed for providers that ask for it; NULL */
	const char *echo;         /* assistant only: llm_turn.echo of the turn this was; NULL */
};

struct llm_tool {
	const char *name;                 /* exposed */
	const char *server, *server_tool; /* NULL for the runtime's own tools (finish_step) */
	const char *title, *description;
	const struct json *schema; /* of the arguments */
	struct slice schema_text;
	bool read_only;
};

/* The same matter as the messages, structured: what `offline` works on. Encoders of real models ignore it. */
struct llm_result_of {
	const char *step_id, *title;
	const char *text; /* text of the step's result */
};
struct llm_context {
	const char *goal;        /* the task's prompt */
	const char *feedback;    /* of a rejected plan; NULL */
	const struct json *plan; /* executor and writer: the plan object; NULL for the planner */
	const char *step_id;     /* executor */
	const struct llm_result_of
		*results; /* executor: of the steps this one depends on; writer: of all, in order */
	size_t results_count;
	const char *failed; /* writer: what failed, in words; NULL */
};

/* Whether tools may, must or must not be called. */
enum llm_choice { LLM_CHOICE_AUTO, LLM_CHOICE_REQUIRED, LLM_CHOICE_NONE };

struct llm_request {
	enum llm_role role;
	const struct llm_message *messages;
	size_t messages_count;
	const struct llm_tool *tools;
	size_t tools_count;
	bool tools_in_text; /* the messages describe them (planner): encoders of real models leave them out */
	enum llm_choice tool_choice;
	const char *force_tool;       /* this tool must be called; NULL: as tool_choice says */
	struct slice response_schema; /* JSON Schema the text must follow; empty: free text */
	const char *schema_name;
	const struct llm_context *context;
	int64_t deadline_mono_ms;  /* 0: none */
	uint64_t after;            /* handed to llm_shared.acquire; 0 */
	int64_t output_tokens_max; /* of this answer, where that is less than the options say; 0 */
	const char *task_id;       /* for logs */
};

/* LLM_STOP_PAUSE: the turn goes on when it is sent back as the last message. */
enum llm_stop {
	LLM_STOP_END,
	LLM_STOP_TOOL,
	LLM_STOP_LENGTH,
	LLM_STOP_REFUSAL,
	LLM_STOP_FILTER,
	LLM_STOP_PAUSE
};
const char *llm_stop_text(enum llm_stop s);
enum llm_stop llm_stop_of(const char *text); /* LLM_STOP_END for what is none */

struct llm_usage {
	int64_t input_tokens; /* all of them: also those read from and written to a cache */
	int64_t output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens;
	bool estimated; /* the server did not say: bytes / 4 */
};

struct llm_turn {
	const char *text;      /* "" when none */
	const char *refusal;   /* NULL when none */
	const char *reasoning; /* as people may read it; NULL when none */
	/* What its API wants back with this turn beyond text and calls, in what order: a JSON text that only
	 * encoders read; NULL when nothing. */
	const char *echo;
	const struct llm_tool_call *calls;
	size_t calls_count;
	enum llm_stop stop;
	struct llm_usage usage;
	const char *model;    /* as the server named it */
	const char *provider; /* who answered */
	int64_t cost_nano;    /* billionths of the currency's unit; -1: prices are not known */
};

struct llm_handler {
	void (*on_delta)(struct slice text, void *arg); /* optional; whole UTF-8 characters */
	/* Before waiting for attempt number `attempt` (2, 3, ...). Optional. */
	void (*on_retry)(int attempt, int64_t wait_ms, const struct error *why, void *arg);
	/* An attempt failed and this provider would be asked again, or the next one after an attempt that may
	 * have to be paid for all the same (paid: the connection was lost, or nothing came in time). false,
	 * and nobody is. Optional. */
	bool (*may_repeat)(bool paid, void *arg);
	/* A provider has failed for good before any output was passed on: this one is asked next. Optional.
	 */
	void (*on_failover)(const char *provider, const char *model, const struct error *why, void *arg);
	/* Exactly once, never from within llm_call_start. turn is NULL when e->code is set; both borrowed for
	 * the callback. */
	void (*on_end)(const struct llm_turn *turn, const struct error *e, void *arg);
	void *arg;
};

struct llm;
struct llm_call;

/* The setup is copied. */
struct llm *llm_new(struct loop *l, const struct llm_setup *s);
void llm_free(struct llm *m); /* cancels what runs */
/* Of the one that this role asks first: "openai", "gpt-4.1". */
const char *llm_provider(const struct llm *m, enum llm_role r);
const char *llm_model(const struct llm *m, enum llm_role r);
bool llm_is_offline(const struct llm *m, enum llm_role r);
/* The most that a call of this role may cost, whoever answers, in billionths; 0 when no price is known. */
int64_t llm_worst_nano(const struct llm *m, enum llm_role r, int64_t input_tokens, int64_t output_tokens);
/* Most output of one answer of this role, whoever gives it; 0: somebody's is not bounded. */
int64_t llm_output_tokens_max(const struct llm *m, enum llm_role r);
/* A limit or a breaker that made calls wait may let them through now. */
void llm_on_room(struct llm *m);
/* Everything of the request is copied or encoded before it returns. Never NULL. */
struct llm_call *llm_call_start(struct llm *m, const struct llm_request *r, struct llm_handler h);
/* The transfer is dropped; on_end is NOT called; the pointer is gone. Within the call's own on_end it does
 * nothing. */
void llm_call_cancel(struct llm_call *c);

#endif
