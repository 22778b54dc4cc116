/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a plan, twice: as models are asked for it, and as it is accepted from them. What a plan means,
 * and the rules that no schema can say, are plan.c's.
 */
#include "base/base.h"
#include "agent/agent_int.h"
#include "base/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Strict subset: every property required, no additional ones, no constraints that only some providers know.
 */
static const char plan_schema[] =
	"{\"type\":\"object\",\"additionalProperties\":false,"
	"\"required\":[\"goal\",\"assumptions\",\"questions\",\"steps\",\"final_output\"],\"properties\":{"
	"\"goal\":{\"type\":\"string\"},"
	"\"assumptions\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	"\"questions\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	"\"steps\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
	"\"required\":[\"id\",\"title\",\"objective\",\"depends_on\",\"tool_hints\",\"inputs\",\"expected_"
	"output\","
	"\"success_criteria\",\"side_effects\",\"on_failure\"],\"properties\":{"
	"\"id\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"objective\":{\"type\":\"string\"},"
	"\"depends_on\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	"\"tool_hints\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	"\"inputs\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
	"\"required\":[\"name\",\"from_step\",\"literal\"],\"properties\":{\"name\":{\"type\":\"string\"},"
	"\"from_step\":{\"type\":[\"string\",\"null\"]},"
	"\"literal\":{\"type\":[\"string\",\"number\",\"boolean\",\"array\",\"null\"],\"items\":{\"type\":"
	"\"string\"}}}}},"
	"\"expected_output\":{\"type\":\"string\"},\"success_criteria\":{\"type\":\"string\"},"
	"\"side_effects\":{\"type\":\"string\",\"enum\":[\"none\",\"read\",\"write\"]},"
	"\"on_failure\":{\"type\":\"string\",\"enum\":[\"retry\",\"replan\",\"skip\",\"abort\"]}}}},"
	"\"final_output\":{\"type\":\"string\"}}}";

/* What is checked: models leave members out that we can do without. */
static const char plan_schema_lenient[] =
	"{\"type\":\"object\",\"required\":[\"steps\"],\"properties\":{"
	"\"goal\":{\"type\":\"string\"},"
	"\"assumptions\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	"\"questions\":{\"type\":\"array\"},"
	"\"steps\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"id\",\"objective\"],"
	"\"properties\":{"
	"\"id\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
	"\"objective\":{\"type\":\"string\",\"minLength\":1},"
	"\"depends_on\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"}},"
	"\"tool_hints\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"}},"
	"\"inputs\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\",\"required\":[\"name\"]}},"
	"\"side_effects\":{\"enum\":[\"none\",\"read\",\"write\",null]},"
	"\"on_failure\":{\"enum\":[\"retry\",\"replan\",\"skip\",\"abort\",null]},"
	"\"approval\":{\"enum\":[\"required\",\"auto\",null]}}}},"
	"\"final_output\":{\"type\":[\"string\",\"null\"]}}}";

struct slice plan_schema_text(void)
{
	return SLICE_LIT(plan_schema);
}

/* Names in prompts and events: no blanks, no quotes. Looked at here, since a pattern costs more than all
 * else. */
static enum err ids_check(const struct json *steps, struct error *e)
{
	size_t i = 0;
	for (const struct json *j = json_first(steps); j != NULL; j = json_next(j), i++) {
		const char *id = json_get_text(j, "id", "");
		size_t n = 0;
		char field[ERROR_FIELD_MAX];
		while (isalnum((unsigned char)id[n]) || (id[n] != '\0' && strchr("_.-", id[n]) != NULL))
			n++;
		if (n > 0 && n < PLAN_STEP_ID_MAX && id[n] == '\0')
			continue;
		snprintf(field, sizeof field, "/steps/%zu/id", i);
		return err_set_field(e, ERR_FIELD, field,
				     "an id is 1 to %d letters, digits, \"_\", \".\" and \"-\", like \"s1\"",
				     PLAN_STEP_ID_MAX - 1);
	}
	return ERR_NONE;
}

enum err plan_shape_check(const struct json *tree, struct error *e)
{
	static struct json *schema; /* of the process */
	if (schema == NULL) {
		schema = json_parse(plan_schema_lenient, sizeof plan_schema_lenient - 1, 0, NULL);
		ensure(schema != NULL && schema_compile_check(schema, NULL) == ERR_NONE);
	}
	enum err bad = schema_check_compiled(schema, tree, e);
	return bad != ERR_NONE ? bad : ids_check(json_get(tree, "steps"), e);
}
