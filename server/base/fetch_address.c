/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network addresses are those of the open Internet (the registries of RFC 6890, as of today). Pure. It
 * guards requests to addresses that somebody else wrote down: such a request must not reach what only this
 * machine or its network can reach. Anything unknown counts as not public.
 *
 * IPv6 addresses that carry an IPv4 address (mapped, NAT64, 6to4) are judged by that one.
 */
#include "base/base.h"
#include "base/fetch.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct range4 {
	uint32_t base;
	int bits;
};

static bool is_public4(uint32_t a)
{
	static const struct range4 ranges[] = {
		{0x00000000, 8},  /* this network */
		{0x0a000000, 8},  /* private */
		{0x64400000, 10}, /* carriers' own */
		{0x7f000000, 8},  /* loopback */
		{0xa9fe0000, 16}, /* link-local; clouds hand out credentials there */
		{0xac100000, 12}, /* private */
		{0xc0000000, 24}, /* protocol assignments */
		{0xc0000200, 24}, /* documentation, and the two below */
		{0xc0a80000, 16}, /* private */
		{0xc6120000, 15}, /* benchmarks */
		{0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3}, /* multicast, reserved, broadcast */
	};
	for (size_t i = 0; i < COUNT_OF(ranges); i++) {
		if (a >> (32 - ranges[i].bits) == ranges[i].base >> (32 - ranges[i].bits))
			return false;
	}
	return true;
}

static uint32_t load4(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_public6(const uint8_t *p)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
	if (memcmp(p, mapped, sizeof(mapped)) == 0 || memcmp(p, nat64, sizeof(nat64)) == 0)
		return is_public4(load4(p + 12));
	if (p[0] == 0x20 && p[1] == 0x02) /* 6to4 */
		return is_public4(load4(p + 2));
	if (p[0] == 0x20 && p[1] == 0x01 && p[2] < 0x02) /* Teredo and other protocol assignments */
		return false;
	if (p[0] == 0x20 && p[1] == 0x01 && p[2] == 0x0d && p[3] == 0xb8) /* documentation */
		return false;
	return (p[0] & 0xe0) == 0x20; /* only 2000::/3 is routed */
}

bool address_is_public(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, a, sizeof(in));
		return is_public4(ntohl(in.sin_addr.s_addr));
	}
	if (a->sa_family == AF_INET6) {
		struct sockaddr_in6 in;
		memcpy(&in, a, sizeof(in));
		return is_public6(in.sin6_addr.s6_addr);
	}
	return false;
}
