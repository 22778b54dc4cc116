/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the files that confine local servers. The order of a start:
 *
 *   sandbox.c            decides, prepares all of it before the fork, and applies it in the child
 *   sandbox_path.c       which paths a server may read and write (looks at files, grants nothing)
 *   sandbox_landlock.c   the kernel's rules for paths, TCP and signals
 *   sandbox_seccomp.c    the system calls that are refused
 *   sandbox_watch.c      answers the kernel's questions about what a server does
 *   sandbox_loopback.c   connections of this machine only
 *   sandbox_files.c      tells of files that it was refused; with sandbox_file_call.c (which calls name
 *                        files), sandbox_grant.c (what is granted), sandbox_look.c (where a path leads)
 *   sandbox_asker.c      what is read of a process that waits for an answer
 *   run_folder.c         private temporary folders
 */
#ifndef MCP_SANDBOX_INT_H
#define MCP_SANDBOX_INT_H

#include "base/base.h"
#include "mcp/mcp.h"

#include <limits.h>
#include <linux/filter.h>
#include <sys/resource.h>

/* --- sandbox_path.c --- */

enum { SANDBOX_PATHS_MAX = 1024 };

struct sandbox_path {
	char *path;
	bool write;
};

struct sandbox_paths {
	struct sandbox_path *items;
	size_t count;
};

/* What the server needs to run, what is named in its arguments and environment, and what is granted. PATH is
 * the one the server gets. Missing files that are to be written are made. private_folder may be NULL. */
void sandbox_paths_collect(const struct mcp_server_options *o, const char *path_variable,
			   const char *private_folder, struct sandbox_paths *out);
void sandbox_paths_release(struct sandbox_paths *p);
/* A program or script, which its own server may not change. */
bool sandbox_path_is_program(const char *path);

/* --- sandbox_landlock.c --- */

/* 0: the kernel has none, or does not let us. */
int landlock_abi(void);
/* A descriptor of the rules for these paths; network: TCP is refused by them as well. -1: see errno. */
int landlock_rules_new(int abi, const struct sandbox_paths *paths, bool refuse_tcp);
/* In the child. Adds its own folder in /proc, which has no name before the fork; from here on the rules hold.
 * false: errno. */
bool landlock_enter(int abi, int rules);

/* --- sandbox_seccomp.c --- */

enum { SECCOMP_CODE_MAX = 512, SECCOMP_CALLS_MAX = 128 };

struct seccomp_code {
	struct sock_filter code[SECCOMP_CODE_MAX];
	unsigned short len;
};

bool seccomp_is_there(void);     /* the kernel has it, and this processor is one we know */
bool seccomp_has_listener(void); /* it can ask us */
/* The refused calls. ask: about each of them, about new processes, and with MCP_NETWORK_LOOPBACK about
 * connections; ask_files: also about those that name files. */
void seccomp_code_make(enum mcp_network network, bool ask, bool ask_files, struct seccomp_code *out);
/* Of a call that is asked about because it may be refused: its place in the list of all, below
 * SECCOMP_CALLS_MAX, its name and the error of its refusal. -1: it makes a process, or names a file. */
int seccomp_call_find(int number, const char **name, int *errnum);
/* In the child. *listener is the descriptor of the questions, -1 without any. false: errno. */
bool seccomp_enter(const struct seccomp_code *code, bool ask, int *listener);

/* --- sandbox_file_call.c: the calls that name files --- */

struct seccomp_data;
struct seccomp_notif;
enum { FILE_USES_MAX = 2 }; /* of one call */
enum file_use_kind {
	FILE_OPENED,  /* is used as it is */
	FILE_MADE,    /* and must not be there */
	FILE_REMOVED, /* or moved away */
	FILE_PLACED   /* made, or in the place of another */
};
struct file_use {
	enum file_use_kind kind;
	bool write;       /* else it is read */
	bool create;      /* OPENED: made when it is not there */
	bool folder_only; /* OPENED: anything else is an error */
	bool link_itself; /* OPENED: a link in the end is an error */
	int folder;       /* where a relative path counts from: a descriptor of the caller's, or AT_FDCWD */
	uint64_t path;    /* an address in the caller's memory */
};

/* The i-th of all; -1: there are no more. */
int file_call_number(size_t i);
const char *file_call_name(int number);                    /* NULL: it names no file */
bool file_call_executes(int number);                       /* and gives its process another memory */
uint64_t file_call_flags_at(const struct seccomp_data *d); /* in the caller's memory; 0: not there */
/* flags_read: from that place. How many: what is never refused is left out. */
size_t file_call_uses(const struct seccomp_data *d, uint64_t flags_read, struct file_use out[FILE_USES_MAX]);

/* --- sandbox_grant.c: paths and grants, all as texts --- */

/* Without "." and "..", doubled and last slashes. false: too long. */
bool path_collapse(const char *path, char out[PATH_MAX]);
/* Is it another file for each process that names it? */
bool path_is_own(const char *path);
/* As this process means it. false: too long. */
bool path_own(const char *path, int process, char out[PATH_MAX]);

struct grants;
struct grants *grants_new(void);
void grants_free(struct grants *g); /* NULL is fine */
/* path: collapsed. */
void grants_add(struct grants *g, const char *path, bool write);
bool grants_allow(const struct grants *g, const char *path, bool write);

enum file_look { FILE_ABSENT, FILE_FOUND, FILE_UNKNOWN };
/* Where a path leads: FOUND with its real path. */
typedef enum file_look file_look_fn(const char *path, const struct file_use *u, char real[PATH_MAX],
				    void *arg);
enum file_verdict { FILE_NOTHING, FILE_GRANTED, FILE_REFUSED }; /* NOTHING: it fails without being refused */
/* real: of what decided; empty when that is not known. */
enum file_verdict file_judge(const struct grants *g, const struct file_use *u, const char *path,
			     file_look_fn *look, void *arg, char real[PATH_MAX]);
/* Is it granted if there are no links in it? decisive: the path that must have none. */
bool file_text_allows(const struct grants *g, const struct file_use *u, const char *path,
		      char decisive[PATH_MAX]);

/* --- sandbox_look.c: never waits for a network --- */

void look_prepare(void); /* finds the file systems of this machine; before the first look, may wait */
/* No link in it, as far as the kernel knows by heart; true as well when it is not there. */
bool look_is_plain(const char *path);
bool look_is_of_group(const char *path, int group); /* below the /proc/PID of one of its processes */
/* A file_look_fn for processes of this group. */
enum file_look look_at(const char *path, const struct file_use *u, int group, char real[PATH_MAX]);

/* --- sandbox_asker.c --- */

int asker_process(int thread); /* the process it belongs to; 0 when it is gone */
enum asker_read { ASKER_READ, ASKER_LATER /* it is not in memory now */, ASKER_REFUSED /* errno */ };
enum asker_read asker_bytes(int thread, uint64_t at, void *out, size_t n);
enum asker_read asker_text(int thread, uint64_t at, char *out, size_t size);
/* The path of its working directory (AT_FDCWD) or of what its descriptor is; false: it has none. */
bool asker_folder(int thread, int fd, char *out, size_t size);
void asker_forget(int thread); /* its memory becomes another; 0: all */

/* --- sandbox_files.c --- */

struct files;
/* paths: all that is granted but its own folder in /proc. Looks at them; may wait. */
struct files *files_new(const struct sandbox_paths *paths);
void files_start(struct files *f, struct loop *l, const char *server, int group);
/* While the caller waits; then it is answered, and files_think called. */
void files_take(struct files *f, const struct seccomp_notif *q);
void files_think(struct files *f);
void files_finish(struct files *f); /* all that is still to be told is told */
void files_free(struct files *f);   /* NULL is fine */

/* --- sandbox_watch.c --- */

struct watch;
/* Takes socket, over which the child sends the descriptor of its questions. processes_max 0: any number.
 * files: borrowed; NULL: nothing is asked about them. */
struct watch *watch_new(struct loop *l, int socket, const char *server, int group, enum mcp_network network,
			int64_t processes_max, struct files *files);
void watch_free(struct watch *w); /* NULL is fine */
/* In the child. */
bool watch_send(int socket, int listener);

/* --- sandbox_loopback.c --- */

/* Connects or binds the socket of whoever asked over `questions`, on this machine only. 0, or the error that
 * the caller is to see. */
int loopback_use(int questions, const struct seccomp_notif *q);
/* Is this an address of this machine's own? len as the caller of connect gave it. */
bool address_is_loopback(const void *address, size_t len);

/* --- group.c --- */

/* Threads of all processes of a group; alive: without those that have ended and nobody has asked about yet.
 */
int64_t group_threads(int group, bool alive);

/* --- run_folder.c --- */

/* Makes ready to give out private folders below path, and removes those whose owner is dead. NULL: none. */
void run_folder_open(const char *path);
void run_folder_close(void); /* removes what is left */
bool run_folder_is_open(void);
/* A new empty folder of mode 0700, to be freed; NULL when there cannot be one. */
char *run_folder_make(void);
/* With all that is in it; what is much goes in a process of its own. */
void run_folder_remove(const char *path);

/* --- sandbox.c --- */

/* One start of one server: everything that is done between fork and exec, made before. */
struct confinement;

enum { SANDBOX_MISSING_MAX = 8 };
struct sandbox_report {
	int landlock_abi;
	bool seccomp;
	const char *missing[SANDBOX_MISSING_MAX]; /* what does not hold here, in words */
	size_t missing_count;
};
/* What holds for a server with these options on this kernel. */
void sandbox_report_make(const struct mcp_sandbox *s, struct sandbox_report *out);
/* The server's member "sandbox" of GET /v1/servers. */
void sandbox_write(const struct mcp_server_options *o, struct jw *w);
/* ERR_UNSUPPORTED when the server requires what is not there; what is missing is logged, once each. */
must_check enum err sandbox_check(const struct mcp_server_options *o, struct error *e);

/* NULL with e set when it cannot be prepared. path_variable: PATH of the server. */
struct confinement *confinement_new(const struct mcp_server_options *o, const char *path_variable,
				    struct error *e);
const char *confinement_folder(const struct confinement *c); /* for temporary files; NULL: none */
/* In the child, descriptors from 4 on still open: async-signal-safe. false: errno. */
bool confinement_enter(const struct confinement *c);
/* In the parent, after the fork. */
void confinement_started(struct confinement *c, struct loop *l, int pid);
/* The server is gone, or was never there. NULL is fine. */
void confinement_free(struct confinement *c);

#endif
