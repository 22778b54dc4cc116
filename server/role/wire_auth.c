/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authorization of remote tool servers: from the registry and the configuration to what the mcp room takes,
 * and the key that tokens are kept under. The key is read here, in the process that uses it and no other:
 * from AGENT_RUNTIME_TOKEN_KEY, else from the file that tools.token_key_file names.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 4096 };
static const char KEY_VARIABLE[] = "AGENT_RUNTIME_TOKEN_KEY";

struct mcp_auth_options wire_auth_row(const struct conf_auth *a)
{
	static const enum mcp_auth_type TYPE[] = {
		[CONF_AUTH_AUTO] = MCP_AUTH_AUTO,     [CONF_AUTH_NONE] = MCP_AUTH_NONE,
		[CONF_AUTH_BEARER] = MCP_AUTH_BEARER, [CONF_AUTH_CLIENT] = MCP_AUTH_CLIENT,
		[CONF_AUTH_CODE] = MCP_AUTH_CODE,
	};
	return (struct mcp_auth_options){.type = TYPE[a->type],
					 .token = a->token,
					 .client_id = a->client_id,
					 .client_secret = a->client_secret,
					 .private_key = a->private_key,
					 .key_alg = a->key_alg,
					 .issuer = a->issuer,
					 .scopes = a->scopes,
					 .client_metadata_url = a->client_metadata_url,
					 .redirect_uri = a->redirect_uri,
					 .allow_private = a->allow_private};
}

/* NULL: there is none. */
static char *key_read(const struct conf *c)
{
	struct error e;
	struct buf text = BUF_INIT;
	const char *given = getenv(KEY_VARIABLE);
	char *key = given != NULL && *given != '\0' ? xstrdup(given) : NULL;
	title_env_forget(KEY_VARIABLE);
	if (key != NULL || *c->tools.token_key_file == '\0')
		return key;
	if (file_read(c->tools.token_key_file, KEY_BYTES_MAX, &text, &e) != ERR_NONE)
		log_warn("the key for tokens cannot be read (tools.token_key_file)", LF_STR("error", e.msg));
	else
		key = xstrndup(buf_cstr(&text), text.len);
	if (text.data != NULL)
		explicit_bzero(text.data, text.cap);
	buf_release(&text);
	return key;
}

static char *redirect_make(const struct conf *c, int port)
{
	const char *base = c->server.public_url;
	size_t n = strlen(base);
	while (n > 0 && base[n - 1] == '/')
		n--;
	return n > 0 ? xasprintf("%.*s/v1/oauth/callback", (int)n, base)
		     : xasprintf("http://127.0.0.1:%d/v1/oauth/callback", port);
}

void wire_auth(const struct conf *c, int port, struct mcp_auth_common *o)
{
	*o = (struct mcp_auth_common){.folder = *c->tools.token_folder != '\0' ? c->tools.token_folder : NULL,
				      .key = key_read(c),
				      .redirect_uri = redirect_make(c, port)};
	if (o->folder != NULL && o->key == NULL)
		log_warn("tokens of tool servers are kept in memory only: there is no key for them "
			 "(AGENT_RUNTIME_TOKEN_KEY or tools.token_key_file)");
}

void wire_auth_release(struct mcp_auth_common *o)
{
	if (o->key != NULL)
		explicit_bzero((char *)(uintptr_t)o->key, strlen(o->key));
	free((void *)(uintptr_t)o->key);
	free((void *)(uintptr_t)o->redirect_uri);
	*o = (struct mcp_auth_common){0};
}
