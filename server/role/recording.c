/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --record DIR and --replay DIR: the folder is opened, and to replay it read, before anything is forked, so
 * that what is wrong with it is told where the service is started. Workers inherit it; the supervisor and the
 * keeper, which see no prompts, let go of it.
 */
#include "base/base.h"
#include "role/role_int.h"

struct llm_cassette *recording_open(const struct cli *cli, const struct conf *c)
{
	struct llm_cassette *k = NULL;
	struct error e = {0};
	struct llm_cassette_options o;
	wire_cassette(c, &o);
	enum err code = ERR_NONE;
	if (cli->record_dir != NULL) {
		o.dir = cli->record_dir;
		code = llm_cassette_record(&o, &k, &e);
	} else if (cli->replay_dir != NULL) {
		o.dir = cli->replay_dir;
		code = llm_cassette_replay(&o, &k, &e);
	}
	if (code != ERR_NONE)
		die(cli->record_dir != NULL ? EXIT_CANNOT_CREATE : EXIT_CONFIG, "--%s: %s",
		    cli->record_dir != NULL ? "record" : "replay", e.msg);
	return k;
}

static bool models_asked(const struct conf *c)
{
	for (size_t role = 0; role < CONF_ROLES; role++)
		for (size_t i = 0; i < c->providers.roles_count[role]; i++)
			if (c->providers.list[c->providers.roles[role][i]].api != CONF_LLM_OFFLINE)
				return true;
	return false;
}

void recording_tell(const struct llm_cassette *k, const struct conf *c)
{
	if (k == NULL)
		return;
	if (!models_asked(c))
		log_warn(
			"the offline provider asks no model server: there is nothing to record or to replay; "
			"see llm.api, and openai.api_key or openai.base_url");
	else if (llm_cassette_replays(k))
		log_info("model calls are answered from a recording; no model server is asked",
			 LF_INT("exchanges", llm_cassette_exchanges(k)));
	else
		log_info("model exchanges are recorded, prompts and answers in full",
			 LF_INT("exchanges", llm_cassette_exchanges(k)));
}
