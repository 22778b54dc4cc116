/* SPDX-License-Identifier: Apache-2.0 */
/* Reading streams of events: what tests of sse.c share. */
#ifndef TESTS_SSE_RIG_H
#define TESTS_SSE_RIG_H

#include "api_rig.h"

/* A stream on a connection of its own (HTTP/1.1, chunked). `more`: "?after=1", or header lines after "\r\n".
 */
static inline int stream(struct api_task t, const char *more)
{
	char head[200];
	int fd = api_client();

	snprintf(head, sizeof(head), "GET %s/stream%s", t.path, more);
	api_send(fd, head, NULL);
	return fd;
}

/* The bytes of a chunked body that came so far, without the framing. */
static inline const char *unchunked(void)
{
	static struct buf out;
	const char *p = strstr(buf_cstr(&rig.got), "\r\n\r\n");
	char *end;

	buf_reset(&out);
	assert_non_null(p);
	for (p += 4; *p;) {
		size_t n = strtoul(p, &end, 16);

		p = end + 2;
		if (n == 0 || strlen(p) < n)
			break;
		buf_add(&out, p, n);
		p += n + 2;
	}
	return buf_cstr(&out);
}

/* rig_read throws away what came before; here everything of one stream is kept. */
static inline const char *more(int fd, const char *text)
{
	for (int turn = 0; turn < RIG_TURNS_MAX; turn++) {
		rig_take(fd);
		if (rig.got_end || rig.got_reset || (text && strstr(buf_cstr(&rig.got), text)))
			return buf_cstr(&rig.got);
		loop_turn(rig.loop, 1);
	}
	fail_msg("waited for \"%s\", got \"%s\"", text ? text : "the end", buf_cstr(&rig.got));
	return NULL;
}

static inline void begin(void)
{
	buf_reset(&rig.got);
	rig.got_end = rig.got_reset = false;
}

static inline void live(struct api_task t, const char *data)
{
	struct lease l = {.ref = t.ref};
	struct task_head head;

	assert_int_equal(task_head_get(api.other, t.ref, &head), ERR_NONE);
	l.epoch = head.lease_epoch;
	live_publish(api.other, &l, EVENT_MODEL_DELTA, slice_str(data));
}

#endif
