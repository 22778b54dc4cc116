/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that wait for the end of a turn: together, in order, and told or lost with the channel as any. */
#include "pair.h"

#include <sys/ioctl.h>

/* What waits in the socket of a channel that is not read by the loop. */
static int arrived(int fd)
{
	int bytes = 0;
	assert_int_equal(ioctl(fd, FIONREAD, &bytes), 0);
	return bytes;
}

static void ipc_gather__sends_a_turns_frames_together(void **state)
{
	(void)state;
	int fds[2];
	struct error e = {0};
	struct ear ear;
	struct loop *loop = loop_new();
	assert_int_equal(fd_socketpair(fds, &e), ERR_NONE);
	end_open(loop, fds[0], &ear);
	ipc_gather(ear.channel);
	sent(ear.channel, 1, SLICE_LIT("one"), -1);
	sent(ear.channel, 2, SLICE_LIT("two"), -1);
	assert_int_equal(arrived(fds[1]), 0);
	assert_true(ipc_queued_bytes(ear.channel) > 6);
	loop_turn(loop, 0);
	assert_int_equal(arrived(fds[1]), 2 * (16 + 3));
	assert_int_equal(ipc_queued_bytes(ear.channel), 0);
	sent(ear.channel, 3, SLICE_LIT("three"), -1);
	ipc_close(ear.channel); /* what was said before the end is not lost */
	assert_int_equal(arrived(fds[1]), 2 * (16 + 3) + 16 + 5);
	fd_close(&fds[1]);
	loop_free(loop);
}

static void ipc_gather__keeps_the_order_of_small_and_large(void **state)
{
	(void)state;
	struct pair p;
	static char large[300 << 10], middle[64 << 10];
	pair_open(&p);
	ipc_gather(p.a.channel);
	memset(large, 'L', sizeof(large));
	memset(middle, 'M', sizeof(middle));
	for (int i = 0; i < 3; i++) {
		sent(p.a.channel, 1, SLICE_LIT("a"), -1);
		sent(p.a.channel, 2, SLICE_LIT("b"), -1);
		sent(p.a.channel, 3, (struct slice){middle, sizeof(middle)}, -1);
		sent(p.a.channel, 4, SLICE_LIT("c"), -1);
		sent(p.a.channel, 5, (struct slice){large, sizeof(large)}, -1);
		sent(p.a.channel, 6, SLICE_LIT("d"), -1);
	}
	turn_until(&p, &p.b.frames, 18);
	const char *round = "abMMMMMMMMcLLLLLLLLd";
	for (size_t i = 0; i < 3; i++)
		assert_memory_equal(p.b.bodies.data + i * strlen(round), round, strlen(round));
	assert_int_equal(p.b.uneven, 0);
	pair_close(&p);
}

static void ipc_gather__tells_the_peers_death_once(void **state)
{
	(void)state;
	struct pair p;
	pair_open(&p);
	ipc_gather(p.a.channel);
	ipc_close(p.b.channel);
	p.b.channel = NULL;
	sent(p.a.channel, 1, SLICE_LIT("to nobody"), -1);
	turn_until(&p, &p.a.closes, 1);
	struct error e = {0};
	assert_int_equal(ipc_send(p.a.channel, IPC_CALL, 2, SLICE_LIT("x"), -1, &e), ERR_LOST);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipc_gather__sends_a_turns_frames_together),
		cmocka_unit_test(ipc_gather__keeps_the_order_of_small_and_large),
		cmocka_unit_test(ipc_gather__tells_the_peers_death_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
