/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model server of the orchestration bench: it answers at once, and costs next to nothing itself. Chat
 * Completions, streamed or not, over kept connections; one process, one thread, epoll. It plays one work: a
 * plan of three steps, for each step one call of the tool echo, then the end. What is asked for is told from
 * marks in the request: "You are the planner", "You are the executor", "Your step: s2", a tool's answer.
 *
 *   work_model         the first line of stdout is the port; it ends with its standard input
 *
 * It is no HTTP server for anything else: bodies need a Content-Length, and what is not understood is
 * answered with 400 and ends the connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES_MAX = 1 << 20, ANSWER_BYTES_MAX = 16384, CONNS_MAX = 1024 };

struct conn {
	char *bytes;
	size_t len;
};
static struct conn conns[CONNS_MAX]; /* by descriptor */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			continue; /* answers are small: the socket takes them at once */
		if (sent <= 0)
			return;
		bytes += sent;
		n -= (size_t)sent;
	}
}

/* The message of the answer, as members of a JSON object. */
static void message_write(const char *body, char *out, size_t size, bool *calls)
{
	const char *step = strstr(body, "Your step: s");
	const char *tool = strstr(body, "\"echo__echo\"") != NULL ? "echo__echo" : "echo";
	char k = step != NULL ? step[12] : '0';
	*calls = false;
	if (strstr(body, "You are the planner") != NULL) {
		snprintf(out, size,
			 "\"content\":\"{\\\"goal\\\":\\\"work\\\",\\\"assumptions\\\":[],\\\"questions\\\":["
			 "],\\\"steps\\\":["
			 "{\\\"id\\\":\\\"s1\\\",\\\"objective\\\":\\\"one\\\",\\\"side_effects\\\":"
			 "\\\"read\\\"},"
			 "{\\\"id\\\":\\\"s2\\\",\\\"objective\\\":\\\"two\\\",\\\"side_effects\\\":"
			 "\\\"read\\\",\\\"depends_on\\\":[\\\"s1\\\"]},"
			 "{\\\"id\\\":\\\"s3\\\",\\\"objective\\\":\\\"three\\\",\\\"side_effects\\\":"
			 "\\\"read\\\",\\\"depends_on\\\":[\\\"s2\\\"]}],"
			 "\\\"final_output\\\":\\\"\\\"}\"");
		return;
	}
	if (strstr(body, "You are the executor") == NULL) {
		snprintf(out, size, "\"content\":\"FINAL: ok [s1][s2][s3]\"");
		return;
	}
	/* Ours is told to finish the step with the tool's answer as it is; the peer does so by itself. */
	const char *finish =
		strstr(body, "\"echo__echo\"") != NULL
			? ",{\"index\":1,\"id\":\"call_f\",\"type\":\"function\",\"function\":{\"name\":"
			  "\"finish_step\",\"arguments\":\"{\\\"status\\\":\\\"success\\\",\\\"result\\\":"
			  "\\\"\\\"}\"}}"
			: "";
	*calls = true;
	snprintf(out, size,
		 "\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"call_%c\",\"type\":\"function\","
		 "\"function\":{"
		 "\"name\":\"%s\",\"arguments\":\"{\\\"text\\\":\\\"result of step %c\\\"}\"}}%s]",
		 k, tool, k, finish);
}

static void answer(int fd, const char *body)
{
	static char text[ANSWER_BYTES_MAX], message[ANSWER_BYTES_MAX / 2], content[ANSWER_BYTES_MAX];
	bool calls, stream = strstr(body, "\"stream\":true") != NULL;
	message_write(body, message, sizeof message, &calls);
	const char *finish = calls ? "tool_calls" : "stop";
	const char *usage = "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"total_tokens\":120}";
	if (stream)
		snprintf(content, sizeof content,
			 "data: "
			 "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"
			 "\"work\",\"choices\":[{\"index\":"
			 "0,\"delta\":{\"role\":\"assistant\",%s},\"finish_reason\":\"%s\"}]}\n\n"
			 "data: "
			 "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"
			 "\"work\",\"choices\":[],%s}\n\n"
			 "data: [DONE]\n\n",
			 message, finish, usage);
	else
		snprintf(content, sizeof content,
			 "{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"work\","
			 "\"choices\":[{\"index\":0,"
			 "\"message\":{\"role\":\"assistant\",%s},\"finish_reason\":\"%s\"}],%s}",
			 message, finish, usage);
	int n = snprintf(text, sizeof text,
			 "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
			 stream ? "text/event-stream" : "application/json", strlen(content), content);
	send_all(fd, text, (size_t)n);
}

static void conn_close(int fd)
{
	free(conns[fd].bytes);
	conns[fd] = (struct conn){0};
	close(fd);
}

/* Answers the requests that are whole; false: the connection is of no use. */
static bool requests_take(int fd)
{
	struct conn *c = &conns[fd];
	for (;;) {
		c->bytes[c->len] = '\0';
		char *end = strstr(c->bytes, "\r\n\r\n");
		if (end == NULL)
			return true;
		*end = '\0';
		const char *field = strcasestr(c->bytes, "\r\ncontent-length:");
		size_t length = field != NULL ? strtoul(field + 17, NULL, 10) : 0;
		bool expects = strcasestr(c->bytes, "100-continue") != NULL;
		size_t head = (size_t)(end + 4 - c->bytes);
		*end = '\r';
		if (field == NULL || head + length >= REQUEST_BYTES_MAX) {
			send_all(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 47);
			return false;
		}
		if (c->len < head + length) {
			if (expects && c->len == head)
				send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
			return true;
		}
		char after = c->bytes[head + length];
		c->bytes[head + length] = '\0';
		answer(fd, c->bytes + head);
		c->bytes[head + length] = after;
		c->len -= head + length;
		memmove(c->bytes, c->bytes + head + length, c->len);
	}
}

static void conn_read(int fd)
{
	struct conn *c = &conns[fd];
	if (c->bytes == NULL)
		c->bytes = malloc(REQUEST_BYTES_MAX + 1);
	if (c->bytes == NULL)
		die("malloc");
	ssize_t n = recv(fd, c->bytes + c->len, REQUEST_BYTES_MAX - c->len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(fd);
		return;
	}
	c->len += (size_t)n;
	if (!requests_take(fd))
		conn_close(fd);
}

int main(void)
{
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    poll = epoll_create1(EPOLL_CLOEXEC);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	if (listener < 0 || poll < 0 || bind(listener, (struct sockaddr *)&at, size) != 0 ||
	    listen(listener, CONNS_MAX) != 0 || getsockname(listener, (struct sockaddr *)&at, &size) != 0)
		die("listen");
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	epoll_ctl(poll, EPOLL_CTL_ADD, listener,
		  &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
	epoll_ctl(poll, EPOLL_CTL_ADD, 0, &(struct epoll_event){.events = EPOLLIN, .data.fd = 0});
	for (;;) {
		struct epoll_event ready[64];
		int n = epoll_wait(poll, ready, 64, -1);
		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;
			if (fd == 0)
				return 0; /* whoever started it is gone */
			if (fd != listener) {
				conn_read(fd);
				continue;
			}
			int conn = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (conn < 0 || conn >= CONNS_MAX) {
				close(conn);
				continue;
			}
			setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			epoll_ctl(poll, EPOLL_CTL_ADD, conn,
				  &(struct epoll_event){.events = EPOLLIN, .data.fd = conn});
		}
	}
}
