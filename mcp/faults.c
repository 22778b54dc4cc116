/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a server's lists that were left out, each alone, and why. Bounded: what comes beyond is only
 * counted. Pure. */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

void faults_add(struct faults *f, const char *name, const char *reason)
{
	size_t n = utf8_cut(name, strlen(name), FAULT_NAME_BYTES_MAX);
	if (f->count == FAULTS_MAX)
		return;
	if (!f->list)
		f->list = xcalloc(FAULTS_MAX, sizeof(*f->list));
	f->list[f->count++] = (struct fault){xstrndup(name, n), xstrdup(reason)};
}

void faults_release(struct faults *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->list[i].name);
		free(f->list[i].reason);
	}
	free(f->list);
	*f = (struct faults){0};
}

void faults_write(const struct faults *f, struct jw *w)
{
	jw_name(w, "quarantined");
	jw_array(w);
	for (size_t i = 0; i < f->count; i++) {
		jw_object(w);
		jw_kv_text(w, "name", f->list[i].name);
		jw_kv_text(w, "reason", f->list[i].reason);
		jw_object_end(w);
	}
	jw_array_end(w);
}
