/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: options, then a command, then its words. Options may stand before or after the command. A
 * mistake is told with the nearest right word and ends with EX_USAGE.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"Usage: agent-runtime [OPTION]... COMMAND\n"
	"\n"
	"Commands:\n"
	"  serve         run the service in the foreground until SIGTERM or SIGINT\n"
	"  check         check configuration and registry, print the effective configuration\n"
	"  run PROMPT    plan and carry out one task, on --server or on a private server\n"
	"  tools         start the tool servers, list their tools, stop them\n"
	"  export TASK   print a kept task, its events and artifacts as JSON lines\n"
	"  replay TASK   print the event stream of a kept task, made anew from its journal\n"
	"  verify        check everything that is kept on disk\n"
	"  version       print the version\n"
	"\n"
	"Options:\n"
	"  -c, --config FILE     configuration (else $AGENT_RUNTIME_CONFIG, ./config.yaml,\n"
	"                        /etc/agent-runtime/config.yaml, or the defaults)\n"
	"      --set KEY=VALUE   override one option, as in --set server.port=9000; repeatable\n"
	"      --server URL      run: use this server, as in http://127.0.0.1:8080\n"
	"  -y, --yes             run: approve the plan without asking\n"
	"      --record DIR      serve, run: keep every exchange with a model server in DIR\n"
	"      --replay DIR      serve, run: answer model calls from DIR, no model server is asked\n"
	"      --json            run: print the events; tools: print JSON\n"
	"      --verify          replay: print nothing, check that stream and document are the same\n"
	"  -h, --help            this text\n"
	"\n"
	"Exit codes: 0 done (run: completed; verify, replay: no fault), 1 run: any other end, verify and\n"
	"replay: faults;\n"
	"64 usage, 69 unavailable, 70 our bug, 71 system, 73 a file cannot be made, 74 the disk failed,\n"
	"75 try again, 78 configuration, or a database that cannot be used.\n";

struct command {
	const char *name;
	const char *word; /* that it takes, or NULL */
	int (*main)(const struct cli *cli);
};

static int command_version(const struct cli *cli);
static int command_help(const struct cli *cli);

static const struct command commands[] = {
	{"serve", NULL, command_serve},     {"check", NULL, command_check},
	{"run", "PROMPT", command_run},     {"tools", NULL, command_tools},
	{"export", "TASK", command_export}, {"verify", NULL, command_verify},
	{"replay", "TASK", command_replay}, {"version", NULL, command_version},
	{"help", NULL, command_help},
};

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"set", required_argument, NULL, 's'},
	{"server", required_argument, NULL, 'u'},
	{"record", required_argument, NULL, 'r'},
	{"replay", required_argument, NULL, 'p'},
	{"yes", no_argument, NULL, 'y'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"verify", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int usage_error(const char *what, const char *word, const char *near);
static const char *command_near(const char *word);
static int option_error(int why, int argc, char **argv);
static int command_start(const struct command *c, const struct cli *cli);
static void descriptors_ensure(void);
static int options_read(int argc, char **argv, struct cli *cli);

int role_main(int argc, char **argv)
{
	struct cli cli = {0};
	descriptors_ensure();
	title_init(argc, argv);
	log_init("cli", LOG_INFO, LOG_FORMAT_AUTO);
	cli.sets = xcalloc((size_t)argc + 1, sizeof *cli.sets);
	cli.args = xcalloc((size_t)argc + 1, sizeof *cli.args);
	int code = options_read(argc, argv, &cli);
	if (code < 0 && cli.args_count == 0)
		code = usage_error("no command given", NULL, NULL);
	for (size_t i = 0; code < 0 && i < COUNT_OF(commands); i++)
		if (strcmp(cli.args[0], commands[i].name) == 0)
			code = command_start(&commands[i], &cli);
	if (code < 0)
		code = usage_error("unknown command", cli.args[0], command_near(cli.args[0]));
	free(cli.sets);
	free(cli.args);
	return code;
}

struct conf *cli_load_conf(const struct cli *cli)
{
	struct conf *c;
	struct error e = {0};
	enum err code = (cli->replay_dir != NULL ? conf_load_keyless : conf_load)(
		cli->config_path, cli->sets, cli->sets_count, conf_env_process, NULL, &c, &e);
	if (code != ERR_NONE)
		die(EXIT_CONFIG, "%s", e.msg);
	return c;
}

void cli_load(const struct cli *cli, struct conf **c, struct conf_registry **r)
{
	struct error e = {0};
	*c = cli_load_conf(cli);
	if (conf_registry_load(*c, conf_env_process, NULL, r, &e) != ERR_NONE)
		die(EXIT_CONFIG, "%s", e.msg);
}

/* --- helpers --- */

/* NULL, or what is wrong with --record and --replay. */
static const char *cassette_options_check(const struct command *c, const struct cli *cli)
{
	if (cli->record_dir == NULL && cli->replay_dir == NULL)
		return NULL;
	if (cli->record_dir != NULL && cli->replay_dir != NULL)
		return "--record and --replay cannot go together: what is replayed is recorded already";
	if (c->main != command_serve && c->main != command_run)
		return "--record and --replay go with serve and run";
	if (cli->server_url != NULL)
		return "--record and --replay are for the server that makes the model calls, not for one "
		       "that "
		       "runs already: start that with them";
	return NULL;
}

static int command_start(const struct command *c, const struct cli *cli)
{
	char title[48];
	size_t words = c->word != NULL ? 1 : 0, got = cli->args_count - 1;
	if (got < words) {
		fprintf(stderr, "agent-runtime: %s takes one %s%s\nTry 'agent-runtime --help'.\n", c->name,
			c->word, strcmp(c->word, "PROMPT") == 0 ? "; put it in quotes" : "");
		return EXIT_USAGE;
	}
	if (got > words) {
		fprintf(stderr, "agent-runtime: %s takes %s%s, but got \"%s\"%s\n", c->name,
			words == 0 ? "no words" : "one ", words == 0 ? "" : c->word, cli->args[words + 1],
			words > 0 && strcmp(c->word, "PROMPT") == 0 ? "; put it in quotes" : "");
		return EXIT_USAGE;
	}
	const char *wrong = cassette_options_check(c, cli);
	if (wrong != NULL) {
		fprintf(stderr, "agent-runtime: %s\nTry 'agent-runtime --help'.\n", wrong);
		return EXIT_USAGE;
	}
	/* Without the words: a prompt may be private, and they were cleared. */
	snprintf(title, sizeof title, "agent-runtime: %s", c->name);
	title_set(title);
	return c->main(cli);
}

/* Whoever starts us may have closed the standard descriptors; the next files opened must not become them. */
static void descriptors_ensure(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* -1: go on; else the exit code. */
static int options_read(int argc, char **argv, struct cli *cli)
{
	int c;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:yhV", options, NULL)) != -1) {
		switch (c) {
		case 'c': cli->config_path = optarg; break;
		case 's': cli->sets[cli->sets_count++] = optarg; break;
		case 'u': cli->server_url = optarg; break;
		case 'r': cli->record_dir = optarg; break;
		case 'p': cli->replay_dir = optarg; break;
		case 'y': cli->yes = true; break;
		case 'j': cli->json = true; break;
		case 'v': cli->verify = true; break;
		case 'h': return command_help(cli);
		case 'V': return command_version(cli);
		default: return option_error(c, argc, argv);
		}
	}
	while (optind < argc)
		cli->args[cli->args_count++] = argv[optind++];
	return -1;
}

/* why: what getopt_long gave, ':' for a value that is missing. */
static int option_error(int why, int argc, char **argv)
{
	char letter[3] = {'-', (char)optopt, '\0'};
	bool is_long = optind > 0 && optind <= argc && strncmp(argv[optind - 1], "--", 2) == 0;
	const char *word = is_long ? argv[optind - 1] : letter, *near = NULL;
	if (why == ':')
		return usage_error("a value is missing after", word, NULL);
	for (const struct option *o = options; is_long && o->name != NULL; o++)
		if (text_distance(word + 2, o->name, 2) <= 2)
			near = o->name;
	return usage_error("unknown option", word, near);
}

static const char *command_near(const char *word)
{
	const char *near = NULL;
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (text_distance(word, commands[i].name, 2) <= 2)
			near = commands[i].name;
	return near;
}

static int usage_error(const char *what, const char *word, const char *near)
{
	fprintf(stderr, "agent-runtime: %s%s%s", what, word != NULL ? ": " : "", word != NULL ? word : "");
	if (near != NULL)
		fprintf(stderr, " (did you mean \"%s\"?)", near);
	fprintf(stderr, "\nTry 'agent-runtime --help'.\n");
	return EXIT_USAGE;
}

static int command_version(const struct cli *cli)
{
	(void)cli;
	printf("agent-runtime %s\n", AGENT_RUNTIME_VERSION);
	return EXIT_OK;
}

static int command_help(const struct cli *cli)
{
	(void)cli;
	fputs(usage_text, stdout);
	return EXIT_OK;
}
