/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>

#include "config/keys.h"
#include "control/command_table.h"

/*
 * From JSON-RPC parameters to settings, by the tables of config/keys.h and control/command_table.h.
 * Control thread; touches only its arguments.
 */

/*
 * Are params (an object, or NULL) what command c takes? 0; -EINVAL: the text names the unknown,
 * missing or wrongly typed parameter and what is accepted; -EPERM: `set` of a KEY_ADD_ONLY key.
 * Keys may be strings, integers, booleans (on/off), or arrays of strings (maddr); the command's own
 * arguments (name, address, from...) are strings, those marked `number` integers too.
 */
int rpc_params_check(const struct command *c, const json_t *params, struct errmsg *e);

/*
 * Applies every key of params that the section knows to *object (positional parameters such as
 * "name" are skipped), all or nothing. changeable_only: -EPERM for a KEY_ADD_ONLY key, naming it.
 */
int rpc_params_apply(enum section section, const json_t *params, bool changeable_only, void *object,
		     struct errmsg *e);

/* The parameter's string, or NULL where it is absent. Not for arguments marked `number`. */
const char *rpc_param_string(const json_t *params, const char *name);

/*
 * The number of an argument marked `number`, given as an integer or as text ("5", "0x88cc").
 * 0; -ENOENT: absent, *value untouched; -EINVAL: not a number from 0 to max, *e says so.
 */
int rpc_param_number(const json_t *params, const char *name, uint32_t max, uint32_t *value,
		     struct errmsg *e);
