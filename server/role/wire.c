/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to the options struct of each room: the one place where option names and rooms meet.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { REPEAT_MS_MIN = 250 };
enum { SECOND_MS = 1000, WORKERS_MAX = 32, FRAME_SLACK_BYTES = 1 << 20, FRAME_BYTES_MOST = 1 << 30 };
/* What is there when the service is ready; the master takes the rest of the table within milliseconds. */
enum { STORE_START_BYTES = 8 << 20 };
/* Of the database: what one transaction writes at most, and what is kept in memory of the file. */
enum { BATCH_BYTES = 16 << 20, DB_CACHE_BYTES = 16 << 20 };
/* The keeper of a master that was killed may be in the middle of its last sync. */
enum { LOCK_WAIT_MS = 3000 };
static const int64_t HOUR_MS = 3600 * SECOND_MS;

uint32_t wire_workers(const struct conf *c)
{
	cpu_set_t cpus;
	int count = 1;
	if (c->server.workers > 0)
		return (uint32_t)c->server.workers;
	if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
		count = CPU_COUNT(&cpus);
	return (uint32_t)(count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : count);
}

bool wire_has_keeper(const struct conf *c)
{
	return c->store.backend != CONF_BACKEND_MEMORY;
}

void wire_store(const struct conf *c, uint32_t workers, struct store_options *o)
{
	static struct gate_limits gates[STORE_GATES_MAX];
	bool kept = wire_has_keeper(c);
	*o = (struct store_options){.bytes = (size_t)c->store.size_mb << 20,
				    .tasks_max = (uint32_t)c->store.tasks_max,
				    .procs_max = workers + (kept ? 1 : 0),
				    .task_events_max = (uint32_t)c->store.task_events_max,
				    .task_bytes_max = (size_t)c->store.task_bytes,
				    .live_ring_bytes = (size_t)c->store.live_ring_bytes,
				    .bytes_at_start = STORE_START_BYTES,
				    .keeper = kept,
				    .requests_max = (uint32_t)c->store.idempotency_keys,
				    .gates = gates,
				    .gates_count = (uint32_t)c->providers.count};
	wire_budgets(c, o);
	wire_gates(c, gates);
}

void wire_db(const struct conf *c, struct db_options *o)
{
	*o = (struct db_options){.path = c->store.path,
				 .bytes_max = c->store.max_bytes,
				 .cache_bytes = DB_CACHE_BYTES,
				 .lock_wait_ms = LOCK_WAIT_MS};
}

void wire_keeper(const struct conf *c, struct keeper_options *o)
{
	*o = (struct keeper_options){.batch_tasks_max = (size_t)c->store.batch_tasks,
				     .batch_bytes_max = BATCH_BYTES,
				     .batch_delay_ms = c->store.batch_delay_ms,
				     .retention_ms = c->store.retention_days * 24 * HOUR_MS,
				     .bytes_max = c->store.max_bytes,
				     .request_ms = c->store.idempotency_hours * HOUR_MS};
	wire_archive(c, &o->frame_bytes_max, &o->queue_bytes_max);
}

/* The largest is a task's document, or one of its events: the end of a task may be as large as the table has
 * room for, whatever one may have before it. */
void wire_archive(const struct conf *c, size_t *frame_bytes_max, size_t *queue_bytes_max)
{
	int64_t most = c->store.size_mb << 20;
	most = c->store.task_bytes > most ? c->store.task_bytes : most;
	most = most < FRAME_BYTES_MOST ? most : FRAME_BYTES_MOST;
	*frame_bytes_max = (size_t)most + FRAME_SLACK_BYTES;
	*queue_bytes_max = 2 * *frame_bytes_max;
}

char *wire_keeper_socket(const struct conf *c)
{
	return xasprintf("%s/keeper.sock", c->store.path);
}

static const char *const APPROVAL[] = {[CONF_APPROVAL_REQUIRED] = "required",
				       [CONF_APPROVAL_AUTO] = "auto",
				       [CONF_APPROVAL_POLICY] = "policy"};

void wire_http(const struct conf *c, struct http_options *o)
{
	*o = (struct http_options){
		.header_bytes_max = (size_t)c->limits.header_bytes,
		.header_count_max = (size_t)c->limits.header_count,
		.target_bytes_max = (size_t)c->limits.target_bytes,
		.body_bytes_max = (size_t)c->limits.body_bytes,
		.json_depth_max = (int)c->limits.json_depth,
		.prompt_bytes_max = (size_t)c->limits.prompt_bytes,
		.metadata_bytes_max = (size_t)c->limits.metadata_bytes,
		.output_schema_bytes_max = (size_t)c->limits.output_schema_bytes,
		.request_ms_max = c->limits.request_seconds * SECOND_MS,
		.idle_ms_max = c->limits.idle_seconds * SECOND_MS,
		.send_ms_max = c->limits.send_seconds * SECOND_MS,
		.heartbeat_ms = c->server.heartbeat_seconds * SECOND_MS,
		.wait_ms_max = c->limits.wait_seconds * SECOND_MS,
		.ack_ms_max = c->store.ack_seconds * SECOND_MS,
		.connections_max = (int)c->server.connections_max,
		.stream_chunk_bytes = (size_t)c->limits.stream_chunk_bytes,
		.tool_result_bytes_max = (size_t)c->limits.tool_result_bytes,
		.prices_known = wire_prices_known(c),
		.tenant_header = c->server.tenant_header[0] ? c->server.tenant_header : NULL,
		.user_header = c->server.user_header[0] ? c->server.user_header : NULL,
		.approval = APPROVAL[c->agent.approval],
		.store_backend = c->store.backend == CONF_BACKEND_MEMORY ? "memory" : "sqlite",
		.version = AGENT_RUNTIME_VERSION};
	wire_task_budgets(c, &o->budget, &o->budget_max);
}

void wire_agent(const struct conf *c, struct agent_options *o)
{
	*o = (struct agent_options){.tainted_calls = wire_permit(c->agent.tainted_calls),
				    .check_writes = c->agent.check_writes == CONF_ON,
				    .runs_max = (int)c->agent.runs_max,
				    .parallel_steps = (int)c->agent.parallel_steps,
				    .steps_max = (int)c->agent.steps_max,
				    .turns_max = (int)c->agent.turns_max,
				    .calls_max = (int)c->agent.calls_max,
				    .replans_max = (int)c->agent.max_replans,
				    .context_tokens_max = (int)c->agent.context_tokens,
				    .tools_offered_max = (int)c->agent.tools_offered_max,
				    .tools_pinned = c->agent.tools_pinned,
				    .answer_percent = (int)c->budgets.answer_percent,
				    .call_output_tokens = c->budgets.call_output_tokens,
				    .tools_wait_ms = c->agent.tools_wait_seconds * SECOND_MS,
				    .task_ms_max = c->agent.task_seconds * SECOND_MS,
				    .repeat_wait_ms = REPEAT_MS_MIN + 2 * c->tools.restart_ms_min,
				    .tool_result_bytes_max = (size_t)c->limits.tool_result_bytes,
				    .tool_result_parts_max = (int)c->limits.tool_result_parts,
				    .tool_context_bytes_max = (size_t)c->limits.tool_context_bytes};
}

/* A frame holds one line of a server's output, or the catalogue. */
static size_t frame_bytes_max(const struct conf *c)
{
	return (size_t)c->tools.line_bytes + FRAME_SLACK_BYTES;
}

void wire_client(const struct conf *c, struct mcp_client_options *o)
{
	*o = (struct mcp_client_options){.frame_bytes_max = frame_bytes_max(c),
					 .queue_bytes_max = 2 * frame_bytes_max(c),
					 .call_ms_max = (c->tools.start_seconds + c->tools.call_seconds + 5) *
							SECOND_MS};
}

static const enum mcp_trust TRUST[] = {
	[CONF_TRUST_LOCAL_READS] = MCP_TRUST_LOCAL_READS,
	[CONF_TRUST_ALL] = MCP_TRUST_ALL,
	[CONF_TRUST_NONE] = MCP_TRUST_NONE,
};
static const enum mcp_output OUTPUT[] = {
	[CONF_OUTPUT_DEFAULT] = MCP_OUTPUT_DEFAULT,
	[CONF_OUTPUT_TRUSTED] = MCP_OUTPUT_TRUSTED,
	[CONF_OUTPUT_UNTRUSTED] = MCP_OUTPUT_UNTRUSTED,
};
static const enum mcp_effect EFFECT[] = {
	[CONF_EFFECT_WRITE] = MCP_WRITES,
	[CONF_EFFECT_IDEMPOTENT] = MCP_WRITES_ONCE,
	[CONF_EFFECT_READ] = MCP_READS,
};

static const enum mcp_era ERA[] = {
	[CONF_ERA_DEFAULT] = MCP_ERA_DEFAULT,
	[CONF_ERA_HANDSHAKE] = MCP_ERA_HANDSHAKE,
	[CONF_ERA_MODERN] = MCP_ERA_MODERN,
	[CONF_ERA_AUTO] = MCP_ERA_AUTO,
};

static const enum mcp_sampling SAMPLING[] = {
	[CONF_SAMPLING_OFF] = MCP_SAMPLING_OFF,
	[CONF_SAMPLING_ASK] = MCP_SAMPLING_ASK,
	[CONF_SAMPLING_ON] = MCP_SAMPLING_ON,
};

static const struct mcp_env *headers_of(const struct conf_remote *r)
{
	struct mcp_env *headers = xcalloc(r->headers_count + 1, sizeof *headers);
	for (size_t i = 0; i < r->headers_count; i++)
		headers[i] = (struct mcp_env){r->headers[i].name, r->headers[i].value};
	return headers;
}

static const enum mcp_network NETWORK[] = {
	[CONF_NETWORK_NONE] = MCP_NETWORK_NONE,
	[CONF_NETWORK_LOOPBACK] = MCP_NETWORK_LOOPBACK,
	[CONF_NETWORK_ALL] = MCP_NETWORK_ALL,
};

static struct mcp_sandbox sandbox_of(const struct conf *c, const struct conf_sandbox *s)
{
	return (struct mcp_sandbox){.off = s->off,
				    .files_unlogged = !s->log_files,
				    .require = s->require,
				    .read = s->read,
				    .write = s->write,
				    .withheld = c->store.path,
				    .network = NETWORK[s->network],
				    .cpu_seconds = s->cpu_seconds,
				    .memory_mib = s->memory_mib,
				    .processes = s->processes,
				    .files = s->files,
				    .file_size_mib = s->file_size_mib};
}

/* Of each user one: whoever else made a folder of that name could read what is put there. */
static const char *run_folder(void)
{
	static char path[4096];
	const char *base = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/agent-runtime-%u", base && *base == '/' ? base : "/tmp",
		 (unsigned)geteuid());
	return path;
}

void wire_broker(const struct conf *c, const struct conf_registry *r, struct mcp_broker_options *o,
		 struct mcp_server_options **servers)
{
	struct mcp_server_options *list = xcalloc(r->servers_count + 1, sizeof *list);
	for (size_t i = 0; i < r->servers_count; i++) {
		const struct conf_tool_server *s = &r->servers[i];
		struct mcp_env *env = xcalloc(s->env_count + 1, sizeof *env);
		for (size_t k = 0; k < s->env_count; k++)
			env[k] = (struct mcp_env){s->env[k].name, s->env[k].value};
		struct mcp_tool_effect *effects = xcalloc(s->effects_count + 1, sizeof *effects);
		for (size_t k = 0; k < s->effects_count; k++)
			effects[k] =
				(struct mcp_tool_effect){s->effects[k].tool, EFFECT[s->effects[k].effect]};
		list[i] = (struct mcp_server_options){
			.id = s->id,
			.enabled = s->enabled,
			.transport = s->type == CONF_TOOL_STDIO ? MCP_STDIO : MCP_REMOTE,
			.command = s->command,
			.args = s->args,
			.env = env,
			.env_count = s->env_count,
			.cwd = s->cwd,
			.url = s->url,
			.auth = wire_auth_row(&s->auth),
			.headers = headers_of(&s->remote),
			.headers_count = s->remote.headers_count,
			.ca_file = s->remote.ca_file,
			.cert_file = s->remote.cert_file,
			.key_file = s->remote.key_file,
			.proxy = s->remote.proxy,
			.call_idle_ms = s->timeout_seconds * SECOND_MS,
			.era = ERA[s->era],
			.trust = TRUST[s->trust],
			.output = OUTPUT[s->output],
			.effects = effects,
			.effects_count = s->effects_count,
			.sandbox = sandbox_of(c, &s->sandbox),
			.scope = s->scope.scope == CONF_SCOPE_TASK ? MCP_TASK : MCP_SHARED,
			.instances_max = (size_t)s->scope.max_instances,
			.warm = (size_t)s->scope.warm,
			.idle_stop_ms = s->scope.idle_stop_seconds * SECOND_MS,
			.lifetime_ms_max = s->scope.lifetime_seconds * SECOND_MS,
			.start_ms = s->scope.start_seconds * SECOND_MS,
			.roots = s->roots,
			.sampling = SAMPLING[s->sampling],
			.log_level = s->log_level,
			.fingerprint = s->fingerprint};
	}
	*o = (struct mcp_broker_options){.servers = list,
					 .servers_count = r->servers_count,
					 .start_ms_max = c->tools.start_seconds * SECOND_MS,
					 .call_idle_ms_max = c->tools.call_idle_seconds * SECOND_MS,
					 .call_ms_max = c->tools.call_seconds * SECOND_MS,
					 .input_ms_max = c->tools.input_seconds * SECOND_MS,
					 .probe_ms_max = c->tools.probe_seconds * SECOND_MS,
					 .era_ms_max = c->tools.era_hours * 3600 * SECOND_MS,
					 .input_rounds_max = (int)c->tools.input_rounds,
					 .asks_open_max = (size_t)c->tools.asks_open_max,
					 .asks_max = (size_t)c->tools.asks_max,
					 .ask_bytes_max = (size_t)c->tools.ask_bytes,
					 .notices_per_second_max = (int)c->tools.notices_per_second,
					 .line_bytes_max = (size_t)c->tools.line_bytes,
					 .list_items_max = (size_t)c->tools.list_items_max,
					 .list_bytes_max = (size_t)c->tools.list_bytes,
					 .resource_subscriptions_max =
						 (size_t)c->tools.resource_subscriptions_max,
					 .stderr_tail_bytes = (size_t)c->tools.stderr_bytes,
					 .stop_grace_ms = c->tools.stop_grace_ms,
					 .drain_ms_max = c->tools.drain_seconds * SECOND_MS,
					 .restart_ms_min = c->tools.restart_ms_min,
					 .restart_ms_max = c->tools.restart_ms_max,
					 .calls_per_server_max = (size_t)c->tools.calls_per_server_max,
					 .starts_max = (size_t)c->tools.starts_max,
					 .frame_bytes_max = frame_bytes_max(c),
					 .queue_bytes_max = 2 * frame_bytes_max(c),
					 .version = AGENT_RUNTIME_VERSION,
					 .run_folder = run_folder()};
	*servers = list;
}

void wire_broker_release(struct mcp_server_options *servers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free((void *)(uintptr_t)servers[i].env);
		free((void *)(uintptr_t)servers[i].effects);
		free((void *)(uintptr_t)servers[i].headers);
	}
	free(servers);
}
