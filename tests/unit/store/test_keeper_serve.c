/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's sockets: who may come in, who is thrown out, who holds the database file, and that a worker
 * whose keeper was replaced notices nothing.
 */
#include "keeper_world.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A client from the command line, by hand. */
struct visitor {
	struct ipc_channel *channel;
	int answers, ends;
	enum err code;
};

static void visitor_hears(struct ipc_frame *f, void *arg)
{
	struct visitor *v = arg;
	struct archive_answer a;
	assert_int_equal(f->msg, IPC_KEPT);
	assert_true(archive_answer_unpack(f->body, &a));
	v->code = a.error.code;
	v->answers++;
}

static void visitor_ends(const struct error *why, void *arg)
{
	struct visitor *v = arg;
	(void)why;
	v->ends++;
}

static int path_connect(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	memcpy(at.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		fail_msg("%s: %s", path, strerror(errno));
	return fd;
}

static void visitor_come(struct world *w, struct visitor *v)
{
	*v = (struct visitor){0};
	struct ipc_handler h = {visitor_hears, visitor_ends, v};
	v->channel = ipc_open(w->loop, path_connect(w->path), FRAME_MAX, QUEUE_MAX, h);
	turns(w);
}

static void visitor_go(struct world *w, struct visitor *v)
{
	ipc_close(v->channel);
	v->channel = NULL;
	turns(w);
}

static void visitor_ask(struct world *w, struct visitor *v, enum ipc_msg msg, const struct kept_ask *q)
{
	struct buf b = BUF_INIT;
	struct error e = {0};
	kept_ask_pack(msg, q, &b);
	if (ipc_send(v->channel, msg, 1, buf_slice(&b), -1, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	buf_release(&b);
	turns(w);
}

static void hold(struct world *w, struct visitor *v)
{
	int answers = v->answers;
	visitor_ask(w, v, IPC_KEPT_HOLD, &(struct kept_ask){0});
	assert_int_equal(v->answers, answers + 1);
}

static size_t clients_count(const struct world *w)
{
	const void *c;
	struct keeper k = w->keeper;
	size_t n = 0;
	/* Their struct is private; its link comes first. */
	for (c = LIST_FIRST(&k.clients); c; c = *(void *const *)c)
		n++;
	return n;
}

static void keeper_serve__a_socket_for_the_owner_only(void **state)
{
	(void)state;
	struct world w;
	struct stat st;
	struct visitor v;
	struct kept_ask q = {.task = id_of(1)};
	mode_t mask = umask(0);
	world_open(&w);
	umask(mask);
	assert_int_equal(stat(w.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	visitor_come(&w, &v);
	visitor_ask(&w, &v, IPC_KEPT_TASK, &q);
	assert_int_equal(v.answers, 1);
	assert_int_equal(v.code, ERR_NONE);
	visitor_go(&w, &v);
	assert_int_equal(clients_count(&w), 1);
	world_close(&w);
}

static void keeper_serve__what_a_dead_keeper_left_is_replaced(void **state)
{
	(void)state;
	struct world w, dead;
	struct visitor v;
	world_open(&dead);
	/* Its death: the descriptors go, the file stays. */
	loop_io_free(dead.keeper.listener);
	dead.keeper.listener = NULL;
	fd_close(&dead.keeper.listen_fd);
	world_open(&w);
	visitor_come(&w, &v);
	hold(&w, &v);
	assert_int_equal(v.code, ERR_NONE);
	visitor_go(&w, &v);
	world_close(&w);
	world_close(&dead);
}

static void keeper_serve__a_file_that_is_no_socket_stays(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	keeper_serve_close(&w.keeper);
	int fd = open(w.path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	fd_close(&fd);
	keeper_serve_open(&w.keeper);
	assert_null(w.keeper.listener);
	keeper_serve_close(&w.keeper);
	assert_int_equal(access(w.path, F_OK), 0);
	assert_int_equal(unlink(w.path), 0);
	/* Nor does it listen where it cannot. */
	char longer[200];
	memset(longer, 'p', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	w.keeper.options.socket_path = longer;
	keeper_serve_open(&w.keeper);
	assert_null(w.keeper.listener);
	w.keeper.options.socket_path = NULL;
	keeper_serve_open(&w.keeper);
	assert_null(w.keeper.listener);
	world_close(&w);
}

static void keeper_serve__a_malformed_frame_ends_its_client_only(void **state)
{
	(void)state;
	struct world w;
	struct visitor v;
	struct error e;
	struct id id = id_of(1);
	world_open(&w);
	visitor_come(&w, &v);
	assert_int_equal(ipc_send(v.channel, IPC_KEPT_TASK, 1, SLICE_LIT("?"), -1, &e), ERR_NONE);
	turns(&w);
	assert_int_equal(v.ends, 1);
	assert_int_equal(clients_count(&w), 1);
	archive_task(w.archive, &id, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	visitor_go(&w, &v);
	world_close(&w);
}

static void keeper_serve__who_takes_no_answers_is_cut_off(void **state)
{
	(void)state;
	struct world w;
	struct error e = {0};
	struct buf frames = BUF_INIT, b = BUF_INIT;
	struct kept_ask q = {.task = id_of(1)};
	world_open(&w);
	w.fake.doc_bytes = FRAME_MAX - KEPT_OVERHEAD_BYTES;
	/* Asks and never reads: another channel's bytes, caught on their way. */
	int pair[2];
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	struct visitor v = {0};
	struct ipc_handler h = {visitor_hears, visitor_ends, &v};
	v.channel = ipc_open(w.loop, pair[0], FRAME_MAX, QUEUE_MAX, h);
	kept_ask_pack(IPC_KEPT_TASK, &q, &b);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ipc_send(v.channel, IPC_KEPT_TASK, 1, buf_slice(&b), -1, &e), ERR_NONE);
	char *room = buf_grow(&frames, 1 << 16);
	ssize_t n = read(pair[1], room, 1 << 16);
	assert_true(n > 0);
	int fd = path_connect(w.path);
	turns(&w);
	assert_int_equal(clients_count(&w), 2);
	assert_int_equal(write(fd, room, (size_t)n), n);
	turns(&w);
	assert_int_equal(clients_count(&w), 1);
	fd_close(&fd);
	fd_close(&pair[1]);
	ipc_close(v.channel);
	buf_release(&frames);
	buf_release(&b);
	world_close(&w);
}

static void keeper_serve__visitors_over_the_limit_wait_for_their_turn(void **state)
{
	(void)state;
	enum { MANY = 18, LIMIT = 16 };
	struct world w;
	struct visitor v[MANY];
	int answers = 0;
	world_open(&w);
	for (size_t i = 0; i < MANY; i++) {
		visitor_come(&w, &v[i]);
		visitor_ask(&w, &v[i], IPC_KEPT_HOLD, &(struct kept_ask){0});
	}
	turns(&w);
	assert_int_equal(clients_count(&w), LIMIT + 1);
	assert_int_equal(v[MANY - 1].answers, 0);
	visitor_go(&w, &v[0]);
	visitor_go(&w, &v[1]);
	turns(&w);
	for (size_t i = 0; i < MANY; i++)
		answers += v[i].answers;
	assert_int_equal(answers, MANY);
	for (size_t i = 2; i < MANY; i++)
		visitor_go(&w, &v[i]);
	world_close(&w);
}

static void keeper_hold__as_long_as_any_holder_is_there(void **state)
{
	(void)state;
	struct world w;
	struct visitor first, second;
	world_open(&w);
	visitor_come(&w, &first);
	visitor_come(&w, &second);
	hold(&w, &first);
	assert_true(w.keeper.held);
	assert_int_equal(w.fake.checkpoints, 1);
	/* The file is being read: it may not be touched for the second one either. */
	hold(&w, &second);
	assert_int_equal(second.code, ERR_NONE);
	assert_int_equal(w.fake.checkpoints, 1);
	visitor_go(&w, &first);
	assert_true(w.keeper.held);
	visitor_go(&w, &second);
	assert_false(w.keeper.held);
	visitor_come(&w, &first);
	hold(&w, &first);
	assert_int_equal(w.fake.checkpoints, 2);
	visitor_go(&w, &first);
	world_close(&w);
}

static void keeper_hold_break__closes_who_holds_and_nobody_else(void **state)
{
	(void)state;
	struct world w;
	struct visitor holder, other;
	struct id id = id_of(1);
	world_open(&w);
	visitor_come(&w, &holder);
	visitor_come(&w, &other);
	hold(&w, &holder);
	keeper_hold_break(&w.keeper);
	assert_false(w.keeper.held);
	turns(&w);
	assert_int_equal(holder.ends, 1);
	assert_int_equal(other.ends, 0);
	archive_task(w.archive, &id, hear_answer, &w);
	hear(&w, 1);
	keeper_hold_break(&w.keeper);
	assert_int_equal(clients_count(&w), 2);
	visitor_go(&w, &holder);
	visitor_go(&w, &other);
	world_close(&w);
}

static struct keeper *keeper_of_commits;

/* A commit during a client's own question may find that the log has grown too much. */
static enum err part_put_and_break(struct db *db, const struct id *task, uint32_t number, uint32_t part,
				   struct slice bytes, struct error *e)
{
	keeper_hold_break(keeper_of_commits);
	return fake_part_put(db, task, number, part, bytes, e);
}

static void keeper_hold_break__within_the_holders_own_question(void **state)
{
	(void)state;
	struct world w;
	struct visitor v;
	world_open(&w);
	struct db_backend breaking = fake_backend;
	breaking.artifact_part_put = part_put_and_break;
	w.fake.db.backend = &breaking;
	keeper_of_commits = &w.keeper;
	visitor_come(&w, &v);
	hold(&w, &v);
	struct kept_ask q = {.task = id_of(1), .number = 1, .bytes = SLICE_LIT("abc")};
	visitor_ask(&w, &v, IPC_KEPT_PART, &q);
	assert_int_equal(v.ends, 1);
	assert_int_equal(v.answers, 1);
	assert_int_equal(w.fake.parts_put, 1);
	assert_false(w.keeper.held);
	visitor_go(&w, &v);
	world_close(&w);
}

static void keeper_hold__is_refused_when_the_file_cannot_be_made_whole(void **state)
{
	(void)state;
	struct world w;
	struct visitor v;
	world_open(&w);
	visitor_come(&w, &v);
	w.fake.fail = ERR_NO_SPACE;
	hold(&w, &v);
	assert_int_equal(v.code, ERR_NO_SPACE);
	assert_false(w.keeper.held);
	assert_int_equal(w.failures, 1);
	visitor_go(&w, &v);
	world_close(&w);
}

static void keeper_serve__a_worker_asks_the_next_keeper(void **state)
{
	(void)state;
	struct world w;
	struct id id = id_of(1);
	world_open(&w);
	write_bytes(&w, 2 * DB_PART_BYTES, 'x');
	for (int i = 0; i < 1000 && w.fake.parts_put == 0; i++)
		loop_turn(w.loop, 10);
	archive_task(w.archive, &id, hear_answer, &w);
	keeper_serve_close(&w.keeper);
	turns(&w);
	assert_int_equal(w.told, 0);
	keeper_serve_open(&w.keeper);
	worker_connect(&w);
	hear(&w, 2);
	assert_int_equal(w.error.code, ERR_NONE);
	assert_true(w.fake.complete);
	assert_int_equal(w.fake.artifact_bytes, 2 * DB_PART_BYTES);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeper_serve__a_socket_for_the_owner_only),
		cmocka_unit_test(keeper_serve__what_a_dead_keeper_left_is_replaced),
		cmocka_unit_test(keeper_serve__a_file_that_is_no_socket_stays),
		cmocka_unit_test(keeper_serve__a_malformed_frame_ends_its_client_only),
		cmocka_unit_test(keeper_serve__who_takes_no_answers_is_cut_off),
		cmocka_unit_test(keeper_serve__visitors_over_the_limit_wait_for_their_turn),
		cmocka_unit_test(keeper_hold__as_long_as_any_holder_is_there),
		cmocka_unit_test(keeper_hold_break__closes_who_holds_and_nobody_else),
		cmocka_unit_test(keeper_hold_break__within_the_holders_own_question),
		cmocka_unit_test(keeper_hold__is_refused_when_the_file_cannot_be_made_whole),
		cmocka_unit_test(keeper_serve__a_worker_asks_the_next_keeper),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
