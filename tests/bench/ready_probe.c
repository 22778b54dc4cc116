/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times a start: from before fork to the first "200" on a path, again and again, one line of milliseconds
 * each. A helper of bench.mjs, in C because Node's own spawn() costs as much as the start it would measure.
 * Each attempt is one connection; a refused one is tried again after 100 microseconds. The server is stopped
 * with SIGTERM and waited for. Any failure ends the program with a message.
 *
 * Usage: ready_probe PORT PATH ROUNDS COMMAND [ARGUMENT]...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_US = 100, GIVE_UP_MS = 20000 };

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const char *what)
{
	fprintf(stderr, "ready_probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* 1: answered 200. 0: not yet. */
static int ready_ask(int port, const char *path)
{
	char text[512];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("socket");
	int ok = 0;
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
				 path);
		if (send(fd, text, (size_t)n, MSG_NOSIGNAL) == n) {
			ssize_t got = recv(fd, text, 12, MSG_WAITALL);
			ok = got == 12 && memcmp(text, "HTTP/1.1 200", 12) == 0;
		}
	}
	close(fd);
	return ok;
}

static double start_time(int port, const char *path, char **command)
{
	double start = now_ms();
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		execvp(command[0], command);
		fail(command[0]);
	}
	int status;
	while (!ready_ask(port, path)) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			fprintf(stderr, "ready_probe: %s ended before it was ready\n", command[0]);
			exit(1);
		}
		if (now_ms() - start > GIVE_UP_MS) {
			kill(pid, SIGTERM);
			fprintf(stderr, "ready_probe: %s is not ready after %d ms\n", command[0], GIVE_UP_MS);
			exit(1);
		}
		usleep(RETRY_US);
	}
	double took = now_ms() - start;
	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	return took;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: ready_probe PORT PATH ROUNDS COMMAND [ARGUMENT]...\n");
		return 64;
	}
	for (int rounds = atoi(argv[3]); rounds > 0; rounds--)
		printf("%.3f\n", start_time(atoi(argv[1]), argv[2], argv + 4));
	return 0;
}
