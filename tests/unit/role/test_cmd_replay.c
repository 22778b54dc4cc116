/* SPDX-License-Identifier: Apache-2.0 */
/* `agent-runtime replay TASK`: the stream comes out as it was kept, and each kind of difference is named. */
#include "base/base.h"
#include "kept_db.h"

static void replay_says(const struct kept_db *k, bool verify, int code_expected, const char *says)
{
	char id[ID_TEXT_SIZE];
	id_format(&k->id, id);
	const char *args[] = {"replay", id};
	struct cli cli = {.config_path = k->config, .args = args, .args_count = 2, .verify = verify};
	struct capture c;
	capture_begin(&c);
	int code = command_replay(&cli);
	char *t = capture_end(&c);
	assert_says(t, says);
	if (code != code_expected)
		fail_msg("exit code %d: %s", code, t);
	if (code != EXIT_OK)
		assert_silent(t, "id: 1\n");
	free(t);
}

/* A kept task whose text `find` was overwritten by as many bytes, in its events (doc: in its document). */
static void damaged(struct kept_db *k, bool doc, const char *find, const char *instead)
{
	kept_db_open(k);
	kept_db_task(k, "");
	char *at = strstr(buf_cstr(doc ? &k->doc : &k->sse), find);
	assert_non_null(at);
	assert_int_equal(strlen(find), strlen(instead));
	memcpy(at, instead, strlen(instead));
	kept_db_put(k);
	kept_db_close(k);
}

static void replay__the_stream_as_it_was_kept(void **state)
{
	struct kept_db k;
	(void)state;
	kept_db_open(&k);
	kept_db_task(&k, "00");
	kept_db_put(&k);
	kept_db_close(&k);
	char *stream =
		xasprintf("%.*sevent: end\ndata: {\"status\":\"cancelled\"}\n\n", (int)k.sse.len, k.sse.data);
	replay_says(&k, false, EXIT_OK, stream);
	replay_says(&k, true, EXIT_OK, ": 3 events, 1 changes of state, cancelled: ");
	free(stream);
	kept_db_release(&k);
}

static void replay__each_difference_is_named(void **state)
{
	static const struct {
		bool doc;
		const char *find, *instead, *says;
	} rows[] = {
		{false, "id: 2\n", "id: 3\n", ": event 3 follows 1\n"},
		{false, "{\"seq\":2", "{\"seq\":3",
		 ": event 2 (task.state) does not come out as it was kept\n"},
		{false, ",\"at\":\"2", ",\"aT\":\"2", ": event 1 (task.created) has no \"seq\" and \"at\""},
		{false, "\"from\":\"queued\"", "\"from\":\"failed\"",
		 ": event 2 moves the task from failed, but it is queued\n"},
		{false, "\"to\":\"cancelled\"", "\"to\":\"completed\"",
		 ": event 2 moves the task from queued to completed, which is not allowed\n"},
		{false, "\"to\":\"cancelled\"", "\"to\":\"cancelleD\"",
		 ": event 2 (task.state) names no states\n"},
		{false, "event: task.created", "event: task.pending",
		 ": event 1 is task.pending; the first one"},
		{true, "say ", "saY ", ": the document is not what its events say, from byte "},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct kept_db k;
		damaged(&k, rows[i].doc, rows[i].find, rows[i].instead);
		replay_says(&k, true, EXIT_NOT_COMPLETED, rows[i].says);
		kept_db_release(&k);
	}
}

static void replay__events_that_end_early(void **state)
{
	struct kept_db k;
	(void)state;
	kept_db_open(&k);
	kept_db_task(&k, "");
	k.sse.len = (size_t)(strstr(buf_cstr(&k.sse), "id: 2\n") - k.sse.data);
	kept_db_put(&k);
	kept_db_close(&k);
	replay_says(&k, true, EXIT_NOT_COMPLETED, ": the events end with 1, but the task is at 2\n");
	replay_says(&k, false, EXIT_NOT_COMPLETED, ": the events end with 1, but the task is at 2\n");
	kept_db_release(&k);
}

static void replay__an_event_that_cannot_be_read(void **state)
{
	struct kept_db k;
	char path[96];
	struct buf file = BUF_LIMIT(16 << 20);
	struct stat st;
	(void)state;
	kept_db_open(&k);
	kept_db_task(&k, "");
	kept_db_put(&k);
	kept_db_close(&k);
	snprintf(path, sizeof path, "%s/data/tasks.db", k.dir);
	FILE *f = fopen(path, "r+e");
	assert_int_equal(fstat(fileno(f), &st), 0);
	char *bytes = buf_grow(&file, (size_t)st.st_size);
	assert_int_equal(fread(bytes, 1, (size_t)st.st_size, f), st.st_size);
	char *at = memmem(bytes, (size_t)st.st_size, "event: task.state", 17);
	assert_non_null(at);
	fseek(f, at - bytes, SEEK_SET);
	assert_int_equal(fwrite("evenT", 1, 5, f), 5);
	fclose(f);
	buf_release(&file);
	replay_says(&k, true, EXIT_NOT_COMPLETED, ": event 2 is damaged; run `agent-runtime verify`");
	kept_db_release(&k);
}

static void replay__says_what_is_wrong(void **state)
{
	struct kept_db k;
	int code;
	(void)state;
	kept_db_open(&k);
	kept_db_close(&k);
	char *t = kept_db_run(&k, command_replay, "01936f2e-7c1a-7b3e-8f00-3c2a1b4d5e6f", &code);
	assert_int_equal(code, EXIT_NOT_COMPLETED);
	assert_says(t, "no task 01936f2e-7c1a-7b3e-8f00-3c2a1b4d5e6f is kept");
	free(t);
	t = kept_db_run(&k, command_replay, "one", &code);
	assert_int_equal(code, EXIT_USAGE);
	assert_says(t, "\"one\" is no task");
	free(t);
	kept_db_release(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replay__the_stream_as_it_was_kept),
		cmocka_unit_test(replay__each_difference_is_named),
		cmocka_unit_test(replay__events_that_end_early),
		cmocka_unit_test(replay__an_event_that_cannot_be_read),
		cmocka_unit_test(replay__says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
