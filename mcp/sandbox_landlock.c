/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock, by its system calls: a process gives up, for itself and all it will start, every access to files
 * but the granted ones, and from later versions of the kernel on TCP, signals and abstract sockets beyond
 * itself. What the kernel's version cannot refuse is left out here and reported by sandbox.c.
 *
 * A path that cannot be opened when the rules are made is skipped: a rule for what is not there grants
 * nothing. Looking at a file's attributes is not refused by any version.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The headers of the systems we build on are older than the kernels we run on. */
struct rules_attributes {
	uint64_t files, net, scopes;
};
struct path_attributes {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

enum {
	LL_EXECUTE = 1 << 0,
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_ALL_V1 = (1 << 13) - 1,
	LL_MAKE_CHAR = 1 << 6,
	LL_MAKE_BLOCK = 1 << 11,
	LL_REFER = 1 << 13,
	LL_TRUNCATE = 1 << 14,
	LL_IOCTL_DEV = 1 << 15,
	LL_NET_TCP = 3,
	LL_SCOPES = 3,
	LL_RULE_PATH = 1,
	LL_GET_VERSION = 1,
	LL_LOG_NEW_EXEC = 1 << 1,
};
enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_IOCTL = 5, ABI_SCOPE = 6, ABI_LOG = 7 };
static const uint64_t READS = LL_EXECUTE | LL_READ_FILE | LL_READ_DIR;
static const uint64_t OF_FILES = LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV;

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_GET_VERSION);
	return abi > 0 ? (int)abi : 0;
}

static uint64_t handled(int abi)
{
	return LL_ALL_V1 | (abi >= ABI_REFER ? LL_REFER : 0) | (abi >= ABI_TRUNCATE ? LL_TRUNCATE : 0) |
	       (abi >= ABI_IOCTL ? LL_IOCTL_DEV : 0);
}

static bool rule_add(int rules, int fd, uint64_t allowed)
{
	struct path_attributes p = {.allowed = allowed, .fd = fd};
	return syscall(SYS_landlock_add_rule, rules, LL_RULE_PATH, &p, 0) == 0;
}

static void path_allow(int abi, int rules, const struct sandbox_path *p)
{
	struct stat st;
	uint64_t writes = handled(abi) & ~(uint64_t)(LL_MAKE_CHAR | LL_MAKE_BLOCK);
	uint64_t allowed = p->write ? writes : READS;
	int fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		allowed &= OF_FILES;
	if (!rule_add(rules, fd, allowed))
		log_warn("a path cannot be granted to a tool server", LF_STR("path", p->path),
			 LF_INT("errno", errno));
	close(fd);
}

int landlock_rules_new(int abi, const struct sandbox_paths *paths, bool refuse_tcp)
{
	struct rules_attributes a = {.files = handled(abi),
				     .net = abi >= ABI_NET && refuse_tcp ? LL_NET_TCP : 0,
				     .scopes = abi >= ABI_SCOPE ? LL_SCOPES : 0};
	size_t size = abi >= ABI_SCOPE ? sizeof(a) : abi >= ABI_NET ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
	int rules = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	for (size_t i = 0; rules >= 0 && i < paths->count; i++)
		path_allow(abi, rules, &paths->items[i]);
	return rules;
}

bool landlock_enter(int abi, int rules)
{
	int self = open("/proc/self", O_PATH | O_CLOEXEC);
	/* Writing: its own oom_score_adj, comm and the like; who it is decides about the rest. */
	if (self >= 0) {
		rule_add(rules, self, READS | LL_WRITE_FILE | (handled(abi) & LL_TRUNCATE));
		close(self);
	}
	/* The kernel's audit, where somebody keeps one, is to tell of the server that is executed next, too.
	 */
	return syscall(SYS_landlock_restrict_self, rules, abi >= ABI_LOG ? LL_LOG_NEW_EXEC : 0) == 0;
}
