/* SPDX-License-Identifier: Apache-2.0 */
/* The official servers, when their packages are installed. */
#include "tests/unit/mcp/rig.h"

static char folder[] = "/tmp/mcp_real_XXXXXX";
static const char script[] = "etc/mcp/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js";
static const char everything[] = "etc/mcp/node_modules/@modelcontextprotocol/server-everything/dist/index.js";

static void real__reads_a_file_through_the_filesystem_server(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {script, folder, NULL};
	char arguments[128];
	(void)state;
	if (access(script, R_OK) != 0) {
		print_message("skipped: %s is not installed (make deps)\n", script);
		skip();
	}
	rig_init(&r);
	rig_add(&r, "fs", "node", args);
	rig_start(&r);
	rig_settle(&r);
	const struct mcp_catalog *c = mcp_client_catalog(r.client);
	const struct mcp_tool *t = mcp_catalog_find(c, "fs.read_text_file");
	assert_non_null(t);
	assert_string_equal(t->exposed, "fs__read_text_file");
	assert_true(t->read_only);
	assert_false(mcp_catalog_find(c, "fs__write_file")->read_only);
	mcp_catalog_drop(c);
	snprintf(arguments, sizeof(arguments), "{\"path\":\n\"%s/a.txt\"}", folder);
	rig_call_wait(&r, "fs", "read_text_file", arguments, &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_false(o.is_error);
	assert_non_null(strstr(buf_cstr(&o.result), "said by a file"));
	snprintf(arguments, sizeof(arguments), "{\"path\":\"%s/zero.txt\"}", folder);
	rig_call_wait(&r, "fs", "read_text_file", arguments, &o);
	assert_false(o.is_error);
	assert_non_null(strstr(buf_cstr(&o.result), "zero\\ufffdbyte"));
	rig_call_wait(&r, "fs", "read_text_file", "{\"path\":\"/etc/passwd\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(o.is_error);
	rig_free(&r);
}

static void real__everything_leaks_no_environment_and_is_cancelled(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {everything, NULL};
	(void)state;
	if (access(everything, R_OK) != 0) {
		print_message("skipped: %s is not installed (make deps)\n", everything);
		skip();
	}
	setenv("OPENAI_API_KEY", "sk-not-for-children", 1);
	rig_init(&r);
	rig_add(&r, "fake", "node", args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "get-env", "{}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_null(strstr(buf_cstr(&o.result), "sk-not"));
	rig_call_wait(&r, "fake", "trigger-long-running-operation", "{\"duration\":0.2,\"steps\":2}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(o.progress >= 2);
	/* It goes on when it is cancelled; nobody here waits for it. */
	rig_call(&r, "fake", "trigger-long-running-operation", "{\"duration\":30,\"steps\":1}", 100, &o);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_TIMEOUT);
	rig_call_wait(&r, "fake", "get-sum", "{\"a\":2,\"b\":\"x\"}", &o);
	assert_true(o.is_error);
	rig_call_wait(&r, "fake", "get-structured-content", "{\"location\":\"Chicago\"}", &o);
	assert_non_null(strstr(buf_cstr(&o.result), "structuredContent"));
	unsetenv("OPENAI_API_KEY");
	rig_free(&r);
}

static int file_make(const char *name, const char *text, size_t n)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	return f && fwrite(text, 1, n, f) == n && fclose(f) == 0 ? 0 : -1;
}

static int folder_make(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || file_make("a.txt", "said by a file\n", strlen("said by a file\n")))
		return -1;
	return file_make("zero.txt", "zero\0byte\n", sizeof("zero\0byte\n") - 1);
}

static int folder_remove(void **state)
{
	const char *const names[] = {"a.txt", "zero.txt"};
	char path[64];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real__reads_a_file_through_the_filesystem_server),
		cmocka_unit_test(real__everything_leaks_no_environment_and_is_cancelled),
	};
	return cmocka_run_group_tests_name("real", tests, folder_make, folder_remove);
}
