/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, clocks, random numbers, identifiers, digests: thin, checked wrappers over the system. */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* --- descriptors --- */
must_check enum err fd_set_nonblock(int fd, struct error *e);
/* Closes *fd if it is >= 0 and sets it to -1. */
void fd_close(int *fd);
/* A pair of connected, non-blocking, close-on-exec AF_UNIX SOCK_STREAM sockets. */
must_check enum err fd_socketpair(int pair[2], struct error *e);
/* Blocking write of everything (boot path, command line, and threads that do nothing else). */
must_check enum err fd_write_all(int fd, const void *p, size_t n, struct error *e);
/* Reads a whole regular file of at most `max` bytes into *out (boot path and command line only). */
must_check enum err file_read(const char *path, size_t max, struct buf *out, struct error *e);

/* --- clocks; both can be set by tests --- */
int64_t clock_mono_ms(void); /* CLOCK_MONOTONIC, for time-outs */
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);                           /* Unix time, for people */
void clock_fake_set(int64_t mono_us, int64_t wall_ms); /* freezes both */
void clock_fake_clear(void);
enum { CLOCK_TEXT_SIZE = 25 };
/* RFC 3339 in UTC with milliseconds: "2026-11-23T03:24:41.123Z". */
void clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);
/* false when the text is not of that form (offset "Z" only; fraction optional). */
bool clock_parse(const char *text, int64_t *wall_ms);

/* --- random numbers: getrandom(2), never fails after boot --- */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);

/* --- identifiers --- */
enum { ID_BYTES = 16, ID_TEXT_SIZE = 37 };
struct id {
	uint8_t b[ID_BYTES];
};
/* UUIDv7 (RFC 9562 section 5.7): Unix milliseconds, then a counter that grows within a process's millisecond,
 * then random bits. Byte order is time order. */
void id_new(struct id *out);
void id_format(const struct id *id, char out[ID_TEXT_SIZE]); /* lower case, with dashes */
/* Only the canonical form of 36 characters (either case); any UUID version. */
bool id_parse(const char *text, size_t len, struct id *out);
int id_compare(const struct id *a, const struct id *b);
bool id_is_zero(const struct id *id);

/* --- digests and encodings --- */
enum { SHA256_BYTES = 32, SHA256_HEX_SIZE = 65 };
void sha256_bytes(const void *p, size_t n, uint8_t out[SHA256_BYTES]);
void sha256_hex(const void *p, size_t n, char out[SHA256_HEX_SIZE]);
uint64_t hash64(const void *p,
		size_t n); /* not for adversaries: seeded once at boot, the same in all processes */
void base64_encode(const void *p, size_t n, struct buf *out);
/* RFC 4648 with padding. false on any other byte. */
bool base64_decode(const char *s, size_t n, struct buf *out);

/* --- text --- */
/* Length of the longest valid UTF-8 prefix (RFC 3629: no surrogates, no overlong forms). == n when all is
 * valid. */
size_t utf8_valid_prefix(const char *s, size_t n);
bool utf8_valid(const char *s, size_t n);
/* Largest m <= max such that s[0..m) does not end within a character. s must be valid UTF-8. */
size_t utf8_cut(const char *s, size_t n, size_t max);
/* Appends the text (valid UTF-8) without what cannot be seen: control characters but line feed and tab,
 * zero-width characters, and those that turn the direction of text (clean.c). */
void text_clean(struct slice text, struct buf *out);
/* Edit distance for "did you mean", at most `limit`+1. */
int text_distance(const char *a, const char *b, int limit);

#endif
