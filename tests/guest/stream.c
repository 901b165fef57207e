/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * A TCP stream and its end, for the offload tests: in a Linux guest of QEMU (scripts/guest-image
 * links it statically), and on the outside. The bytes are a pattern that the sink can check.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATTERN 65521 /* prime: no frame begins where another did */
#define CHUNK 262144

static const char usage[] =
	"usage: stream sink PORT             one connection's bytes; fails if they are wrong\n"
	"       stream discard PORT          the same, but nobody looks at them\n"
	"       stream source ADDRESS PORT MILLISECONDS\n"
	"       stream file ADDRESS PORT MILLISECONDS     the same without copying (sendfile)\n"
	"       stream nogro INTERFACE       its frames stay as they came\n"
	"All but the last print bytes and microseconds.\n";

static char pattern[PATTERN + CHUNK];

static int
fail(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	return 2;
}

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int
sink(uint16_t port, bool check)
{
	static char bytes[CHUNK];
	struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int listener = socket(AF_INET6, SOCK_STREAM, 0), on = 1, fd;
	int64_t total = 0, start;
	ssize_t n;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(listener, 1) != 0)
		return fail("listen");
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		return fail("accept");
	start = now();
	/* MSG_TRUNC: not even copied */
	while ((n = recv(fd, bytes, sizeof(bytes), check ? 0 : MSG_TRUNC)) > 0) {
		if (check && memcmp(bytes, pattern + total % PATTERN, (size_t)n) != 0) {
			fprintf(stderr, "stream: wrong bytes after %lld\n", (long long)total);
			return 1;
		}
		total += n;
	}
	if (n < 0)
		return fail("recv");
	printf("%lld %lld\n", (long long)total, (long long)(now() - start));
	return 0;
}

/* A file with the pattern, or -1. */
static int
pattern_file(void)
{
	int fd = memfd_create("pattern", 0);

	return fd >= 0 && write(fd, pattern, sizeof(pattern)) == sizeof(pattern) ? fd : -1;
}

static int
source(const char *address, uint16_t port, int64_t milliseconds, bool from_file)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int64_t total = 0, start = now();
	char mapped[INET6_ADDRSTRLEN + 8];
	int fd = socket(AF_INET6, SOCK_STREAM, 0), file = from_file ? pattern_file() : -1;

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(address, ':') == NULL ? "::ffff:" : "",
		 address);
	if (inet_pton(AF_INET6, mapped, &to.sin6_addr) != 1) {
		errno = EINVAL;
		return fail(address);
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return fail(address);
	while (now() - start < milliseconds * 1000) {
		off_t at = total % PATTERN;
		ssize_t n =
			from_file ? sendfile(fd, file, &at, CHUNK) : write(fd, pattern + at, CHUNK);

		if (n < 0)
			return fail("write");
		total += n;
	}
	shutdown(fd, SHUT_WR);
	if (read(fd, mapped, 1) != 0) /* all has arrived */
		return fail("read");
	printf("%lld %lld\n", (long long)total, (long long)(now() - start));
	return 0;
}

static int
nogro(const char *interface)
{
	struct ethtool_value off = {.cmd = ETHTOOL_SGRO};
	struct ifreq ifr = {.ifr_data = (void *)&off};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", interface);
	return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCETHTOOL, &ifr) == 0 ? 0 : fail(interface);
}

int
main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)(i % PATTERN * 31 + i % PATTERN / 257);
	if (argc == 3 && (strcmp(argv[1], "sink") == 0 || strcmp(argv[1], "discard") == 0))
		return sink((uint16_t)strtol(argv[2], NULL, 10), strcmp(argv[1], "sink") == 0);
	if (argc == 5 && (strcmp(argv[1], "source") == 0 || strcmp(argv[1], "file") == 0))
		return source(argv[2], (uint16_t)strtol(argv[3], NULL, 10),
			      strtol(argv[4], NULL, 10), strcmp(argv[1], "file") == 0);
	if (argc == 3 && strcmp(argv[1], "nogro") == 0)
		return nogro(argv[2]);
	fputs(usage, stderr);
	return 2;
}
