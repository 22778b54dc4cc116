/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which paths a confined server may use. Only looks, and names; what comes out is granted elsewhere.
 *
 * Read: folders of the system's programs and libraries, the harmless part of /etc, /proc, /sys and /dev; the
 * command's own folder (and, beside a `bin`, its libraries); the working directory of the registry entry;
 * `read` of the sandbox. For a script among the arguments: the outermost node_modules it is in, else the
 * folder of its package.json or pyproject.toml, else its own folder.
 *
 * Read and write: the private temporary folder; every other existing path among the arguments (also after the
 * "=" of --name=PATH; a folder must have a "/" or begin with ".") and among the variables of `env`; `write`
 * of the sandbox. Of a file in `env` the whole folder, unless that is one for everybody or holds the
 * service's own data. The kernel grants only what exists, so a missing file with an extension is made, empty,
 * when it stands in `write`, and the folder of one in `env`. Credentials and certificates among the variables
 * may be read, not written.
 *
 * A server that is given "/" has everything: it is the operator's word.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PACKAGE_LEVELS_MAX = 5 };

static const char *const READABLE[] = {"/usr",
				       "/bin",
				       "/sbin",
				       "/lib",
				       "/lib32",
				       "/lib64",
				       "/libx32",
				       "/opt",
				       "/etc/ld.so.cache",
				       "/etc/ld.so.conf",
				       "/etc/ld.so.conf.d",
				       "/etc/ld.so.preload",
				       "/etc/alternatives",
				       "/etc/localtime",
				       "/etc/timezone",
				       "/etc/locale.alias",
				       "/etc/mime.types",
				       "/etc/os-release",
				       "/etc/debian_version",
				       "/etc/nsswitch.conf",
				       "/etc/passwd",
				       "/etc/group",
				       "/etc/hosts",
				       "/etc/host.conf",
				       "/etc/resolv.conf",
				       "/etc/gai.conf",
				       "/etc/services",
				       "/etc/protocols",
				       "/etc/ssl/certs",
				       "/etc/ssl/openssl.cnf",
				       "/etc/ca-certificates",
				       "/etc/pki/tls/certs",
				       "/etc/pki/ca-trust",
				       "/etc/crypto-policies",
				       "/etc/fonts",
				       "/etc/python3",
				       "/etc/java",
				       "/proc/cpuinfo",
				       "/proc/meminfo",
				       "/proc/stat",
				       "/proc/uptime",
				       "/proc/loadavg",
				       "/proc/version",
				       "/proc/filesystems",
				       "/proc/sys/kernel/osrelease",
				       "/proc/sys/kernel/ngroups_max",
				       "/proc/sys/kernel/cap_last_cap",
				       "/proc/sys/kernel/pid_max",
				       "/proc/sys/kernel/threads-max",
				       "/proc/sys/kernel/random",
				       "/proc/sys/vm/overcommit_memory",
				       "/proc/sys/vm/max_map_count",
				       "/proc/sys/net/core/somaxconn",
				       "/proc/sys/crypto/fips_enabled",
				       "/sys/devices/system/cpu",
				       "/sys/devices/system/node",
				       "/sys/fs/cgroup",
				       "/sys/kernel/mm/transparent_hugepage",
				       "/dev/random",
				       "/dev/urandom"};
static const char *const WRITABLE[] = {"/dev/null", "/dev/zero", "/dev/full"};

static void path_add(struct sandbox_paths *p, const char *path, bool write)
{
	if (!*path || p->count == SANDBOX_PATHS_MAX || access(path, F_OK) != 0)
		return;
	p->items = xrealloc(p->items, (p->count + 1) * sizeof(*p->items));
	p->items[p->count++] = (struct sandbox_path){xstrdup(path), write};
}

static void path_add_below(struct sandbox_paths *p, const char *folder, const char *name)
{
	char *path = xasprintf("%s/%s", folder, name);
	path_add(p, path, false);
	free(path);
}

/* The folder a path is in, to be freed. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return xasprintf("%.*s", slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".");
}

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* --- programs --- */

bool sandbox_path_is_program(const char *path)
{
	static const char *const ENDS[] = {".js", ".mjs", ".cjs", ".ts",  ".mts",  ".py",  ".pyz", ".rb",
					   ".pl", ".sh",  ".php", ".jar", ".wasm", ".lua", ".dll"};
	const char *dot = strrchr(path, '.');
	for (size_t i = 0; dot && i < COUNT_OF(ENDS); i++)
		if (!strcmp(dot, ENDS[i]))
			return true;
	return access(path, X_OK) == 0;
}

/* Of a file's path: as far as the first node_modules in it; 0 when there is none. */
static size_t modules_len(const char *path)
{
	static const char name[] = "/node_modules/";
	const char *at = strstr(path, name);
	return at ? (size_t)(at - path) + strlen(name) - 1 : 0;
}

static bool is_package(const char *folder)
{
	static const char *const MARKS[] = {"package.json", "pyproject.toml", "pyvenv.cfg"};
	bool yes = false;
	for (size_t i = 0; i < COUNT_OF(MARKS) && !yes; i++) {
		char *mark = xasprintf("%s/%s", folder, MARKS[i]);
		yes = is_file(mark);
		free(mark);
	}
	return yes;
}

static void script_add(struct sandbox_paths *p, const char *file)
{
	char *path = realpath(file, NULL), *own = path ? folder_of(path) : NULL, *folder;
	const char *home = getenv("HOME");
	if (!path)
		return;
	size_t modules = modules_len(path);
	if (modules)
		own[modules < strlen(own) ? modules : strlen(own)] = '\0';
	folder = xstrdup(own);
	for (int i = 0; !modules && i < PACKAGE_LEVELS_MAX && folder[1] && strcmp(folder, home ? home : "");
	     i++) {
		if (is_package(folder)) {
			free(own);
			own = xstrdup(folder);
			break;
		}
		char *above = folder_of(folder);
		free(folder);
		folder = above;
	}
	path_add(p, own, false);
	free(folder);
	free(own);
	free(path);
}

static void program_add(struct sandbox_paths *p, const char *program)
{
	static const char *const BESIDE_BIN[] = {"lib", "lib64", "libexec", "share", "pyvenv.cfg"};
	char *folder = folder_of(program), *above = folder_of(folder);
	const char *name = strrchr(folder, '/');
	path_add(p, program, false);
	if (folder[1])
		path_add(p, folder, false);
	for (size_t i = 0; name && !strcmp(name, "/bin") && i < COUNT_OF(BESIDE_BIN); i++)
		path_add_below(p, above, BESIDE_BIN[i]);
	free(above);
	free(folder);
}

/* The command as it is named, and what it really is. */
static void command_add(struct sandbox_paths *p, const char *program)
{
	char *real = realpath(program, NULL);
	if (!real || !is_file(real)) {
		free(real);
		return;
	}
	program_add(p, program);
	program_add(p, real);
	if (modules_len(real) || sandbox_path_is_program(real))
		script_add(p, real);
	free(real);
}

static void command_find(struct sandbox_paths *p, const char *command, const char *path_variable)
{
	if (strchr(command, '/')) {
		command_add(p, command);
		return;
	}
	for (const char *at = path_variable; *at;) {
		size_t n = strcspn(at, ":");
		char *program = xasprintf("%.*s/%s", (int)n, at, command);
		bool here = n && access(program, X_OK) == 0;
		if (here)
			command_add(p, program);
		free(program);
		if (here)
			return;
		at += n + (at[n] == ':');
	}
}

/* --- arguments and variables --- */

/* An existing path; as the child sees it from its working directory. */
static void argument_add(struct sandbox_paths *p, const char *argument, const char *cwd)
{
	const char *text = argument;
	if (*text == '-' && strchr(text, '='))
		text = strchr(text, '=') + 1;
	char *path = *text == '/' || !cwd ? xstrdup(text) : xasprintf("%s/%s", cwd, text);
	/* A plain word that is a folder's name as well is more likely a word. */
	bool meant = *text == '.' || strchr(text, '/') || is_file(path);
	if (meant && is_file(path) && sandbox_path_is_program(path))
		script_add(p, path);
	else if (meant)
		path_add(p, path, true);
	free(path);
}

static void missing_make(const char *path)
{
	const char *name = strrchr(path, '/') + 1, *dot = strrchr(name, '.');
	char *folder = folder_of(path);
	struct stat st;
	bool wanted = dot && dot > name && dot[1] && access(path, F_OK) != 0 && stat(folder, &st) == 0 &&
		      S_ISDIR(st.st_mode);
	free(folder);
	int fd = wanted ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (fd >= 0)
		close(fd);
}

static bool is_only_read(const char *variable)
{
	static const char *const PARTS[] = {"CERT", "CREDENTIAL", "KEY", "SECRET", "TOKEN"};
	for (size_t i = 0; i < COUNT_OF(PARTS); i++)
		if (strstr(variable, PARTS[i]))
			return true;
	return !strcmp(variable, "NODE_PATH") || !strcmp(variable, "PYTHONPATH");
}

/* Too much for what a variable names: a folder of everybody's, or one with the service's own data. */
static bool is_wide(const char *folder, const char *withheld)
{
	static const char *const WIDE[] = {"/",     "/etc",     "/home",   "/mnt", "/opt",
					   "/root", "/srv",     "/tmp",    "/usr", "/usr/local",
					   "/var",  "/var/lib", "/var/tmp"};
	char *real = realpath(folder, NULL), *data = withheld ? realpath(withheld, NULL) : NULL;
	const char *home = getenv("HOME");
	bool wide = !real || (home && !strcmp(real, home));
	for (size_t i = 0; i < COUNT_OF(WIDE) && !wide; i++)
		wide = !strcmp(real, WIDE[i]);
	if (!wide && data)
		wide = !strncmp(data, real, strlen(real)) && strchr("/", data[strlen(real)]);
	free(data);
	free(real);
	return wide;
}

/* Programs replace a file by writing its successor beside it. */
static void file_add(struct sandbox_paths *p, const char *file, const char *withheld)
{
	char *folder = folder_of(file);
	const char *name = strrchr(file, '/') + 1;
	bool is_name = is_file(file) || (strchr(name, '.') && *name != '.');
	if (is_name && access(folder, F_OK) != 0 && mkdir(folder, 0700) != 0)
		log_warn(
			"the folder of a file in a tool server's environment is not there and cannot be made",
			LF_STR("path", file));
	if (is_name && !is_wide(folder, withheld)) {
		path_add(p, folder, true);
	} else {
		missing_make(file);
		path_add(p, file, true);
	}
	free(folder);
}

static void variable_add(struct sandbox_paths *p, const struct mcp_env *v, const char *withheld)
{
	struct stat st;
	static const char *const OF_THE_USER[] = {"HOME", "PATH", "SHELL"};
	for (size_t i = 0; i < COUNT_OF(OF_THE_USER); i++)
		if (!strcmp(v->name, OF_THE_USER[i]))
			return;
	if (*v->value != '/')
		return;
	if (is_only_read(v->name))
		path_add(p, v->value, false);
	else if (stat(v->value, &st) == 0 && S_ISDIR(st.st_mode))
		path_add(p, v->value, true);
	else
		file_add(p, v->value, withheld);
}

/* --- the whole --- */

void sandbox_paths_collect(const struct mcp_server_options *o, const char *path_variable,
			   const char *private_folder, struct sandbox_paths *out)
{
	*out = (struct sandbox_paths){0};
	for (size_t i = 0; i < COUNT_OF(READABLE); i++)
		path_add(out, READABLE[i], false);
	for (size_t i = 0; i < COUNT_OF(WRITABLE); i++)
		path_add(out, WRITABLE[i], true);
	command_find(out, o->command, path_variable ? path_variable : "/usr/local/bin:/usr/bin:/bin");
	if (o->cwd)
		path_add(out, o->cwd, false);
	if (private_folder)
		path_add(out, private_folder, true);
	for (const char *const *a = o->args; a && *a; a++)
		argument_add(out, *a, o->cwd);
	for (size_t i = 0; i < o->env_count; i++)
		variable_add(out, &o->env[i], o->sandbox.withheld);
	for (const char *const *r = o->sandbox.read; r && *r; r++)
		path_add(out, *r, false);
	for (const char *const *r = o->roots; r && *r; r++)
		path_add(out, *r, true);
	for (const char *const *w = o->sandbox.write; w && *w; w++) {
		missing_make(*w);
		path_add(out, *w, true);
	}
}

void sandbox_paths_release(struct sandbox_paths *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->items[i].path);
	free(p->items);
	*p = (struct sandbox_paths){0};
}
