/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: a YAML file, the environment and --set, checked against one table (options.def) and turned
 * into a plain struct; and the registry of tool servers. Read once, before any process is forked; a running
 * process never reads it again. Order, later wins: defaults, file, environment, --set.
 *
 * Every error is ERR_CONFIG with a message that names the place (file:line:column, the variable, or --set),
 * the key, what is allowed and, for an unknown name, the nearest right one. May block on files: boot path
 * only.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/base.h"

enum conf_llm_api { CONF_LLM_AUTO, CONF_LLM_OFFLINE, CONF_LLM_CHAT, CONF_LLM_RESPONSES, CONF_LLM_MESSAGES };
enum conf_reasoning_echo { CONF_ECHO_REASONING_CONTENT, CONF_ECHO_REASONING, CONF_ECHO_OFF };
enum conf_thinking { CONF_THINKING_AUTO, CONF_THINKING_ADAPTIVE, CONF_THINKING_BUDGET, CONF_THINKING_OFF };
enum conf_prompt_cache { CONF_CACHE_AUTO, CONF_CACHE_ON, CONF_CACHE_OFF };
enum conf_switch { CONF_OFF, CONF_ON };
enum conf_backend { CONF_BACKEND_SQLITE, CONF_BACKEND_MEMORY };
enum conf_json_format { CONF_FORMAT_SCHEMA, CONF_FORMAT_OBJECT, CONF_FORMAT_NONE };
enum conf_approval { CONF_APPROVAL_REQUIRED, CONF_APPROVAL_AUTO, CONF_APPROVAL_POLICY };
enum conf_decision { CONF_ALLOW, CONF_ASK, CONF_DENY };

/* --- agent.rules: which tool calls are made --- */

enum { CONF_RULES_MAX = 200, CONF_RULE_ARGUMENTS_MAX = 16 };

struct conf_rule {
	char *server, *tool; /* patterns; NULL: any */
	unsigned effects;    /* bits 1 << 0 read, 1 << 1 idempotent, 1 << 2 write; 0: any */
	struct conf_rule_argument {
		char *name, *pattern;
	} arguments[CONF_RULE_ARGUMENTS_MAX];
	size_t arguments_count;
	enum conf_decision decision;
};

struct conf_rules {
	struct conf_rule *list;
	size_t count;
};

struct conf_env_pair {
	const char *name, *value;
};

/* --- model providers --- */

enum { CONF_MONEY_DECIMALS = 9 }; /* amounts are billionths of the unit */
enum { CONF_PROVIDERS_MAX = 32, CONF_PROVIDER_NAME_MAX = 48, CONF_ROLES = 3 };

/* A price in millionths of the currency's unit per million tokens; -1: not known. */
struct conf_prices {
	int64_t input, cached, cache_write, output;
};

/* One entry of llm.providers; texts are never NULL, and numbers are settled: what the entry does not say is
 * as the option of the same name in `llm` says. */
struct conf_provider {
	const char *name; /* [A-Za-z0-9_-], unique */
	enum conf_llm_api api;
	const char *base_url, *model, *ca_file, *proxy;
	const char *api_version, *key_header, *reasoning_effort;
	const char *key;               /* a secret; "": none */
	struct conf_env_pair *headers; /* of each request; the values are secrets */
	size_t headers_count;
	int64_t connect_seconds, first_byte_seconds, idle_seconds, call_seconds;
	int64_t retries_max, max_output_tokens, thinking_tokens;
	/* enum conf_json_format, and so on */
	int64_t json_format, reasoning_echo, thinking, prompt_cache, text_tool_calls;
	/* Of all workers together; 0: no limit. */
	int64_t max_concurrency, requests_per_minute, tokens_per_minute;
	struct conf_prices prices;
};

struct conf_providers {
	struct conf_provider *list; /* 1 or more once loaded */
	size_t count;
	/* Planner, executor, writer: indexes into list, in the order in which they are asked. */
	size_t roles[CONF_ROLES][CONF_PROVIDERS_MAX], roles_count[CONF_ROLES];
	bool keyless; /* conf_load_keyless */
	bool listed;  /* llm.providers was given; else the one provider is made of the flat options */
	/* Names of the variables that hold keys and headers, each once. */
	char **variables;
	size_t variables_count;
};

/* All options, as conf->server.port, conf->limits.body_bytes and so on; texts are never NULL and owned by the
 * conf. After conf_load llm.api is never CONF_LLM_AUTO; server.workers is 0 for auto. Read-only once loaded.
 */
struct conf {
#define OPT_SECTION(section, doc)                        struct conf_##section {
#define OPT_INT(section, name, def, min, max, unit, doc) int64_t name;
#define OPT_AUTO(section, name, min, max, unit, doc)     int64_t name;
#define OPT_MONEY(section, name, doc)                    int64_t name;
#define OPT_TEXT(section, name, def, doc)                const char *name;
#define OPT_URL(section, name, def, doc)                 const char *name;
#define OPT_SECRET(section, name, doc)                   const char *name;
#define OPT_ENUM(section, name, type, def, words, doc)   type name;
#define OPT_END(section) \
	}                \
	section;
#include "conf/options.def"
	struct conf_providers providers;
	struct conf_rules rules;
	const char *path; /* the file that was read; NULL when there was none */
};

/* Looks a variable up; NULL when it is not set. Production passes conf_env_process. */
typedef const char *conf_env_fn(const char *name, void *arg);
const char *conf_env_process(const char *name, void *arg); /* getenv(3) */

/* path NULL: AGENT_RUNTIME_CONFIG, else ./config.yaml, else /etc/agent-runtime/config.yaml, else defaults
 * alone. sets: "key.path=value" texts of --set, in order. On failure *out is untouched. The caller frees
 * *out. */
must_check enum err conf_load(const char *path, const char *const *sets, size_t sets_count, conf_env_fn *env,
			      void *env_arg, struct conf **out, struct error *e);
/* The same for a service that asks no model server: keys and headers of providers are left empty, whatever
 * variables and files they name, and llm.api auto is chat. */
must_check enum err conf_load_keyless(const char *path, const char *const *sets, size_t sets_count,
				      conf_env_fn *env, void *env_arg, struct conf **out, struct error *e);
void conf_free(struct conf *c); /* wipes secrets; NULL is fine */
/* Wipes the secrets from this process's memory and leaves "": for processes that make no model calls. */
void conf_forget_secrets(struct conf *c);
/* YAML of every option as it is in force, loadable again; a secret that is set prints as "***". */
void conf_print_effective(const struct conf *c, struct buf *out);

struct slice conf_llm_api_text(enum conf_llm_api api); /* as llm.api says it: "chat" */

/* --- registry of tool servers --- */
enum conf_tool_type { CONF_TOOL_STDIO, CONF_TOOL_HTTP };
enum { CONF_TOOL_ID_MAX = 48, CONF_TOOL_SERVERS_MAX = 256 };

/* Which of a server's annotations are believed. */
enum conf_trust { CONF_TRUST_LOCAL_READS, CONF_TRUST_ALL, CONF_TRUST_NONE };
enum conf_effect { CONF_EFFECT_WRITE, CONF_EFFECT_IDEMPOTENT, CONF_EFFECT_READ };
enum { CONF_TOOL_EFFECTS_MAX = 2000 }; /* of one server */

/* Who may have written what its tools return. */
enum conf_output { CONF_OUTPUT_DEFAULT, CONF_OUTPUT_TRUSTED, CONF_OUTPUT_UNTRUSTED };

struct conf_tool_effect {
	const char *tool;
	enum conf_effect effect;
};

/* How requests to a remote server are authorized. */
enum conf_auth_type {
	CONF_AUTH_AUTO,
	CONF_AUTH_NONE,
	CONF_AUTH_BEARER,
	CONF_AUTH_CLIENT, /* client credentials */
	CONF_AUTH_CODE,   /* a person logs in */
};

/* What is NULL is not given; secrets are the texts themselves, wherever they came from. */
struct conf_auth {
	enum conf_auth_type type;
	const char *token;
	const char *client_id, *client_secret;
	const char *private_key, *key_alg; /* PEM; "RS256" or "ES256" */
	const char *issuer;                /* the one that client_id belongs to */
	const char *scopes;                /* words with spaces */
	const char *client_metadata_url, *redirect_uri;
	bool allow_private; /* addresses that the server supplies may be private ones */
};

/* What a local server may touch and use besides what every program needs. */
enum conf_network { CONF_NETWORK_NONE, CONF_NETWORK_LOOPBACK, CONF_NETWORK_ALL };
enum {
	CONF_SANDBOX_PATHS_MAX = 256,
	CONF_SANDBOX_MEMORY_MIB = 4096,
	CONF_SANDBOX_PROCESSES = 512,
	CONF_SANDBOX_FILES = 4096,
	CONF_SANDBOX_FILE_SIZE_MIB = 4096,
};

struct conf_sandbox {
	bool off;                               /* no confinement at all */
	bool log_files;                         /* those it is refused */
	bool require;                           /* not started where the kernel lacks a part of it */
	const char *const *read, *const *write; /* absolute, NULL-terminated; NULL: none */
	enum conf_network network;
	/* 0: no limit. Memory, files and CPU time are those of one process. */
	int64_t cpu_seconds, memory_mib, processes, files, file_size_mib;
};

/* How many instances of a server there are. */
enum conf_scope { CONF_SCOPE_SHARED, CONF_SCOPE_TASK };
enum { CONF_SCOPE_INSTANCES = 16, CONF_SCOPE_INSTANCES_MAX = 10000, CONF_SCOPE_IDLE_SECONDS = 3600 };
struct conf_scoping {
	enum conf_scope scope;
	int64_t max_instances, warm;
	int64_t idle_stop_seconds; /* 0: never */
	int64_t lifetime_seconds;  /* 0: no limit */
	int64_t start_seconds;     /* 0: tools.start_seconds */
};

enum conf_era { CONF_ERA_DEFAULT, CONF_ERA_HANDSHAKE, CONF_ERA_MODERN, CONF_ERA_AUTO };

/* How a remote server is reached; NULL: not given. */
struct conf_remote {
	const struct conf_env_pair *headers; /* of each request; the values are secrets */
	size_t headers_count;
	const char *ca_file, *cert_file, *key_file;
	const char *proxy; /* "": none, whatever the environment says */
};

/* Whether a server may have the task's model answer something: no; when a person agrees; yes. */
enum conf_sampling { CONF_SAMPLING_OFF, CONF_SAMPLING_ASK, CONF_SAMPLING_ON };
enum { CONF_ROOTS_MAX = 64 };

struct conf_tool_server {
	const char *id; /* [A-Za-z0-9_-], at most CONF_TOOL_ID_MAX, unique */
	bool enabled;
	enum conf_tool_type type;
	const char *command; /* CONF_TOOL_STDIO: as written, looked up in PATH when without '/'; else NULL */
	const char *const *args;         /* NULL-terminated, without the command; never NULL */
	const struct conf_env_pair *env; /* what the child gets besides the standing allow-list */
	size_t env_count;
	const char *cwd; /* NULL: the service's */
	const char *url; /* CONF_TOOL_HTTP; else NULL */
	struct conf_auth auth;
	struct conf_remote remote;
	enum conf_era era;
	int64_t timeout_seconds; /* a call without answer or progress; 0: tools.call_idle_seconds */
	enum conf_trust trust;
	enum conf_output output;
	const struct conf_tool_effect *effects; /* what calls of these tools do, whatever the server says */
	size_t effects_count;
	struct conf_sandbox sandbox; /* CONF_TOOL_STDIO */
	struct conf_scoping scope;
	const char *const *roots; /* absolute folders, NULL-terminated; NULL: none */
	enum conf_sampling sampling;
	const char *log_level; /* as the protocol names it; never NULL */
	/* Stands for all that the entry says, with what its variables and files hold: an entry with the same
	 * one is the same. */
	const char *fingerprint;
};

struct conf_registry {
	const char *path; /* NULL when there is no registry; then no servers */
	struct conf_tool_server *servers;
	size_t servers_count;
	/* Names of the variables that enabled entries use, each once: what they hold may be
	 * credentials, which only the process that runs the servers must have. */
	const char **variables;
	size_t variables_count;
};

/* The file is tools.registry (relative to the folder of the configuration file), else tool_registry.yaml
 * beside the configuration file, else there is none and the registry is empty. ${NAME} in args, env values,
 * command, cwd and url is replaced from the environment; ${REGISTRY_DIR} is the absolute folder of the file.
 * A relative command with '/' and a relative cwd are not touched: say ${REGISTRY_DIR}. The caller frees *out.
 */
must_check enum err conf_registry_load(const struct conf *c, conf_env_fn *env, void *env_arg,
				       struct conf_registry **out, struct error *e);
void conf_registry_free(
	struct conf_registry *r); /* wipes all its texts (they may be credentials); NULL is fine */

#endif
