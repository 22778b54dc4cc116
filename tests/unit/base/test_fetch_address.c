/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses count as public, and that a guarded wire connects to no other. */
#include "base/base.h"
#include "base/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static bool is_public(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return address_is_public((struct sockaddr *)&in);
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return address_is_public((struct sockaddr *)&in6);
}

static void address_is_public__knows_what_is_not(void **state)
{
	static const char *const private[] = {
		"0.0.0.0",
		"10.0.0.1",
		"100.64.0.1",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.1",
		"192.0.2.1",
		"192.168.255.255",
		"198.18.0.1",
		"198.19.255.255",
		"198.51.100.7",
		"203.0.113.9",
		"224.0.0.1",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::ffff:127.0.0.1",
		"::ffff:10.1.2.3",
		"64:ff9b::a00:1",
		"2002:7f00:1::",
		"2001::1",
		"2001:db8::1",
		"fc00::1",
		"fd12::1",
		"fe80::1",
		"ff02::1",
		"::7f00:1",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(private); i++) {
		if (is_public(private[i]))
			fail_msg("%s", private[i]);
	}
}

static void address_is_public__lets_the_internet_through(void **state)
{
	static const char *const public[] = {
		"1.1.1.1",        "8.8.8.8",          "9.255.255.255",        "11.0.0.0",
		"100.63.255.255", "100.128.0.0",      "126.255.255.255",      "128.0.0.1",
		"172.15.255.255", "172.32.0.0",       "192.167.0.1",          "198.17.0.1",
		"198.20.0.1",     "223.255.255.255",  "2606:4700:4700::1111", "2a00:1450::1",
		"::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::",
	};
	struct sockaddr local = {.sa_family = AF_UNIX};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(public); i++) {
		if (!is_public(public[i]))
			fail_msg("%s", public[i]);
	}
	assert_false(address_is_public(&local));
}

/* --- a wire --- */

static struct error ended;
static int over;

static void news(const struct fetch_news *n, void *arg)
{
	(void)arg;
	if (n->over) {
		over++;
		ended = *n->e;
	}
}

static void fetch_start__connects_to_no_private_address_on_a_guarded_wire(void **state)
{
	static const struct fetch_words words = {"the peer", "a", "b", "c", "d", "e", "f", "g"};
	struct fetch_options o = {.words = &words, .public_only = true, .response_bytes_max = 1000};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	char url[64];
	(void)state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	snprintf(url, sizeof(url), "http://localhost:%d/", ntohs(in.sin_port));
	struct loop *l = loop_new();
	struct fetch *f = fetch_new(l, &o);
	struct fetch_request r = {.method = "GET", .url = url, .headers = (const char *const[]){NULL}};
	fetch_start(f, &r, news, NULL);
	while (!over)
		loop_turn(l, 1000);
	assert_int_equal(ended.code, ERR_CONFIG);
	assert_non_null(strstr(ended.msg, "not allowed"));
	assert_int_equal(accept(fd, NULL, NULL), -1);
	fetch_free(f);
	loop_turn(l, 0);
	loop_free(l);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_public__knows_what_is_not),
		cmocka_unit_test(address_is_public__lets_the_internet_through),
		cmocka_unit_test(fetch_start__connects_to_no_private_address_on_a_guarded_wire),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
