/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the role room. `struct heritage` is everything that crosses a fork: what the master prepared,
 * plus which child this is. A child makes its own loop, store handle, model and tool clients, and never
 * touches the master's tables.
 */
#ifndef ROLE_ROLE_INT_H
#define ROLE_ROLE_INT_H

#include "role/role.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "store/store.h"
#include "store/store_db.h"
#include "store/archive.h"
#include "llm/cassette.h"
#include "llm/llm.h"
#include "mcp/mcp.h"
#include "agent/agent.h"
#include "http/http.h"
#include "base/fetch.h"
#include "base/sse_read.h"

#include <stdio.h>

enum exit_code {
	EXIT_OK = 0,
	EXIT_NOT_COMPLETED = 1, /* run: the task ended otherwise than completed */
	EXIT_USAGE = 64,
	EXIT_UNAVAILABLE = 69,
	EXIT_SOFTWARE = 70,
	EXIT_OS = 71,
	EXIT_CANNOT_CREATE = 73,
	EXIT_IO = 74,
	EXIT_AGAIN = 75,
	EXIT_CONFIG = 78,
};

struct master;

struct heritage {
	struct conf *conf;
	struct conf_registry *registry;
	struct store *store;           /* as created; children attach */
	struct llm_cassette *cassette; /* --record, --replay; of workers. NULL: neither */
	int listen_fd, port;
	int control_fd; /* child's end of its control socket to the master */
	int master_pid;
	uint32_t index; /* participant in the store: worker number 0 ..., or the keeper's */
};

/* --- title.c --- */
/* Must come first in main: moves the environment away from argv's memory, so that titles fit and the
 * environment the process was started with (which may hold keys) is no longer to be read in /proc. */
void title_init(int argc, char **argv);
void title_set(const char *text); /* "agent-runtime: worker 0" */
/* Unsets a variable and wipes the copy of it that title_init made. */
void title_env_forget(const char *name);

/* --- notify.c: systemd's readiness protocol; no effect without NOTIFY_SOCKET --- */
void notify_send(const char *state); /* "READY=1\nSTATUS=..." */

/* --- control.c: one message each way over a SEQPACKET socket between master and child --- */
must_check enum err control_pair(int pair[2], struct error *e);
/* fd -1: none. Never blocks. */
must_check enum err control_send(int control_fd, enum ipc_msg msg, int fd, struct error *e);
/* 1: got one (*fd is ours, or -1), 0: nothing there, -1: the peer is gone. */
int control_receive(int control_fd, enum ipc_msg *msg, int *fd);

/* --- listen.c --- */
/* Binds server.host:server.port, sets *port to the one bound. */
must_check enum err listen_open(const struct conf *c, int *fd, int *port, struct error *e);

/* --- wire.c: configuration into the options of each room; pointers borrow from conf and registry --- */
/* As many participants as workers, and one more for the keeper when there is one. */
void wire_store(const struct conf *c, uint32_t workers, struct store_options *o);
bool wire_has_keeper(const struct conf *c);
void wire_db(const struct conf *c, struct db_options *o);
void wire_keeper(const struct conf *c, struct keeper_options *o); /* socket_path, on_broken are left out */
/* Of an archive request or its answer between worker and keeper, and of what may wait for its socket. */
void wire_archive(const struct conf *c, size_t *frame_bytes_max, size_t *queue_bytes_max);
char *wire_keeper_socket(const struct conf *c); /* its path, to be freed */
void wire_http(const struct conf *c, struct http_options *o);
/* wire_llm.c. *s holds keys and pointers into c: wire_llm_release it when the llm is made. */
void wire_llm(const struct conf *c, struct llm_setup *s);
void wire_llm_release(struct llm_setup *s);
void wire_cassette(const struct conf *c, struct llm_cassette_options *o); /* dir is left out */
/* Breaker and limits of each provider, by its index; as many as there are providers. */
void wire_gates(const struct conf *c, struct gate_limits out[STORE_GATES_MAX]);
/* What GET /v1/models shows of each; the caller frees it, texts borrow from c and the rest of the process. */
struct http_model *wire_models(const struct conf *c);

/* wire_budget.c */
void wire_budgets(const struct conf *c, struct store_options *o);
void wire_task_budgets(const struct conf *c, struct http_budget *given, struct http_budget *most);
bool wire_prices_known(const struct conf *c); /* of every provider that is asked */

/* --- share.c: the providers' gates, as the llm room asks for them --- */
/* Functions over the worker's store. */
struct llm_shared share_make(struct store *s);
void wire_agent(const struct conf *c, struct agent_options *o);
/* --- decide.c --- */

/* "[r]etry, [s]kip or [f]ail: " of the actions of a task's pending entry. */
void decide_question(const struct json *pending, struct buf *out);
/* The body of POST .../input for what a person typed; false: that is no decision about this entry. */
bool decide_parse(const struct json *pending, const char *answer, struct buf *body);

/* --- wire_rules.c --- */
enum permit wire_permit(enum conf_decision d);
/* The rules of agent.rules, which borrow their texts from c; the caller releases them. */
struct agent_rule *wire_rules(const struct conf *c, struct agent_policy *p);
void wire_rules_release(struct agent_rule *rules, size_t count);
void wire_client(const struct conf *c, struct mcp_client_options *o);
/* *servers is referred to by *o: wire_broker_release it after the broker. */
void wire_broker(const struct conf *c, const struct conf_registry *r, struct mcp_broker_options *o,
		 struct mcp_server_options **servers);
void wire_broker_release(struct mcp_server_options *servers, size_t count);
/* wire_auth.c. Takes the key for tokens out of the environment, or reads its file. */
struct mcp_auth_options wire_auth_row(const struct conf_auth *a);
void wire_auth(const struct conf *c, int port, struct mcp_auth_common *o);
void wire_auth_release(struct mcp_auth_common *o);
uint32_t wire_workers(const struct conf *c); /* "auto" resolved */

/* --- reload.c: the registry, read again while the service runs --- */
/* SIGHUP: takes the new registry for the supervisors to come, and tells the present one. What is not valid is
 * refused and logged, and nothing changes. */
void master_reload(struct master *m);
/* In the supervisor: the registry as it is now, with the variables that the master found (takes fd). */
must_check enum err reload_take(const struct conf *c, int fd, struct conf_registry **out, struct error *e);

/* --- the roles; the child ones never return --- */
/* Serves until a signal ends it; returns the exit code. Takes conf, registry and cassette (NULL: none). When
 * everything is ready, the port is written to ready_fd as text with a newline, and it is closed; -1: nobody
 * waits. */
int master_main(struct conf *c, struct conf_registry *r, struct llm_cassette *k, int ready_fd);
_Noreturn void worker_main(struct heritage *h);
_Noreturn void supervisor_main(struct heritage *h);
_Noreturn void keeper_main(struct heritage *h);

/* --- child.c: what the roles of children share --- */
/* First thing in a child: title, log, death with the master. The signals that the master blocks stay blocked,
 * and wait. */
void child_begin(const struct heritage *h, const char *role, int death_signal);
/* What only the supervisor needs (credentials of tool servers) is not kept in this process: takes the
 * registry, and the variables that it was made from. */
void child_registry_forget(struct conf_registry *r);
/* What only workers need (keys of model providers, recorded exchanges) is not kept in this process. */
void child_models_forget(struct heritage *h);
/* Once the handlers are there: before, SIGTERM would end the process without draining. */
void child_signals_open(void);
/* Logging as configured; also for the master. */
void child_log_init(const struct conf *c, const char *role);

/* --- spawn.c: the master's table of children --- */
enum child_role { CHILD_SUPERVISOR, CHILD_KEEPER, CHILD_WORKER };
enum { CHILDREN_MAX = STORE_PROCS_MAX + 1 };

/* One slot for each process the master keeps alive. pid 0: not running now; then respawn_at_ms says when it
 * is to be. */
struct child {
	enum child_role role;
	uint32_t index; /* participant in the store; of a worker its number, too */
	pid_t pid;
	int control_fd;
	bool ready;
	bool runs_over; /* a draining worker whose runs have come to a border */
	bool given_up;  /* the keeper of a broken disk is not started again */
	/* A worker without its socket to a peer (bit: role of the peer) is given one later. */
	unsigned cut_off;
	int64_t started_ms, respawn_at_ms;
	int deaths_in_a_row; /* without having lived for a while in between */
};

struct master {
	struct heritage heritage;
	struct child children[CHILDREN_MAX]; /* the supervisor, the keeper if there is one, the workers */
	size_t children_count, workers_count;
	int signal_fd, ready_fd, port;
	int64_t started_ms;
	bool announced; /* everything was ready once */
	enum { MASTER_SERVING, MASTER_DRAINING, MASTER_STOPPING } phase;
	int64_t phase_deadline_ms, keeper_deadline_ms;
	bool hurry;               /* a second signal came */
	bool table_settled;       /* the task table has all its memory, or will not get more */
	bool runs_over_told;      /* to all workers: they may end their streams */
	int64_t connect_again_ms; /* not before: workers without their socket to a peer */
	int64_t strays_until_ms;  /* a supervisor died lately: what its servers left is looked for */
};

/* Whoever waits for the file must not find the port of a dead service. */
void master_port_file_remove(const struct master *m);
/* Forks the child of a slot and gives it its sockets to its peers. ERR_* when the system refuses. */
must_check enum err child_spawn(struct master *m, struct child *c, struct error *e);
/* Reaps what has died; plans respawns with back-off while serving. */
void children_reap(struct master *m);
/* Spawns what is due; returns the milliseconds until the next one, -1 when none is planned. */
int64_t children_respawn(struct master *m);
size_t children_alive(const struct master *m, enum child_role role);
void children_signal(const struct master *m, enum child_role role, int signo);
/* Told to each of the role that has a control socket; one without is about to be reaped. */
void children_tell(struct master *m, enum child_role role, enum ipc_msg msg);
const char *child_name(const struct child *c, char out[24]);

/* --- stray.c: what tool servers leave running when the supervisor is killed --- */
void strays_adopt(void); /* at start: orphans come to us */
/* A process that is no child of ours has ended as one, and is not reaped yet. */
void stray_ended(struct master *m, pid_t pid);
void strays_expect(struct master *m);     /* the supervisor has died */
void strays_kill(const struct master *m); /* what is there now */

/* --- private.c: a server for one `run`, in a process group of its own, that dies with us --- */
struct private_server {
	pid_t pid; /* 0: none */
	int port;
};
/* Blocks until it is ready. ERR_UNAVAILABLE when it ended instead (it has said why on stderr). */
must_check enum err private_server_start(struct private_server *p, struct conf *c, struct conf_registry *r,
					 struct llm_cassette *k, struct error *e);
/* SIGTERM, and waits for its end. */
void private_server_stop(struct private_server *p);

/* --- client.c: HTTP for `run` --- */
struct client;
/* body is NULL when e->code is set; borrowed. */
typedef void client_fn(const struct json *body, const struct error *e, void *arg);
typedef void client_event_fn(const char *type, const struct json *data, struct slice text, void *arg);
struct client *client_new(struct loop *l, const char *server_url);
void client_free(struct client *c); /* no further callbacks */
/* fn exactly once, not from within. A status of 300 and above is an error in the server's words. */
void client_ask(struct client *c, const char *method, const char *path, struct slice body, client_fn *fn,
		void *arg);
/* Each event once, in order, across reconnects, up to the end event; on_lost when reconnecting does not help.
 * One stream. */
void client_stream(struct client *c, const char *path, client_event_fn *on_event, client_fn *on_lost,
		   void *arg);
void client_stream_close(struct client *c);

/* --- show.c: what `run` shows --- */
/* As fprintf, but what models, tools and servers wrote cannot control the terminal. */
void text_print(FILE *f, const char *fmt, ...) printf_like(2);
struct show; /* opaque */
enum show_form { SHOW_TERMINAL, SHOW_PLAIN, SHOW_JSON };
/* Terminal: steps with a spinner, redrawn in place; plain: one line a fact; JSON: one event a line. */
struct show *show_new(struct loop *l, enum show_form form);
void show_free(struct show *s);
void show_event(struct show *s, const char *type, const struct json *data, struct slice text);
/* Lines of a plan, for approval. */
void show_plan(struct show *s, const struct json *plan);
/* What a task waits for; NULL: it has not said. */
void show_pending(struct show *s, const struct json *pending);
void show_question(struct show *s, const char *text); /* no newline after it */
void show_end(struct show *s, const struct json *document);

/* --- commands --- */
struct cli {
	const char *config_path;
	const char **sets;
	size_t sets_count;
	const char *server_url;              /* run --server */
	const char *record_dir, *replay_dir; /* serve, run */
	bool yes, json, verify;
	const char **args; /* what is left */
	size_t args_count;
};
int command_serve(const struct cli *cli);
int command_check(const struct cli *cli);
int command_run(const struct cli *cli);
int command_tools(const struct cli *cli);
int command_export(const struct cli *cli);
int command_verify(const struct cli *cli);
int command_replay(const struct cli *cli);
/* Loads configuration and registry or dies with what to do. */
void cli_load(const struct cli *cli, struct conf **c, struct conf_registry **r);
struct conf *cli_load_conf(const struct cli *cli); /* without the registry */

/* --- recording.c: --record and --replay --- */
/* NULL when neither was given; dies with what to do when the folder cannot be used. */
struct llm_cassette *recording_open(const struct cli *cli, const struct conf *c);
/* In the log: what becomes of model exchanges. k: NULL is fine. */
void recording_tell(const struct llm_cassette *k, const struct conf *c);

/* --- kept.c: the database for commands that read it, while a server runs on it or none --- */
struct kept {
	struct conf *conf;
	int hold_fd; /* the server's keeper leaves the file as it is; -1: no server runs */
	struct db *db;
};
/* EXIT_OK, or the exit code of what it has told on stderr; then nothing is open. */
must_check int kept_open(struct kept *k, const struct cli *cli);
/* false: the server has changed the file while we read it, so what we read is worth nothing; told. */
must_check bool kept_close(struct kept *k);
/* What to exit with after this error of the database; told on stderr. */
int kept_failed(const struct error *e);
/* The task that the command's word names; false: it names none; told. */
must_check bool kept_task_parse(const char *word, struct id *out);
/* Writes all of it to standard output: EXIT_OK, or EXIT_IO; told. */
must_check int kept_print(struct slice text);

#endif
