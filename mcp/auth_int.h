/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the auth_*.c files share; nobody else includes it (auth.h is the face for the rest of the room).
 * auth.c is the state machine of one server; below it files of one duty each, none of which knows it:
 *
 *   auth_challenge   WWW-Authenticate               auth_discover   who issues tokens for this server
 *   auth_url         addresses                      auth_register   as which client we ask
 *   auth_ask         one bounded HTTP exchange      auth_code       sending a person to log in
 *   auth_sign        PKCE, signed assertions        auth_token      the token endpoint
 *   auth_scope       sets of scopes                 auth_keep       what is kept, encrypted
 *
 * Everything here may hold credentials: it is wiped when it is freed, and never logged.
 */
#ifndef MCP_AUTH_INT_H
#define MCP_AUTH_INT_H

#include "base/base.h"
#include "mcp/auth.h"

/* --- auth_secret.c: memory that held credentials --- */

void secret_free(char *s); /* NULL is fine */
/* *at takes s; what was there is wiped. */
void secret_set(char **at, char *s);
void secret_buf_release(struct buf *b);
void secret_json_free(struct json *j);           /* wipes its texts; NULL is fine */
bool secret_equal(const char *a, const char *b); /* in time that tells nothing but the lengths */

/* --- auth_challenge.c: WWW-Authenticate (RFC 9110 section 11.6.1) --- */

enum { CHALLENGE_VALUE_SIZE = 1024 };

/* The first Bearer challenge of all in the header; "" for what is absent, or too long to be meant. */
struct challenge {
	bool bearer;
	char resource_metadata[CHALLENGE_VALUE_SIZE], scope[CHALLENGE_VALUE_SIZE], error[64];
};
void challenge_parse(struct slice header, struct challenge *out);

/* --- auth_url.c --- */

struct url {
	struct slice scheme, host, path, query; /* host with its brackets; path "" or from its slash */
	int port;                               /* the scheme's when none is written */
};
/* Strict: http or https, a host, no user, no fragment, visible ASCII only. */
must_check bool url_parse(const char *text, struct url *out);
/* May this address, which a server supplied, be asked at all? https, or http to this machine where private
 * addresses are allowed. What a name resolves to is looked at when it is connected to. */
must_check enum err url_check(const char *text, bool allow_private, const char *what, struct error *e);
bool url_same_origin(const char *a, const char *b);
/* b is a, or below it on the same origin; both without query. */
bool url_covers(const char *a, const char *b);
/* "https://host:8443" of a URL that parses. The caller frees these three. */
char *url_origin(const char *text);
/* RFC 8615 with the path after it: origin + "/.well-known/" + name + path. */
char *url_well_known(const char *text, const char *name, bool with_path);
/* The address a Location header stands for; NULL when it is none, or of another origin. */
char *url_redirect(const char *from, const char *location);
/* name=value in the form of application/x-www-form-urlencoded; a "&" before it unless *out is empty or ends
 * in '?' or '&'. value NULL: nothing. */
void form_add(struct buf *out, const char *name, const char *value);
void percent_add(struct buf *out, const char *text);

/* --- auth_scope.c: sets written as words with spaces --- */

/* The union in the order of first mention, NULL when it is empty. The caller frees it. Words of bytes that no
 * scope has (RFC 6749 section 3.3) are left out, as is what would be over the limit. */
char *scope_union(const char *a, const char *b);
bool scope_covers(const char *all, const char *some);

/* --- auth_ask.c: one bounded exchange --- */

struct auth_net;
struct auth_net *auth_net_new(struct loop *l, const char *ca_file);
void auth_net_free(struct auth_net *n);

struct ask_answer {
	struct error e; /* ERR_NONE: status is set */
	int status;
	const struct json *json; /* NULL: the body is not one JSON object */
};
struct ask;
typedef void ask_fn(const struct ask_answer *a, void *arg);
struct ask_request {
	const char *what; /* for messages: "the metadata of the authorization server" */
	const char *url;
	bool allow_private;
	const char *media_type;    /* of the body */
	const char *authorization; /* a header line, or NULL */
	struct slice body;         /* empty: GET, which follows redirects within the origin */
};
/* Everything is copied. fn once, never from within; the pointer is gone when it is called. */
struct ask *ask_start(struct auth_net *n, const struct ask_request *r, ask_fn *fn, void *arg);
void ask_cancel(struct ask *a); /* NULL is fine */

/* --- auth_discover.c --- */

struct metadata {
	char *resource; /* as the resource's metadata names it, else the server's address */
	char *scopes;   /* what the resource's metadata lists; may be NULL */
	char *issuer, *authorization_endpoint, *token_endpoint, *registration_endpoint;
	bool pkce, client_documents, iss_promised, offline_access;
	bool methods_known, basic, post, none, key_jwt; /* of the token endpoint */
	bool is_guess;                                  /* the server tells nothing of all this */
};
void metadata_release(struct metadata *m);

struct discovery;
/* m is the callee's to take (and zero) when e->code is ERR_NONE. */
typedef void discovery_fn(struct metadata *m, const struct error *e, void *arg);
/* hint: the address from the challenge, or NULL. */
struct discovery *discovery_start(struct auth_net *n, const char *server_url, const char *hint,
				  bool allow_private, discovery_fn *fn, void *arg);
void discovery_cancel(struct discovery *d); /* NULL is fine */
/* Pure halves. */
must_check enum err resource_metadata_read(const struct json *j, const char *server_url, struct metadata *m,
					   struct error *e);
must_check enum err issuer_metadata_read(const struct json *j, const char *issuer, bool allow_private,
					 struct metadata *m, struct error *e);

/* --- auth_register.c --- */

enum client_kind { CLIENT_NONE, CLIENT_GIVEN, CLIENT_DOCUMENT, CLIENT_DYNAMIC };
struct client {
	enum client_kind kind;
	char *issuer; /* whose it is: never shown to another */
	char *id, *secret, *method;
	char *redirect_uri; /* with which it was registered */
	int64_t expires_s;  /* Unix time; 0: never */
};
void client_release(struct client *c);
/* *c is what is known and may be replaced. ERR_NONE: it can be used; ERR_UNAVAILABLE: it must be registered
 * first; else nothing can be done without a person. */
must_check enum err client_choose(struct client *c, const struct mcp_auth_options *o,
				  const struct metadata *m, const char *redirect_uri, struct error *e);
/* The body of a registration request (RFC 7591), appended. */
void registration_write(const struct metadata *m, const char *redirect_uri, const char *scope,
			struct buf *out);
must_check enum err registration_read(const struct ask_answer *a, const struct metadata *m,
				      const char *redirect_uri, struct client *c, struct error *e);

/* --- auth_sign.c --- */

enum { PKCE_SIZE = 44 };
void base64url_add(struct buf *out, const void *p, size_t n);
/* 256 bits as text. */
void token_random(char out[PKCE_SIZE]);
void pkce_challenge(const char *verifier, char out[PKCE_SIZE]);
/* A client assertion (RFC 7523) that lives a minute; pem is the text of a private key. The caller frees *out
 * with secret_free. */
must_check enum err assertion_make(const char *pem, const char *alg, const char *client_id,
				   const char *audience, char **out, struct error *e);

/* --- auth_code.c --- */

/* A log-in that a person was asked for. Good once, and for a while. */
struct login {
	char state[PKCE_SIZE], verifier[PKCE_SIZE];
	char *url, *scope, *redirect_uri;
	int64_t begun_ms; /* on clock_mono_ms; 0: there is none */
};
void login_release(struct login *l);
void login_begin(struct login *l, const struct metadata *m, const struct client *c, const char *redirect_uri,
		 const char *scope);
/* What came to the redirect address. ERR_NONE: code may be exchanged. */
must_check enum err login_check(const struct login *l, const struct metadata *m, const struct mcp_login *r,
				struct error *e);

/* --- auth_token.c --- */

struct tokens {
	char *access, *refresh, *scope, *issuer;
	int64_t expires_ms; /* on clock_wall_ms; 0: not told */
};
void tokens_release(struct tokens *t);
enum grant { GRANT_CODE, GRANT_REFRESH, GRANT_CLIENT };
struct token_request {
	enum grant grant;
	const struct mcp_auth_options *options;
	const struct metadata *metadata;
	const struct client *client;
	const char *code, *verifier, *redirect_uri, *refresh, *scope;
};
must_check enum err token_ask(struct auth_net *n, const struct token_request *r, ask_fn *fn, void *arg,
			      struct ask **out, struct error *e);
enum token_fault {
	TOKEN_GOOD,
	TOKEN_GRANT,  /* the code or refresh token is no longer good */
	TOKEN_CLIENT, /* the client is not known there */
	TOKEN_FAILED, /* anything else; nothing we hold is worse for it */
};
/* scope: what was asked for, which is granted when the answer says nothing else. The refresh token stays when
 * the answer brings none. */
must_check enum token_fault tokens_read(const struct ask_answer *a, const char *issuer, const char *scope,
					struct tokens *t, struct error *e);

/* --- auth_keep.c: what outlives the process --- */

struct keep;
/* folder NULL or key NULL: nothing is kept. */
must_check enum err keep_open(const char *folder, const char *key, struct keep **out, struct error *e);
void keep_close(struct keep *k); /* NULL is fine */
/* Of one server, by its name and URL. What cannot be read is as if it was not there, and is told to the log.
 */
void keep_load(struct keep *k, const char *server, struct client *c, struct tokens *t);
void keep_save(struct keep *k, const char *server, const struct client *c, const struct tokens *t);

/* --- auth.c, auth_flow.c: one server --- */

struct auth_house {
	struct loop *loop;
	struct auth_net *net;
	struct keep *keep; /* NULL: memory only */
	char *redirect_uri;
	int64_t login_wait_ms;
};

enum auth_step {
	STEP_IDLE,
	STEP_DISCOVER, /* a->discovery runs */
	STEP_REGISTER, /* a->ask runs */
	STEP_TOKEN,    /* a->ask runs, for a->grant */
	STEP_LOGIN,    /* a person is waited for */
};

/* A request that was refused, until it is told what to do. */
struct auth_waiter {
	struct auth_waiter *next;
	auth_fn *fn;
	void *arg;
	bool decided;
	enum auth_verdict verdict;
	struct error why;
};

struct auth {
	unsigned refs;
	struct auth_house *house;
	const char *name, *url;
	const struct mcp_auth_options *options;
	enum mcp_auth_type type; /* never AUTO */
	struct auth_events events;
	enum auth_step step;
	struct auth_waiter *waiters;
	struct metadata metadata; /* of the last discovery */
	struct client client;
	struct tokens tokens;
	struct login login;
	char *keep_name; /* what is kept is kept under this */
	char *header;    /* NULL: none */
	uint64_t generation;
	char *hint;            /* where the server said its metadata is; may be NULL */
	char *challenge_scope; /* of the challenge that began this flow */
	char *scope;           /* asked for, so far */
	struct discovery *discovery;
	struct ask *ask;
	enum grant grant;
	bool widen; /* this flow is for more scopes: a refresh would not bring them */
	struct loop_timer *timer;
	int flows, widenings; /* within their windows, which began ... */
	int64_t flows_since_ms, widenings_since_ms;
	void (*login_fn)(const struct error *e, void *arg); /* who brought the person's answer */
	void *login_arg;
	bool login_decided, login_over, deferred;
	struct error login_result;
	bool telling;
};

/* auth_flow.c: begins with discovery; the step is IDLE. */
void flow_begin(struct auth *a);
void flow_login_end(struct auth *a, const struct mcp_login *r);
void flow_deadline(struct auth *a);
/* auth.c: what the flow has come to. e is not looked at for AUTH_RETRY. */
void auth_conclude(struct auth *a, enum auth_verdict v, const struct error *e);
void auth_login_conclude(struct auth *a, const struct error *e);
void auth_header_make(struct auth *a);

#endif
