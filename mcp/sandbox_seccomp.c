/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that a tool server is refused: those that look into or steer other processes, change the
 * system, or open parts of the kernel that such a program never needs; and those of the network it was not
 * granted. It is a list of refusals, not of permissions: servers are written in every language, and a list of
 * what Node needs today breaks them tomorrow. Most refusals are EPERM or EACCES, which programs expect.
 *
 * Two are no errors. setsid and setpgid answer 0 and do nothing: a server cannot leave its process group, so
 * one signal to the group reaches everything it has started, and programs that make daemons still work.
 * clone3 is "not there" (its flags are out of a filter's sight), and the C library falls back to clone.
 *
 * Where the kernel can ask, it asks us instead of refusing (sandbox_watch.c): so that new processes can be
 * counted, connections be made where only this machine may be reached, and each refusal be told, those of
 * Landlock as well. Another processor than the two known ones has no filter, and that is reported.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { ARCH = AUDIT_ARCH_X86_64 & 0x7fffffff, X32_BIT = 0x40000000 };
#elif defined(__aarch64__)
enum { ARCH = AUDIT_ARCH_AARCH64 & 0x7fffffff, X32_BIT = 0 };
#else
enum { ARCH = 0, X32_BIT = 0 };
#endif
static const uint32_t ARCH_BITS = 0x80000000u;     /* both known ones are 64 bits wide ... */
static const uint32_t NEW_NAMESPACES = 0x7e020000; /* CLONE_NEW*, without NEWTIME, which clone has not */
enum { SOCK_TYPE_BITS = 0xf, FASTOPEN = 0x20000000, PERSONALITY_ASK = -1, WAIT_KILLABLE = 1 << 5 };

#define CALL(name)                \
	{                         \
		SYS_##name, #name \
	}
static const struct call {
	int number;
	const char *name;
} REFUSED[] = {
	/* other processes */
	CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(kcmp), CALL(pidfd_getfd),
	CALL(process_madvise), CALL(perf_event_open), CALL(userfaultfd),
	/* the tree of files, and doors around its rules */
	CALL(mount), CALL(umount2), CALL(pivot_root), CALL(chroot), CALL(move_mount), CALL(open_tree),
	CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick), CALL(mount_setattr),
	CALL(open_by_handle_at), CALL(name_to_handle_at), CALL(fanotify_init), CALL(quotactl), CALL(swapon),
	CALL(swapoff),
	/* namespaces */
	CALL(setns), CALL(unshare),
	/* the kernel */
	CALL(bpf), CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(kexec_load), CALL(reboot),
	CALL(syslog), CALL(acct), CALL(io_uring_setup), CALL(io_uring_enter), CALL(io_uring_register),
	CALL(nfsservctl), CALL(lookup_dcookie), CALL(vhangup),
#ifdef SYS_kexec_file_load
	CALL(kexec_file_load),
#endif
#ifdef SYS_iopl
	CALL(iopl), CALL(ioperm),
#endif
	/* keys, clock, names */
	CALL(keyctl), CALL(add_key), CALL(request_key), CALL(settimeofday), CALL(clock_settime),
	CALL(adjtimex), CALL(clock_adjtime), CALL(sethostname), CALL(setdomainname)};
/* Refused for where they lead to. */
static const struct call NETWORK[] = {CALL(socket), CALL(connect), CALL(bind)};
#undef CALL

/* --- pieces of a program --- */

static void emit(struct seccomp_code *f, int code, uint32_t k, int yes, int no)
{
	ensure(f->len < SECCOMP_CODE_MAX && yes < 256 && no < 256);
	f->code[f->len++] = (struct sock_filter){(uint16_t)code, (uint8_t)yes, (uint8_t)no, k};
}

static void load(struct seccomp_code *f, size_t offset)
{
	emit(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The lower half: both processors are little-endian. */
static void load_argument(struct seccomp_code *f, size_t n)
{
	load(f, offsetof(struct seccomp_data, args) + n * sizeof(uint64_t));
}

static void answer(struct seccomp_code *f, uint32_t action)
{
	emit(f, BPF_RET | BPF_K, action, 0, 0);
}

static uint32_t error_action(int errnum)
{
	return SECCOMP_RET_ERRNO | ((uint32_t)errnum & SECCOMP_RET_DATA);
}

static void answer_error(struct seccomp_code *f, int errnum)
{
	answer(f, error_action(errnum));
}

static void if_equal(struct seccomp_code *f, int64_t k, int yes, int no)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)k, yes, no);
}

static void if_bits(struct seccomp_code *f, uint32_t bits, int yes, int no)
{
	emit(f, BPF_JMP | BPF_JSET | BPF_K, bits, yes, no);
}

/* What follows is for this call only, up to block_end, and must end in an answer. */
static unsigned short block_begin(struct seccomp_code *f, int call)
{
	if_equal(f, call, 0, 0);
	return (unsigned short)(f->len - 1);
}

static void block_end(struct seccomp_code *f, unsigned short at)
{
	f->code[at].jf = (uint8_t)(f->len - at - 1);
}

static void answer_call(struct seccomp_code *f, int call, uint32_t action)
{
	unsigned short at = block_begin(f, call);
	answer(f, action);
	block_end(f, at);
}

static void refuse(struct seccomp_code *f, int call, int errnum)
{
	answer_call(f, call, error_action(errnum));
}

/* This answer unless the argument is one of the values. */
static void answer_unless(struct seccomp_code *f, size_t argument, const int *values, size_t count,
			  uint32_t action)
{
	load_argument(f, argument);
	for (size_t i = 0; i < count; i++)
		if_equal(f, values[i], (int)(count - i), 0);
	answer(f, action);
}

/* --- single calls --- */

static void processes_add(struct seccomp_code *f, uint32_t allowed)
{
	unsigned short at = block_begin(f, SYS_clone);
	load_argument(f, 0);
	if_bits(f, NEW_NAMESPACES, 0, 1);
	answer_error(f, EPERM);
	answer(f, allowed);
	block_end(f, at);
#ifdef SYS_fork
	answer_call(f, SYS_fork, allowed);
	answer_call(f, SYS_vfork, allowed);
#endif
	refuse(f, SYS_clone3, ENOSYS);
	refuse(f, SYS_setsid, 0);
	refuse(f, SYS_setpgid, 0);
}

static void oddities_add(struct seccomp_code *f)
{
	static const int PERSONALITIES[] = {0, PERSONALITY_ASK};
	unsigned short at = block_begin(f, SYS_personality);
	answer_unless(f, 0, PERSONALITIES, COUNT_OF(PERSONALITIES), error_action(EPERM));
	answer(f, SECCOMP_RET_ALLOW);
	block_end(f, at);
	/* It would be out of our sight when its processes are counted. */
	at = block_begin(f, SYS_prctl);
	load_argument(f, 0);
	if_equal(f, PR_SET_DUMPABLE, 0, 1);
	answer_error(f, EPERM);
	answer(f, SECCOMP_RET_ALLOW);
	block_end(f, at);
	at = block_begin(f, SYS_ioctl);
	load_argument(f, 1);
	if_equal(f, TIOCSTI, 1, 0);
	if_equal(f, TIOCLINUX, 0, 1);
	answer_error(f, EPERM);
	answer(f, SECCOMP_RET_ALLOW);
	block_end(f, at);
}

static void type_stream_only(struct seccomp_code *f, uint32_t refused)
{
	load_argument(f, 1);
	emit(f, BPF_ALU | BPF_AND | BPF_K, SOCK_TYPE_BITS, 0, 0);
	if_equal(f, SOCK_STREAM, 1, 0);
	answer(f, refused);
}

static void socket_add(struct seccomp_code *f, enum mcp_network network, uint32_t refused)
{
	static const int LOCAL[] = {AF_UNIX}, STREAMS[] = {AF_UNIX, AF_INET, AF_INET6},
			 ALL[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}, TCP[] = {0, IPPROTO_TCP};
	unsigned short at = block_begin(f, SYS_socket);
	if (network == MCP_NETWORK_NONE) {
		answer_unless(f, 0, LOCAL, COUNT_OF(LOCAL), refused);
		type_stream_only(f, refused);
	} else if (network == MCP_NETWORK_LOOPBACK) {
		answer_unless(f, 0, STREAMS, COUNT_OF(STREAMS), refused);
		type_stream_only(f, refused);
		answer_unless(f, 2, TCP, COUNT_OF(TCP), refused);
	} else {
		answer_unless(f, 0, ALL, COUNT_OF(ALL), refused);
		if_equal(f, AF_NETLINK, 0, 3); /* interfaces and routes may be looked at */
		load_argument(f, 2);
		if_equal(f, 0, 1, 0);
		answer(f, refused);
	}
	answer(f, SECCOMP_RET_ALLOW);
	block_end(f, at);
}

/* A first packet could be sent past connect. */
static void fast_open_refuse(struct seccomp_code *f, int call, size_t flags_argument)
{
	unsigned short at = block_begin(f, call);
	load_argument(f, flags_argument);
	if_bits(f, FASTOPEN, 0, 1);
	answer_error(f, EACCES);
	answer(f, SECCOMP_RET_ALLOW);
	block_end(f, at);
}

static void network_add(struct seccomp_code *f, enum mcp_network network, bool ask)
{
	uint32_t refused = ask ? SECCOMP_RET_USER_NOTIF : error_action(EACCES);
	socket_add(f, network, refused);
	if (network == MCP_NETWORK_ALL)
		return;
	/* Sockets of other programs (a container engine's, a desktop's bus) lead out of every sandbox. */
	answer_call(f, SYS_connect, refused);
	if (network == MCP_NETWORK_NONE || !ask)
		return;
	answer_call(f, SYS_bind, refused);
	fast_open_refuse(f, SYS_sendto, 3);
	fast_open_refuse(f, SYS_sendmsg, 2);
	fast_open_refuse(f, SYS_sendmmsg, 3);
}

/* They go on in any case: sandbox_files.c looks at what they name. The first ones, as they are frequent. */
static void files_add(struct seccomp_code *f)
{
	for (size_t i = 0; file_call_number(i) >= 0; i++)
		answer_call(f, file_call_number(i), SECCOMP_RET_USER_NOTIF);
}

void seccomp_code_make(enum mcp_network network, bool ask, bool ask_files, struct seccomp_code *out)
{
	out->len = 0;
	load(out, offsetof(struct seccomp_data, arch));
	if_equal(out, ARCH | ARCH_BITS, 1, 0);
	answer(out, SECCOMP_RET_KILL_PROCESS); /* the same calls under other numbers */
	load(out, offsetof(struct seccomp_data, nr));
	if (X32_BIT) {
		emit(out, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
		answer_error(out, ENOSYS);
	}
	if (ask && ask_files)
		files_add(out);
	for (size_t i = 0; i < COUNT_OF(REFUSED); i++)
		answer_call(out, REFUSED[i].number, ask ? SECCOMP_RET_USER_NOTIF : error_action(EPERM));
	processes_add(out, ask ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW);
	oddities_add(out);
	network_add(out, network, ask);
	answer(out, SECCOMP_RET_ALLOW);
}

int seccomp_call_find(int number, const char **name, int *errnum)
{
	int count = COUNT_OF(REFUSED), more = COUNT_OF(NETWORK);
	static_assert(COUNT_OF(REFUSED) + COUNT_OF(NETWORK) <= SECCOMP_CALLS_MAX, "one bit for each");
	for (int i = 0; i < count + more; i++) {
		const struct call *c = i < count ? &REFUSED[i] : &NETWORK[i - count];
		if (c->number != number)
			continue;
		*name = c->name;
		*errnum = i < count ? EPERM : EACCES;
		return i;
	}
	return -1;
}

/* --- the kernel --- */

static bool action_is_there(uint32_t action)
{
	return ARCH != 0 && syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool seccomp_is_there(void)
{
	return action_is_there(SECCOMP_RET_ERRNO) && action_is_there(SECCOMP_RET_KILL_PROCESS);
}

bool seccomp_has_listener(void)
{
	struct seccomp_notif_sizes sizes;
	return seccomp_is_there() && action_is_there(SECCOMP_RET_USER_NOTIF) &&
	       syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0;
}

bool seccomp_enter(const struct seccomp_code *code, bool ask, int *listener)
{
	struct sock_fprog program = {code->len, (struct sock_filter *)(uintptr_t)code->code};
	unsigned flags = ask ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	/* A question is answered in full before a signal interrupts it; kernels before 5.19 cannot. */
	long fd = ask ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | WAIT_KILLABLE, &program) : -1;
	if (fd < 0)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	*listener = ask ? (int)fd : -1;
	return fd >= 0;
}
