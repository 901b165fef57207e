/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>

/* macvswitchd's command line. */
struct options {
	const char *config;       /* -c FILE */
	const char *control;      /* --control PATH; NULL: as the file says */
	const char *const *extra; /* EAL arguments behind `--`, NULL terminated */
	bool check;               /* --check */
};

/* Fills *o (texts borrowed from argv). -1: go on; else the process's exit status (-h, -V, misuse).
 */
int options_parse(int argc, char **argv, struct options *o);
