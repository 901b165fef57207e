/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "config/keys.h"

/*
 * What kinds of values there are: the parse and format functions that the rows of keys.c point at.
 * All follow the contract in struct key. Private to config/.
 */

int parse_bool(const struct key *key, void *field, const char *value, struct errmsg *why);
bool format_bool(const struct key *key, const void *field, char *buf, size_t size);

/* One of key->choices. */
int parse_choice(const struct key *key, void *field, const char *value, struct errmsg *why);
bool format_choice(const struct key *key, const void *field, char *buf, size_t size);

/* key->min to key->max; a field of 0 outside of that range is "not set". */
int parse_number(const struct key *key, void *field, const char *value, struct errmsg *why);
bool format_number(const struct key *key, const void *field, char *buf, size_t size);

/* The same with "auto" for 0. */
int parse_auto(const struct key *key, void *field, const char *value, struct errmsg *why);
bool format_auto(const struct key *key, const void *field, char *buf, size_t size);

/* Texts of key->size with its NUL; "" is "not set". Only the optional_ ones take it as a value;
 * parse_cpus takes "auto" for it. */
int parse_text(const struct key *key, void *field, const char *value, struct errmsg *why);
int parse_optional_text(const struct key *key, void *field, const char *value, struct errmsg *why);
int parse_eal(const struct key *key, void *field, const char *value, struct errmsg *why);
int parse_path(const struct key *key, void *field, const char *value, struct errmsg *why);
int parse_optional_path(const struct key *key, void *field, const char *value, struct errmsg *why);
int parse_name(const struct key *key, void *field, const char *value, struct errmsg *why);
int parse_group(const struct key *key, void *field, const char *value, struct errmsg *why);
int parse_owner(const struct key *key, void *field, const char *value, struct errmsg *why);
int parse_cpus(const struct key *key, void *field, const char *value, struct errmsg *why);
bool format_text(const struct key *key, const void *field, char *buf, size_t size);

/* Bytes by queue, worker + 1 or 0; key->size of them. "auto": all 0. config/queue_workers.c */
int parse_queue_workers(const struct key *key, void *field, const char *value, struct errmsg *why);
bool format_queue_workers(const struct key *key, const void *field, char *buf, size_t size);

int parse_mac(const struct key *key, void *field, const char *value, struct errmsg *why);
bool format_mac(const struct key *key, const void *field, char *buf, size_t size);

/* The field is struct port_settings' maddr; n_maddr goes with it. */
int parse_maddr(const struct key *key, void *field, const char *value, struct errmsg *why);
bool format_maddr(const struct key *key, const void *field, char *buf, size_t size);
