/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line's hold on the database file, which blocks: so the keeper it talks to runs in a process of
 * its own and is told by a byte what to do.
 */
#include "keeper_world.h"

#include <poll.h>
#include <sys/wait.h>

struct other {
	int pid, orders, reports; /* its ends of two pipes */
	char path[108];
};

static void obey(int fd, int ready, void *arg)
{
	struct world *w = arg;
	char order = 0;
	(void)ready;
	if (read(fd, &order, 1) == 1 && order == 'b')
		keeper_hold_break(&w->keeper);
	else if (order == 'f')
		w->fake.fail = ERR_NO_SPACE;
	else
		loop_stop(w->loop);
}

static void other_run(int orders, int reports)
{
	struct world w;
	world_open(&w);
	struct loop_io *io = loop_io_new(w.loop, orders, LOOP_READ, obey, &w);
	if (write(reports, "r", 1) != 1)
		_exit(1);
	loop_run(w.loop);
	loop_io_free(io);
	world_close(&w);
	_exit(0);
}

static void other_start(struct other *o)
{
	int orders[2], reports[2];
	char byte;
	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(reports), 0);
	o->pid = fork();
	assert_true(o->pid >= 0);
	if (o->pid == 0) {
		fd_close(&orders[1]);
		fd_close(&reports[0]);
		other_run(orders[0], reports[1]);
	}
	fd_close(&orders[0]);
	fd_close(&reports[1]);
	o->orders = orders[1];
	o->reports = reports[0];
	snprintf(o->path, sizeof(o->path), "/tmp/test-keeper-%d.sock", o->pid);
	assert_int_equal(read(o->reports, &byte, 1), 1);
}

static void other_order(struct other *o, char order)
{
	assert_int_equal(write(o->orders, &order, 1), 1);
}

static void other_end(struct other *o)
{
	int status = -1;
	fd_close(&o->orders);
	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	assert_int_equal(status, 0);
	fd_close(&o->reports);
}

/* Waits for the other side's end, which comes from another process. */
static void wait_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
}

static int held(const struct other *o)
{
	struct error e = {0};
	int fd = archive_hold(o->path, &e);
	if (fd < 0)
		fail_msg("%s", e.msg);
	return fd;
}

static void archive_hold__lasts_until_it_is_broken(void **state)
{
	(void)state;
	struct other o;
	other_start(&o);
	int fd = held(&o);
	assert_true(archive_hold_kept(fd));
	other_order(&o, 'b');
	wait_end(fd);
	assert_false(archive_hold_kept(fd));
	fd_close(&fd);
	fd = held(&o);
	assert_true(archive_hold_kept(fd));
	fd_close(&fd);
	other_end(&o);
}

static void archive_hold__ends_with_the_keeper(void **state)
{
	(void)state;
	struct other o;
	other_start(&o);
	int fd = held(&o);
	other_end(&o);
	assert_false(archive_hold_kept(fd));
	fd_close(&fd);
}

static void archive_hold__a_keeper_may_refuse(void **state)
{
	(void)state;
	struct other o;
	struct error e = {0};
	other_start(&o);
	int fd = held(&o);
	fd_close(&fd);
	other_order(&o, 'f');
	/* The order and the question come over different ways. */
	for (int i = 0; i < 100 && (fd = archive_hold(o.path, &e)) >= 0; i++)
		fd_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(e.code, ERR_NO_SPACE);
	assert_string_equal(e.msg, "the fake database fails");
	other_end(&o);
}

static void archive_hold__nobody_there(void **state)
{
	(void)state;
	struct other o;
	struct error e = {0};
	char longer[200];
	assert_int_equal(archive_hold("/tmp/test-keeper-none/keeper.sock", &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	other_start(&o);
	other_end(&o);
	assert_int_equal(archive_hold(o.path, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	memset(longer, 'p', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(archive_hold(longer, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archive_hold__lasts_until_it_is_broken),
		cmocka_unit_test(archive_hold__ends_with_the_keeper),
		cmocka_unit_test(archive_hold__a_keeper_may_refuse),
		cmocka_unit_test(archive_hold__nobody_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
