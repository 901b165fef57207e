/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/errmsg.h"
#include "config/settings.h"

/*
 * The one table of keys: what a section of the configuration file, `macvctl OBJECT add|set`, the
 * JSON-RPC parameters, `config save`, the help texts and the completion know of each key. A key
 * added here is known everywhere.
 *
 * Thread-safety: the tables are constant; the functions touch only their arguments.
 */

enum section { SECTION_DAEMON, SECTION_UPLINK, SECTION_PORT };

enum key_when {
	KEY_ADD_ONLY, /* fixed when the object is made; `set` refuses it */
	KEY_ANY_TIME, /* `set` and a reload change it while frames flow */
};

struct choice {
	const char *name;
	unsigned int value;
};

struct key {
	const char *name; /* as in the file and on the command line */
	const char *
		values; /* what is accepted, for people: "on or off", "68 to 9600", "MAC address" */
	const char *help; /* one short line, without the values */
	enum key_when when;
	size_t offset; /* of the field in the section's struct */
	size_t size;   /* of the field, for texts */
	/* Parses value into field. 0; or -EINVAL, field unchanged, and why set to a short reason
	 * ("is a multicast address") or left empty. */
	int (*parse)(const struct key *key, void *field, const char *value, struct errmsg *why);
	/* Writes the value's text. false where the field holds "not set" and nothing is to be
	 * saved. */
	bool (*format)(const struct key *key, const void *field, char *buf, size_t size);
	const struct choice *choices; /* of a key that takes a word, ended by a NULL name; or NULL
				       */
	uint32_t min, max;            /* of a key that takes a number */
};

/* The keys of a section in the order of the documentation, ended by an entry without a name. */
const struct key *section_keys(enum section section);

/* "daemon", "uplink" or "port". */
const char *section_name(enum section section);

/* The key, or NULL: unknown to this section. */
const struct key *key_find(enum section section, const char *name);

/*
 * Sets one key of object (a struct daemon_settings, uplink_settings or port_settings).
 * 0; -ENOENT: no such key, the text lists the known ones; -EINVAL: bad value, the text names the
 * key, the value, and what is accepted. On error *object is unchanged. The text does not name the
 * object: callers put "port vm1: " or "FILE:LINE: [port vm1]: " before it.
 */
int key_set(enum section section, void *object, const char *name, const char *value,
	    struct errmsg *e);

/* Writes the key's value as the file has it; false: not set, buf is empty. size: at least
 * TEXT_SIZE. */
bool key_get(const struct key *key, const void *object, char *buf, size_t size);

/* Puts every default into *object (see config/defaults.h) and copies name, which must be valid. */
void daemon_defaults(struct daemon_settings *d);
void uplink_defaults(struct uplink_settings *u, const char *name);
void port_defaults(struct port_settings *p, const char *name);

/* 0, or -EINVAL: not 1 to 31 of [A-Za-z0-9._-] starting with a letter or digit. what: "port",
 * "uplink". */
int name_check(const char *what, const char *name, struct errmsg *e);

/* Six hexadecimal pairs joined by ':' (or all by '-'). 0 or -EINVAL. Says nothing of multicast or
 * zero. */
int mac_parse(const char *text, struct mac_addr *mac);

#define MAC_TEXT_SIZE 18
/* Writes lower-case 52:54:00:00:00:01 and returns buf. */
const char *mac_format(const struct mac_addr *mac, char buf[MAC_TEXT_SIZE]);

/* "vepa", "bridge", "private", "passthru". */
const char *mode_name(enum port_mode mode);
