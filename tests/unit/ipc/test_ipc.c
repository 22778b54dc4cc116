/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel over a real socket pair and a real loop: order, sizes, descriptors, limits, the end told once,
 * closing inside callbacks, and peers that break the framing.
 */
#include "pair.h"

static void ipc_send__frames_arrive_in_order_with_their_ids(void **state)
{
	(void)state;
	struct pair p;
	pair_open(&p);
	p.b.answer = true;
	sent(p.a.channel, 1, SLICE_LIT("one"), -1);
	sent(p.a.channel, UINT64_MAX, SLICE_LIT(""), -1);
	sent(p.a.channel, 3, SLICE_LIT("three"), -1);
	turn_until(&p, &p.a.frames, 3);
	assert_string_equal(buf_cstr(&p.b.bodies), "onethree");
	assert_string_equal(buf_cstr(&p.a.bodies), "onethree");
	assert_int_equal(p.b.msg, IPC_CALL);
	assert_int_equal(p.a.msg, IPC_CALL_DONE);
	assert_int_equal(p.a.id, 3);
	pair_close(&p);
}

static int descriptors_open(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* count frames of that size, then a small one: they arrive whole, in order, and leave nothing behind. */
static void large_frames(size_t bytes, int count)
{
	struct pair p;
	pair_open(&p);
	int before = descriptors_open();
	char *big = xmalloc(bytes);
	memset(big, 'x', bytes);
	for (int i = 0; i < count; i++)
		sent(p.a.channel, (uint64_t)i, (struct slice){big, bytes}, -1);
	sent(p.a.channel, 9, SLICE_LIT("end"), -1);
	assert_true(ipc_queued_bytes(p.a.channel) > 0);
	turn_until(&p, &p.b.frames, count + 1);
	assert_int_equal(p.b.id, 9);
	assert_int_equal(p.b.total, bytes * (size_t)count + 3);
	assert_int_equal(p.b.uneven, 1); /* "end" */
	assert_int_equal(ipc_queued_bytes(p.a.channel), 0);
	assert_int_equal(descriptors_open(), before);
	free(big);
	pair_close(&p);
}

static void ipc_send__large_frames_go_in_pieces(void **state)
{
	(void)state;
	large_frames(200 << 10, 15);
}

static void ipc_send__the_largest_are_lent(void **state)
{
	(void)state;
	large_frames(FRAME_MAX, 3);
}

static void ipc_send_parts__are_one_body(void **state)
{
	(void)state;
	struct pair p;
	struct error e;
	pair_open(&p);
	char *big = xmalloc(FRAME_MAX);
	memset(big, 'x', FRAME_MAX);
	assert_int_equal(ipc_send_parts(p.a.channel, IPC_CALL, 1, SLICE_LIT("one,"), SLICE_LIT("two"), &e),
			 ERR_NONE);
	assert_int_equal(ipc_send_parts(p.a.channel, IPC_CALL, 2, SLICE_LIT(" "), (struct slice){0}, &e),
			 ERR_NONE);
	assert_int_equal(ipc_send_parts(p.a.channel, IPC_CALL, 3, SLICE_LIT("xx"),
					(struct slice){big, FRAME_MAX - 2}, &e),
			 ERR_NONE);
	assert_int_equal(ipc_send_parts(p.a.channel, IPC_CALL, 4, SLICE_LIT("xx"),
					(struct slice){big, FRAME_MAX - 1}, &e),
			 ERR_TOO_LARGE);
	turn_until(&p, &p.b.frames, 3);
	assert_string_equal(buf_cstr(&p.b.bodies), "one,two xxxxxxxx");
	assert_int_equal(p.b.len, FRAME_MAX);
	assert_true(p.b.same);
	free(big);
	pair_close(&p);
}

static void ipc_send__descriptors_ride_on_their_frame(void **state)
{
	(void)state;
	struct pair p;
	int fds[2];
	char byte;
	pair_open(&p);
	p.b.take_fd = true;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	char *big = xcalloc(1, FRAME_MAX);
	/* Behind a queue, so that the descriptor is duplicated and ours can be closed at once. */
	sent(p.a.channel, 1, (struct slice){big, FRAME_MAX}, -1);
	sent(p.a.channel, 2, SLICE_LIT("with"), fds[1]);
	sent(p.a.channel, 3, SLICE_LIT("without"), -1);
	fd_close(&fds[1]);
	turn_until(&p, &p.b.frames, 3);
	assert_int_equal(p.b.fd_frame, 2);
	assert_true(fcntl(p.b.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(p.b.fd, "!", 1), 1);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(byte, '!');
	fd_close(&fds[0]);
	free(big);
	pair_close(&p);
}

static bool pipe_is_hung_up(int fd)
{
	struct pollfd pf = {.fd = fd, .events = POLLIN};
	return poll(&pf, 1, 0) == 1 && (pf.revents & POLLHUP);
}

static void ipc__a_descriptor_nobody_takes_is_closed(void **state)
{
	(void)state;
	struct pair p;
	int fds[2];
	pair_open(&p);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	sent(p.a.channel, 1, SLICE_LIT("x"), fds[1]);
	fd_close(&fds[1]);
	assert_false(pipe_is_hung_up(fds[0]));
	turn_until(&p, &p.b.frames, 1);
	assert_true(pipe_is_hung_up(fds[0]));
	fd_close(&fds[0]);
	pair_close(&p);
}

static void ipc_send__limits(void **state)
{
	(void)state;
	struct pair p;
	struct error e = {0};
	pair_open(&p);
	char *big = xcalloc(1, FRAME_MAX + 1);
	assert_int_equal(ipc_send(p.a.channel, IPC_CALL, 1, (struct slice){big, FRAME_MAX + 1}, -1, &e),
			 ERR_TOO_LARGE);
	int accepted = 0;
	while (!ipc_send(p.a.channel, IPC_CALL, 1, (struct slice){big, FRAME_MAX}, -1, &e))
		assert_in_range(++accepted, 1, 8);
	assert_int_equal(e.code, ERR_FULL);
	assert_true(ipc_queued_bytes(p.a.channel) <= QUEUE_MAX);
	/* What was accepted arrives whole, and then there is room again. */
	turn_until(&p, &p.b.frames, accepted);
	sent(p.a.channel, 2, SLICE_LIT("y"), -1);
	turn_until(&p, &p.b.frames, accepted + 1);
	free(big);
	pair_close(&p);
}

static void ipc__what_a_dying_peer_said_is_heard_before_its_end(void **state)
{
	(void)state;
	struct pair p;
	struct error e = {0};
	pair_open(&p);
	sent(p.b.channel, 1, SLICE_LIT("last"), -1);
	ipc_close(p.b.channel);
	p.b.channel = NULL;
	/* Finds the peer gone while its last words are still in the socket. */
	assert_int_equal(ipc_send(p.a.channel, IPC_CALL, 1, SLICE_LIT("x"), -1, &e), ERR_LOST);
	assert_int_equal(p.a.closes, 0);
	turn_until(&p, &p.a.closes, 1);
	assert_string_equal(buf_cstr(&p.a.bodies), "last");
	assert_int_equal(p.a.why.code, ERR_LOST);
	for (int i = 0; i < 3; i++)
		loop_turn(p.loop, 0);
	assert_int_equal(p.a.closes, 1);
	assert_int_equal(ipc_send(p.a.channel, IPC_CALL, 1, SLICE_LIT("x"), -1, &e), ERR_LOST);
	pair_close(&p);
}

static void ipc_close__is_allowed_in_both_callbacks(void **state)
{
	(void)state;
	struct pair p;
	pair_open(&p);
	p.b.close_on_frame = true;
	p.a.close_on_close = true;
	sent(p.a.channel, 1, SLICE_LIT("x"), -1);
	sent(p.a.channel, 2, SLICE_LIT("never heard"), -1);
	turn_until(&p, &p.a.closes, 1);
	assert_int_equal(p.b.frames, 1);
	assert_int_equal(p.b.closes, 0);
	assert_null(p.a.channel);
	pair_close(&p);
}

/* Writes raw bytes as a peer and expects the channel to end with the code and the words. */
static void assert_cut_off(const void *bytes, size_t n, enum err code, const char *words)
{
	struct pair p = {.loop = loop_new()};
	int fds[2];
	struct error e = {0};
	assert_int_equal(fd_socketpair(fds, &e), ERR_NONE);
	end_open(p.loop, fds[0], &p.a);
	p.b = (struct ear){.fd = -1};
	assert_int_equal(write(fds[1], bytes, n), n);
	shutdown(fds[1], SHUT_WR);
	turn_until(&p, &p.a.closes, 1);
	assert_int_equal(p.a.why.code, code);
	if (!strstr(p.a.why.msg, words))
		fail_msg("\"%s\" should say \"%s\"", p.a.why.msg, words);
	fd_close(&fds[1]);
	pair_close(&p);
}

static void ipc__a_peer_out_of_step_is_cut_off(void **state)
{
	(void)state;
	struct {
		uint32_t body_bytes;
		uint16_t msg, flags;
		uint64_t id;
	} h = {FRAME_MAX + 1, IPC_CALL, 0, 1};
	assert_cut_off(&h, sizeof(h), ERR_TOO_LARGE, "CALL of 1048577 bytes, over the limit of 1048576");
	h.body_bytes = 0;
	h.flags = 1;
	assert_cut_off(&h, sizeof(h), ERR_INVALID, "announced a descriptor with CALL but sent none");
	h.flags = 2; /* lent */
	assert_cut_off(&h, sizeof(h), ERR_INVALID, "announced a descriptor with CALL but sent none");
	h.flags = 0;
	h.body_bytes = 5;
	assert_cut_off(&h, sizeof(h), ERR_LOST, "in the middle of a message");
	assert_cut_off(&h, 3, ERR_LOST, "in the middle of a message");
	assert_cut_off("", 0, ERR_LOST, "closed the connection");
}

/* A descriptor without a frame to claim it must not pile up: the channel's own store of them is bounded. */
static void ipc__unannounced_descriptors_are_bounded(void **state)
{
	(void)state;
	struct pair p = {.loop = loop_new()};
	int fds[2];
	struct error e = {0};
	assert_int_equal(fd_socketpair(fds, &e), ERR_NONE);
	end_open(p.loop, fds[0], &p.a);
	p.b = (struct ear){.fd = -1};
	for (int i = 0; i < 100 && !p.a.closes; i++) {
		char zero = 0;
		union {
			char space[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control = {0};
		struct iovec iov = {&zero, 1};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control.space,
				   .msg_controllen = sizeof(control.space)};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fds[1], sizeof(int));
		assert_int_equal(sendmsg(fds[1], &m, MSG_NOSIGNAL), 1);
		loop_turn(p.loop, 100);
	}
	assert_int_equal(p.a.closes, 1);
	assert_int_equal(p.a.why.code, ERR_INVALID);
	fd_close(&fds[1]);
	pair_close(&p);
}

static void ipc_msg_name__names_every_row(void **state)
{
	(void)state;
	assert_string_equal(ipc_msg_name(IPC_READY), "READY");
	assert_string_equal(ipc_msg_name(IPC_CALL_DONE), "CALL_DONE");
	assert_string_equal(ipc_msg_name((enum ipc_msg)9999), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipc_send__frames_arrive_in_order_with_their_ids),
		cmocka_unit_test(ipc_send__large_frames_go_in_pieces),
		cmocka_unit_test(ipc_send__the_largest_are_lent),
		cmocka_unit_test(ipc_send_parts__are_one_body),
		cmocka_unit_test(ipc_send__descriptors_ride_on_their_frame),
		cmocka_unit_test(ipc__a_descriptor_nobody_takes_is_closed),
		cmocka_unit_test(ipc_send__limits),
		cmocka_unit_test(ipc__what_a_dying_peer_said_is_heard_before_its_end),
		cmocka_unit_test(ipc_close__is_allowed_in_both_callbacks),
		cmocka_unit_test(ipc__a_peer_out_of_step_is_cut_off),
		cmocka_unit_test(ipc__unannounced_descriptors_are_bounded),
		cmocka_unit_test(ipc_msg_name__names_every_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
