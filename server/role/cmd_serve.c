/* SPDX-License-Identifier: Apache-2.0 */
/* `agent-runtime serve` and `agent-runtime check`: both begin by reading the configuration, only one goes on.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <stdio.h>

int command_serve(const struct cli *cli)
{
	struct conf *c;
	struct conf_registry *r;
	cli_load(cli, &c, &r);
	return master_main(c, r, recording_open(cli, c), -1);
}

int command_check(const struct cli *cli)
{
	struct conf *c;
	struct conf_registry *r;
	struct buf text = BUF_INIT;
	cli_load(cli, &c, &r);
	buf_printf(&text, "# configuration: %s\n", c->path != NULL ? c->path : "none, the defaults");
	buf_printf(&text, "# tool registry: %s\n", r->path != NULL ? r->path : "none, no tool servers");
	for (size_t i = 0; i < r->servers_count; i++)
		buf_printf(&text, "#   %s: %s, %s\n", r->servers[i].id,
			   r->servers[i].type == CONF_TOOL_STDIO ? "local_stdio" : "remote_http",
			   r->servers[i].enabled ? "enabled" : "disabled");
	conf_print_effective(c, &text);
	fputs(buf_cstr(&text), stdout);
	buf_release(&text);
	conf_registry_free(r);
	conf_free(c);
	return EXIT_OK;
}
