/* SPDX-License-Identifier: Apache-2.0 */
/* What of an exchange is recorded, and what is not: secrets, and what had no end. */
#include "call_world.h"
#include "cassette_rig.h"

#define SECRET "Bearer-of-another-secret"

/* Makes one call that is recorded; the text of the only file, NULL when there is none. */
static char *recorded(const struct script_reply *replies, size_t count, struct heard *h, size_t *files)
{
	static const char *const headers[] = {"X-Team: " SECRET, "X-Short: fine", NULL};
	struct world w;
	struct buf text = BUF_INIT;
	struct error e;
	char *dir = folder_make();
	world_open(&w, replies, count);
	struct llm_options o = options_of(w.url);
	o.headers = headers;
	o.json_format = LLM_FORMAT_SCHEMA;
	struct llm_cassette *k = recording(dir, 1 << 20);
	llm_free(w.llm);
	w.llm = llm_new(w.loop, &(struct llm_setup){.providers = &o, .providers_count = 1, .cassette = k});
	call_start(&w, h);
	turn_until(&w, h->cancel_on_delta ? &h->deltas : &h->ends, 1);
	loop_turn(w.loop, 0);
	world_close(&w);
	llm_cassette_free(k);
	DIR *d = opendir(dir);
	for (const struct dirent *f; (f = readdir(d)) != NULL;) {
		char *path = xasprintf("%s/%s", dir, f->d_name);
		if (f->d_name[0] == '0' && file_read(path, 1 << 20, &text, &e) != ERR_NONE)
			fail_msg("%s", e.msg);
		free(path);
	}
	closedir(d);
	*files = folder_remove(dir);
	return buf_take(&text);
}

static void cassette_take__masks_what_is_secret(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("401 No") "X-Request-Id: r-sk-secret-key-1\r\n\r\n{\"error\":{\"message\":\"bad "
				    "sk-secret\x01-key-1 and " SECRET ", fine\"}}",
		 SCRIPT_CLOSE}};
	struct heard h = {0};
	size_t files;
	char *text = recorded(replies, 1, &h, &files);
	assert_int_equal(files, 1);
	assert_null(strstr(text, "sk-secret"));
	assert_null(strstr(text, SECRET));
	assert_non_null(strstr(text, "bad *************** and ************************, fine"));
	assert_non_null(strstr(text, "\"r-***************\""));
	assert_non_null(strstr(text, "\"hello\""));
	free(text);
	heard_release(&h);
}

static void cassette_take__keeps_nothing_of_what_was_given_up(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD TEXT("one "), SCRIPT_KEEP}};
	struct heard h = {.cancel_on_delta = true};
	size_t files;
	free(recorded(replies, 1, &h, &files));
	assert_int_equal(files, 0);
	heard_release(&h);
}

/* A worker that has learned otherwise would not ask for it in a replay. */
static void cassette_take__keeps_no_refusal_of_a_format(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("400 Bad") "\r\n{\"error\":{\"message\":\"no\",\"param\":\"response_format\"}}",
		 SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE}};
	struct heard h = {.schema = "{\"type\":\"object\"}"};
	size_t files;
	char *text = recorded(replies, 2, &h, &files);
	assert_int_equal(h.e.code, ERR_NONE);
	assert_int_equal(files, 1);
	assert_non_null(strstr(text, "\"status\":200"));
	assert_non_null(strstr(text, "fine"));
	free(text);
	heard_release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cassette_take__masks_what_is_secret),
		cmocka_unit_test(cassette_take__keeps_nothing_of_what_was_given_up),
		cmocka_unit_test(cassette_take__keeps_no_refusal_of_a_format),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
