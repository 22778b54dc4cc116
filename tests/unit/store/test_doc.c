/* SPDX-License-Identifier: Apache-2.0 */
/* The document: text and fold state are the same thing. */
#include "store/doc.h"
#include "tests/unit/store/table.h"

static const char full[] =
	"{\"id\":\"t\",\"status\":\"running\",\"prompt\":\"a \\\"b\\\" "
	"\xc3\xa9\",\"approval\":\"auto\",\"plan\":{\"version\":2,"
	"\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"title\":\"one\",\"status\":\"completed\",\"result\":{"
	"\"n\":1.5},"
	"\"error\":null},{\"id\":\"s2\",\"status\":\"pending\",\"result\":null,\"error\":null}]},\"result\":["
	"1,2],"
	"\"error\":null,\"pending\":null,\"usage\":{\"input_tokens\":9007199254740993,\"output_tokens\":2,"
	"\"cached_tokens\":0,\"model_calls\":1,\"tool_calls\":3,\"estimated\":true},\"metadata\":{\"k\":"
	"12345678901234567},\"last_seq\":7,\"created_at\":\"2026-11-23T03:24:41.123Z\",\"updated_at\":"
	"\"2026-11-23T03:24:42.000Z\"}";

static void doc_parse__reads_back_what_render_writes(void **state)
{
	struct error e = {0};
	struct buf b = BUF_INIT;
	(void)state;
	struct task_doc *d = doc_parse(slice_str(full), &e);
	if (d == NULL)
		fail_msg("%s", e.msg);
	doc_render(d, &b);
	assert_string_equal(buf_cstr(&b), full);
	doc_free(d);
	buf_release(&b);
}

static void doc_parse__refuses_what_is_no_document(void **state)
{
	struct error e;
	(void)state;
	assert_null(doc_parse(SLICE_LIT("{\"status\":\"asleep\"}"), &e));
	assert_null(doc_parse(SLICE_LIT("{"), &e));
	assert_null(doc_parse(SLICE_LIT(""), &e));
	doc_free(NULL);
}

static void doc_plan_set__keeps_what_completed_steps_have(void **state)
{
	struct error e;
	struct buf b = BUF_INIT;
	struct task_doc *d = doc_parse(slice_str(full), &e);
	(void)state;
	struct slice text =
		SLICE_LIT("{\"version\":3,\"steps\":[{\"id\":\"s2\"},{\"id\":\"s1\",\"title\":\"new\"}]}");
	struct json *plan = json_parse(text.ptr, text.len, 0, &e);
	assert_non_null(plan);
	doc_plan_set(d, plan);
	json_free(plan);
	doc_render(d, &b);
	assert_non_null(strstr(buf_cstr(&b),
			       "\"plan\":{\"version\":3,\"steps\":[{\"id\":\"s2\",\"status\":\"pending\","
			       "\"result\":null,\"error\":null},{\"id\":\"s1\",\"title\":\"new\",\"status\":"
			       "\"completed\",\"result\":{\"n\":1.5},\"error\":null}]}"));
	doc_free(d);
	buf_release(&b);
}

RUN_TESTS(cmocka_unit_test(doc_parse__reads_back_what_render_writes),
	  cmocka_unit_test(doc_parse__refuses_what_is_no_document),
	  cmocka_unit_test(doc_plan_set__keeps_what_completed_steps_have))
