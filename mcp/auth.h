/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authorization towards remote servers (MCP 2025-11-25 and 2026-07-28, "Authorization"; OAuth 2.1): which
 * header a request gets, and what to do when a server refuses it. One struct auth for each row of the
 * registry; all its sessions and requests share it, so that tokens are fetched and refreshed once whoever
 * asks. Runs in the supervisor only, on its loop, and never blocks it.
 */
#ifndef MCP_AUTH_H
#define MCP_AUTH_H

#include "base/base.h"
#include "mcp/mcp.h"

/* What all servers share: the connections to authorization servers, and what is kept on disk. */
struct auth_house;
/* A key or folder that cannot be used is said in the log; then nothing is kept. */
struct auth_house *auth_house_new(struct loop *l, const struct mcp_auth_common *o);
void auth_house_free(struct auth_house *h); /* after every auth of it */

struct auth;

enum auth_verdict {
	AUTH_RETRY,  /* send the request again, with the header there is now */
	AUTH_PERSON, /* somebody must log in first (auth_login_url); on_login_over follows */
	AUTH_REFUSED,
};
/* why: for the last two, in words for people. */
typedef void auth_fn(enum auth_verdict v, const struct error *why, void *arg);

struct auth_events {
	void (*on_login_due)(const char *url, void *arg); /* may be NULL */
	/* Nobody is waited for any more, whether it worked or not; the next refusal begins a new log-in. May
	 * be NULL. */
	void (*on_login_over)(void *arg);
	void *arg;
};

/* name and url of the server; all strings are borrowed for its life. */
struct auth *auth_new(struct auth_house *h, const char *name, const char *url,
		      const struct mcp_auth_options *o, struct auth_events events);
/* Counted by references. The last drop drops who waits, too, without a word; not from within what it calls.
 * NULL is fine. */
struct auth *auth_hold(struct auth *a);
void auth_drop(struct auth *a);

/* "Authorization: Bearer ..." or NULL; borrowed until the next turn of the loop. *generation names it for
 * auth_challenged. */
const char *auth_header(struct auth *a, uint64_t *generation);
/* Hides its tokens and the client's secret in a text of the server's, in place (see secret_mask). */
void auth_mask(const struct auth *a, char *text, size_t len);
/* A request with the header of that generation (0: none) was answered 401 or 403. www_authenticate: all
 * values of that header, joined by ", ". fn once, never from within. */
void auth_challenged(struct auth *a, int status, struct slice www_authenticate, uint64_t generation,
		     auth_fn *fn, void *arg);
/* Forgets everybody who waits with this arg, for a verdict or for the end of a log-in. */
void auth_forget(struct auth *a, void *arg);

/* NULL unless a person is waited for. Renewed when it has become old; borrowed until the next call. */
const char *auth_login_url(struct auth *a);

/* Is it this server's log-in that this state belongs to? */
bool auth_login_is(const struct auth *a, const char *state);
/* fn once: e->code ERR_NONE when the server may be used now. From within only when another answer is being
 * looked at. */
void auth_login_end(struct auth *a, const struct mcp_login *r, void (*fn)(const struct error *e, void *arg),
		    void *arg);

#endif
