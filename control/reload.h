/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/* The configuration file against the running state. Control thread. */

/*
 * Reads the file that the daemon was started with and applies the difference only: what did not
 * change keeps its guests and loses nothing. *result: {added, changed, removed, notes}. A bad file
 * changes nothing; if a step fails (a device that does not open), the steps before it are undone.
 * config_load's errors, or those of the step.
 */
int config_reload(struct daemon *d, json_t **result, struct errmsg *e);

/* Brings the running state to s, as above. Used at start too, from the empty state. */
int config_apply(struct daemon *d, const struct settings *s, json_t *report, struct errmsg *e);

/* The running state as the file's text: {text, file}. */
int config_text(const struct daemon *d, json_t **result, struct errmsg *e);

/* Writes what would recreate the running state. config_save's errors. */
int config_write(const struct daemon *d, const char *path, struct errmsg *e);
