/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The daemon's command line. Called by main.c first of all.
 */
#include "control/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/defaults.h"
#include "config/settings.h"

static void
usage(FILE *f)
{
	fprintf(f,
		"usage: macvswitchd [-c FILE] [--check] [--control PATH] [-V] [-h] [-- EAL ARGS]\n"
		"  -c, --config FILE  configuration (default: " DEFAULT_CONFIG_FILE ")\n"
		"  --check            say whether the configuration is good, and exit\n"
		"  --control PATH     control socket, instead of the configuration's\n"
		"  -V, --version      print the version, and exit\n"
		"  -h, --help         print this, and exit\n"
		"  -- EAL ARGS        further arguments for DPDK's EAL\n");
}

int
options_parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},  {"check", no_argument, NULL, 'k'},
		{"control", required_argument, NULL, 's'}, {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},          {0},
	};
	int c;

	*o = (struct options){.config = DEFAULT_CONFIG_FILE};
	while ((c = getopt_long(argc, argv, "c:Vh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 's':
			o->control = optarg;
			break;
		case 'V':
			printf("macvswitchd %s\n", MACVSWITCH_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_FAILURE;
		}
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0) {
		fprintf(stderr, "macvswitchd: unexpected argument '%s'\n", argv[optind]);
		usage(stderr);
		return EXIT_FAILURE;
	}
	if (o->control != NULL &&
	    (o->control[0] != '/' || strlen(o->control) >= SOCKET_PATH_SIZE)) {
		fprintf(stderr,
			"macvswitchd: --control: '%s' is not accepted; an absolute path of at most "
			"%d characters\n",
			o->control, SOCKET_PATH_SIZE - 1);
		return EXIT_FAILURE;
	}
	o->extra = (const char *const *)&argv[optind];
	return -1;
}
