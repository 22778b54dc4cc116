/* SPDX-License-Identifier: Apache-2.0 */
/* The first steps of every child, the same for all roles and in the same order. */
#include "base/base.h"
#include "role/role_int.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

void child_log_init(const struct conf *c, const char *role)
{
	log_init(role, (enum log_level)c->log.level, (enum log_format)c->log.format);
}

void child_begin(const struct heritage *h, const char *role, int death_signal)
{
	char title[64];
	snprintf(title, sizeof title, "agent-runtime: %s", role);
	title_set(title);
	child_log_init(h->conf, role);
	prctl(PR_SET_PDEATHSIG, death_signal);
	if (getppid() != h->master_pid)
		_exit(EXIT_OK); /* the master died before the signal was asked for */
	/* A terminal sends SIGINT to the whole group; the master alone decides what it means. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

/* Not a secret, and looked up by libraries here. */
static bool is_common(const char *name)
{
	static const char *const common[] = {"PATH", "HOME", "TZ", "LANG", "TMPDIR"};
	size_t n = strlen(name);
	for (size_t i = 0; i < COUNT_OF(common); i++)
		if (strcmp(name, common[i]) == 0)
			return true;
	return strncmp(name, "SSL_CERT_", 9) == 0 || (n > 6 && strcasecmp(name + n - 6, "_proxy") == 0);
}

void child_registry_forget(struct conf_registry *r)
{
	for (size_t i = 0; i < r->variables_count; i++)
		if (!is_common(r->variables[i]))
			title_env_forget(r->variables[i]);
	title_env_forget("AGENT_RUNTIME_TOKEN_KEY");
	conf_registry_free(r);
}

void child_signals_open(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void child_models_forget(struct heritage *h)
{
	struct conf *c = h->conf;
	conf_forget_secrets(c);
	llm_cassette_free(h->cassette);
	h->cassette = NULL;
	title_env_forget("OPENAI_API_KEY");
	for (size_t i = 0; i < c->providers.variables_count; i++)
		title_env_forget(c->providers.variables[i]);
}
