/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to roots/list (2025-11-25, client/roots): the folders that a server's row of the registry names,
 * as file URIs (RFC 8089). Pure.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <string.h>

/* Unreserved characters of RFC 3986, and what may stand in a path as it is. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("-._~/", c) != NULL;
}

static void uri_add(const char *path, struct buf *out)
{
	buf_add_str(out, "file://");
	for (const char *c = path; *c; c++) {
		if (is_plain(*c))
			buf_add_char(out, *c);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)*c);
	}
}

void roots_write(const char *const *roots, struct buf *out)
{
	struct jw w = JW(out);
	struct buf uri = BUF_INIT;
	jw_object(&w);
	jw_name(&w, "roots");
	jw_array(&w);
	for (const char *const *p = roots; p && *p; p++) {
		const char *slash = strrchr(*p, '/');
		buf_reset(&uri);
		uri_add(*p, &uri);
		jw_object(&w);
		jw_kv_text(&w, "uri", buf_cstr(&uri));
		jw_kv_text(&w, "name", slash && slash[1] ? slash + 1 : *p);
		jw_object_end(&w);
	}
	jw_array_end(&w);
	jw_object_end(&w);
	buf_release(&uri);
}
