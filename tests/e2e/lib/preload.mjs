// SPDX-License-Identifier: Apache-2.0
// Libraries to be preloaded into a service under test: a wall clock that the test sets, and a disk that fails when the test says so.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { scratch } from './durable.mjs';

function compile(dir, source) {
  fs.writeFileSync(path.join(dir, 'p.c'), source);
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', path.join(dir, 'p.so'), path.join(dir, 'p.c'), '-ldl']);
  return path.join(dir, 'p.so');
}

/** {env, set(seconds)}: the wall clock of every process, now and later, goes so many seconds ahead (or behind). */
export function setClock() {
  const dir = scratch();
  const file = path.join(dir, 'offset');
  const set = (seconds) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    const fd = fs.openSync(file, fs.existsSync(file) ? 'r+' : 'w');
    fs.writeSync(fd, bytes);
    fs.closeSync(fd);
  };
  set(0);
  const library = compile(dir, `#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long long *offset;
__attribute__((constructor)) static void begin(void)
{
	int fd = open("${file}", O_RDONLY | O_CLOEXEC);
	offset = mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
}
int clock_gettime(clockid_t id, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(id, t);
	if (rc == 0 && offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += *offset;
	return rc;
}
int gettimeofday(struct timeval *restrict v, void *restrict z)
{
	struct timespec t;
	(void)z;
	clock_gettime(CLOCK_REALTIME, &t);
	v->tv_sec = t.tv_sec;
	v->tv_usec = t.tv_nsec / 1000;
	return 0;
}
time_t time(time_t *out)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}
`);
  return { env: { LD_PRELOAD: library }, set };
}

/** {env, fail(call, error), heal()}: from then on that call (write, sync) fails for files under the folder. error: EIO, ENOSPC.
 *  counts: how often it did, per call. */
export function setDisk(folder) {
  const dir = scratch();
  const file = path.join(dir, 'fault');
  fs.writeFileSync(file, Buffer.alloc(32));
  const numbers = { EIO: 5, ENOSPC: 28 };
  const poke = (at, value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, bytes, 0, 8, at);
    fs.closeSync(fd);
  };
  const library = compile(dir, `#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static struct { long long write_error, sync_error, writes, syncs; } volatile *fault;
__attribute__((constructor)) static void begin(void)
{
	int fd = open("${file}", O_RDWR | O_CLOEXEC);
	fault = mmap(0, 32, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}
static int ours(int fd)
{
	char link[64], name[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, name, sizeof name - 1);
	if (n <= 0)
		return 0;
	name[n] = 0;
	return !strncmp(name, "${folder}", ${Buffer.byteLength(folder)});
}
#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(kind, fd) \\
	if (fault->kind##_error && ours(fd)) { \\
		__atomic_add_fetch(&fault->kind##s, 1, __ATOMIC_SEQ_CST); \\
		errno = (int)fault->kind##_error; \\
		return -1; \\
	}
ssize_t write(int fd, const void *p, size_t n) { REAL(write); FAIL(write, fd) return real(fd, p, n); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t at) { REAL(pwrite); FAIL(write, fd) return real(fd, p, n, at); }
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) { REAL(pwrite64); FAIL(write, fd) return real(fd, p, n, at); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); FAIL(write, fd) return real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); FAIL(write, fd) return real(fd, n); }
int fallocate(int fd, int mode, off_t at, off_t n) { REAL(fallocate); FAIL(write, fd) return real(fd, mode, at, n); }
int fsync(int fd) { REAL(fsync); FAIL(sync, fd) return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); FAIL(sync, fd) return real(fd); }
`);
  const at = { write: 0, sync: 8 };
  return {
    env: { LD_PRELOAD: library },
    fail: (call, error) => poke(at[call], numbers[error]),
    heal: () => { poke(0, 0); poke(8, 0); },
    get counts() { const b = fs.readFileSync(file); return { writes: Number(b.readBigInt64LE(16)), syncs: Number(b.readBigInt64LE(24)) }; },
  };
}
