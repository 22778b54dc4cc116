/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confines a local server: decides what holds for it, prepares that before the fork, and applies it in the
 * child between fork and exec. In this order: no new privileges, no capabilities but those on files, limits,
 * the rules of paths (sandbox_landlock.c), the refused system calls (sandbox_seccomp.c). Each needs nothing
 * of the later ones, and none can be taken back by the server.
 *
 * What the kernel lacks is left out, said in the log and in GET /v1/servers; a server with `require` is then
 * not started. What the kernel has and does not do when asked ends the start. It is no container: the server
 * sees the machine's processes and files by name where the kernel shows them, and shares its user.
 *
 * RLIMIT_DATA bounds memory, not RLIMIT_AS: what Node and others only reserve costs nothing and is huge.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LIMITS_MAX = 5, CPU_LAST_SECONDS = 5, FILES_SOFT = 1024, FD_LOWEST = 4 };
enum { ABI_TRUNCATE = 3, ABI_NET = 4, ABI_SCOPE = 6 };

struct limit {
	int what;
	struct rlimit value;
};

struct confinement {
	struct sandbox_report report;
	const char *server;
	int64_t processes_max;
	enum mcp_network network;
	char *folder;
	struct files *files; /* NULL: the kernel refuses none, or does not ask */
	int rules;           /* -1: none */
	int socket[2];       /* ours, and the child's end; -1: the kernel asks nothing */
	struct seccomp_code code;
	struct limit limits[LIMITS_MAX];
	size_t limits_count;
	struct __user_cap_data_struct capabilities[2];
	struct watch *watch;
};

/* --- what holds here --- */

static bool asks(const struct sandbox_report *r)
{
	return r->seccomp && seccomp_has_listener();
}

static void missing_add(struct sandbox_report *r, const char *what)
{
	ensure(r->missing_count < SANDBOX_MISSING_MAX);
	r->missing[r->missing_count++] = what;
}

void sandbox_report_make(const struct mcp_sandbox *s, struct sandbox_report *out)
{
	*out = (struct sandbox_report){.landlock_abi = landlock_abi(), .seccomp = seccomp_is_there()};
	if (!out->landlock_abi)
		missing_add(out, "files: no Landlock here, so every file of the service's user can be used");
	else if (out->landlock_abi < ABI_TRUNCATE)
		missing_add(out, "truncate: files beyond the granted ones can be emptied");
	if (out->landlock_abi && !asks(out) && !s->files_unlogged)
		missing_add(out, "refused files: they are not told, the kernel does not ask about them");
	if (out->landlock_abi < ABI_SCOPE)
		missing_add(out, "signals: other processes of the service's user can be signalled");
	if (!out->seccomp)
		missing_add(out, "system calls: no seccomp here, so none is refused");
	if (!out->seccomp && s->network != MCP_NETWORK_ALL)
		missing_add(out, out->landlock_abi >= ABI_NET ? "network: only TCP is refused"
							      : "network: it is not refused");
	if (s->processes && !asks(out))
		missing_add(out, "processes: their number is not limited");
	if (s->network == MCP_NETWORK_LOOPBACK && out->seccomp && !asks(out))
		missing_add(out, "loopback: it cannot be told from other networks and is refused, too");
	if (!run_folder_is_open())
		missing_add(out, "temporary folder: there is no private one");
}

/* Each is said once: all servers meet the same kernel. */
static void missing_log(const struct sandbox_report *r)
{
	static const char *told[SANDBOX_MISSING_MAX + 4];
	for (size_t i = 0; i < r->missing_count; i++) {
		size_t k = 0;
		while (k < COUNT_OF(told) && told[k] && told[k] != r->missing[i])
			k++;
		if (k == COUNT_OF(told) || told[k])
			continue;
		told[k] = r->missing[i];
		log_warn("tool servers are not confined in every way on this system (sandbox.require: true "
			 "does not start one then)",
			 LF_STR("missing", r->missing[i]), LF_INT("landlock_abi", r->landlock_abi));
	}
}

enum err sandbox_check(const struct mcp_server_options *o, struct error *e)
{
	struct sandbox_report r;
	if (o->sandbox.off)
		return ERR_NONE;
	sandbox_report_make(&o->sandbox, &r);
	missing_log(&r);
	if (!o->sandbox.require || !r.missing_count)
		return ERR_NONE;
	return err_set(e, ERR_UNSUPPORTED,
		       "it requires its sandbox (sandbox.require), and this system lacks a part: %s",
		       r.missing[0]);
}

void sandbox_write(const struct mcp_server_options *o, struct jw *w)
{
	static const char *const NETWORKS[] = {"none", "loopback", "all"};
	struct sandbox_report r;
	jw_name(w, "sandbox");
	if (o->transport != MCP_STDIO || o->sandbox.off) {
		jw_null(w);
		return;
	}
	sandbox_report_make(&o->sandbox, &r);
	jw_object(w);
	jw_name(w, "landlock");
	if (r.landlock_abi)
		jw_int(w, r.landlock_abi);
	else
		jw_null(w);
	jw_kv_bool(w, "seccomp", r.seccomp);
	jw_kv_text(w, "network", NETWORKS[o->sandbox.network]);
	jw_name(w, "missing");
	jw_array(w);
	for (size_t i = 0; i < r.missing_count; i++)
		jw_text(w, r.missing[i]);
	jw_array_end(w);
	jw_object_end(w);
}

/* --- prepared before the fork --- */

static void limit_add(struct confinement *c, int what, int64_t soft, int64_t hard)
{
	struct rlimit now;
	rlim_t most = getrlimit(what, &now) == 0 ? now.rlim_max : RLIM_INFINITY;
	rlim_t h = (rlim_t)hard < most ? (rlim_t)hard : most, s = (rlim_t)soft < h ? (rlim_t)soft : h;
	ensure(c->limits_count < LIMITS_MAX);
	c->limits[c->limits_count++] = (struct limit){what, {s, h}};
}

static void limits_make(struct confinement *c, const struct mcp_sandbox *s)
{
	limit_add(c, RLIMIT_CORE, 0, 0);
	if (s->cpu_seconds)
		limit_add(c, RLIMIT_CPU, s->cpu_seconds, s->cpu_seconds + CPU_LAST_SECONDS);
	if (s->memory_mib)
		limit_add(c, RLIMIT_DATA, s->memory_mib << 20, s->memory_mib << 20);
	if (s->files)
		limit_add(c, RLIMIT_NOFILE, s->files < FILES_SOFT ? s->files : FILES_SOFT, s->files);
	if (s->file_size_mib)
		limit_add(c, RLIMIT_FSIZE, s->file_size_mib << 20, s->file_size_mib << 20);
}

/* A service that runs as root reads and writes what belongs to others: within its paths a server may, too. */
static void capabilities_make(struct confinement *c)
{
	static const unsigned KEPT = 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_CHOWN;
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct now[2] = {{0}};
	if (syscall(SYS_capget, &head, now) == 0)
		c->capabilities[0].permitted = c->capabilities[0].effective = now[0].permitted & KEPT;
}

static enum err rules_make(struct confinement *c, const struct mcp_server_options *o,
			   const char *path_variable, struct error *e)
{
	struct sandbox_paths paths;
	if (!c->report.landlock_abi)
		return ERR_NONE;
	sandbox_paths_collect(o, path_variable, c->folder, &paths);
	c->rules = landlock_rules_new(c->report.landlock_abi, &paths, o->sandbox.network == MCP_NETWORK_NONE);
	int errnum = errno;
	if (asks(&c->report) && !o->sandbox.files_unlogged)
		c->files = files_new(&paths);
	sandbox_paths_release(&paths);
	return c->rules < 0 ? err_set_errno(e, errnum, "cannot make the rules of its sandbox") : ERR_NONE;
}

/* The child overwrites the lowest descriptors before it needs ours. */
static enum err descriptor_raise(int *fd, struct error *e)
{
	if (*fd < 0 || *fd >= FD_LOWEST)
		return ERR_NONE;
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, FD_LOWEST);
	if (high < 0)
		return err_set_errno(e, errno, "cannot move a descriptor");
	close(*fd);
	*fd = high;
	return ERR_NONE;
}

static enum err prepare(struct confinement *c, const struct mcp_server_options *o, const char *path_variable,
			struct error *e)
{
	enum err rc = rules_make(c, o, path_variable, e);
	if (!rc && asks(&c->report))
		rc = fd_socketpair(c->socket, e);
	for (int i = 0; i < 2 && !rc; i++)
		rc = descriptor_raise(&c->socket[i], e);
	if (!rc)
		rc = descriptor_raise(&c->rules, e);
	if (rc)
		return rc;
	limits_make(c, &o->sandbox);
	capabilities_make(c);
	seccomp_code_make(o->sandbox.network, c->socket[0] >= 0, c->files != NULL, &c->code);
	return ERR_NONE;
}

struct confinement *confinement_new(const struct mcp_server_options *o, const char *path_variable,
				    struct error *e)
{
	struct confinement *c = xcalloc(1, sizeof(*c));
	c->server = o->id;
	c->processes_max = o->sandbox.processes;
	c->network = o->sandbox.network;
	c->rules = c->socket[0] = c->socket[1] = -1;
	c->folder = run_folder_make();
	sandbox_report_make(&o->sandbox, &c->report);
	if (prepare(c, o, path_variable, e) == ERR_NONE)
		return c;
	confinement_free(c);
	return NULL;
}

const char *confinement_folder(const struct confinement *c)
{
	return c->folder;
}

/* --- in the child: async-signal-safe calls only --- */

bool confinement_enter(const struct confinement *c)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	int listener;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return false;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* without any it may fail */
	if (syscall(SYS_capset, &head, c->capabilities) != 0)
		return false;
	for (size_t i = 0; i < c->limits_count; i++)
		if (setrlimit((__rlimit_resource_t)c->limits[i].what, &c->limits[i].value) != 0)
			return false;
	if (c->rules >= 0 && !landlock_enter(c->report.landlock_abi, c->rules))
		return false;
	if (!c->report.seccomp)
		return true;
	bool ask = c->socket[1] >= 0;
	return seccomp_enter(&c->code, ask, &listener) && (!ask || watch_send(c->socket[1], listener));
}

/* --- in the parent --- */

void confinement_started(struct confinement *c, struct loop *l, int pid)
{
	fd_close(&c->rules);
	fd_close(&c->socket[1]);
	if (c->socket[0] < 0)
		return;
	if (c->files)
		files_start(c->files, l, c->server, pid);
	c->watch = watch_new(l, c->socket[0], c->server, pid, c->network, c->processes_max, c->files);
	c->socket[0] = -1;
}

void confinement_free(struct confinement *c)
{
	if (!c)
		return;
	watch_free(c->watch);
	files_free(c->files);
	fd_close(&c->rules);
	fd_close(&c->socket[0]);
	fd_close(&c->socket[1]);
	if (c->folder)
		run_folder_remove(c->folder);
	free(c->folder);
	free(c);
}
