/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * The settings as data: defaults, finding and appending objects, and the spelling of what has one
 * spelling everywhere (names, MAC addresses, modes). Called by the control thread, and by macvctl
 * for the spellings; nothing here keeps state.
 */

#include "config/settings.h"

#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/defaults.h"
#include "config/keys.h"

void
daemon_defaults(struct daemon_settings *d)
{
	*d = (struct daemon_settings){
		.control = DEFAULT_CONTROL,
		.workers = DEFAULT_WORKERS,
		.idle = DEFAULT_IDLE,
		.idle_after = DEFAULT_IDLE_AFTER,
		.idle_step = DEFAULT_IDLE_STEP,
	};
}

void
uplink_defaults(struct uplink_settings *u, const char *name)
{
	*u = (struct uplink_settings){
		.mtu = DEFAULT_UPLINK_MTU,
		.queues = DEFAULT_UPLINK_QUEUES,
		.demux = DEFAULT_DEMUX,
		.flood_share = DEFAULT_FLOOD_SHARE,
		.offloads = DEFAULT_UPLINK_OFFLOADS,
	};
	strlcpy(u->name, name, sizeof(u->name));
}

void
port_defaults(struct port_settings *p, const char *name)
{
	*p = (struct port_settings){
		.mode = DEFAULT_MODE,
		.socket_role = DEFAULT_SOCKET_ROLE,
		.queues = DEFAULT_PORT_QUEUES,
		.offloads = DEFAULT_PORT_OFFLOADS,
		.trust_guest_rx_filters = DEFAULT_TRUST,
		.own_source = DEFAULT_OWN_SOURCE,
		.link_follow = DEFAULT_LINK_FOLLOW,
		.max_addresses = DEFAULT_MAX_ADDRESSES,
		.max_filter_changes = DEFAULT_MAX_FILTER_CHANGES,
	};
	strlcpy(p->name, name, sizeof(p->name));
}

void
settings_init(struct settings *s)
{
	*s = (struct settings){0};
	daemon_defaults(&s->daemon);
}

void
settings_free(struct settings *s)
{
	free(s->uplinks);
	free(s->ports);
	settings_init(s);
}

struct uplink_settings *
settings_find_uplink(const struct settings *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_uplinks; i++)
		if (strcmp(s->uplinks[i].name, name) == 0)
			return &s->uplinks[i];
	return NULL;
}

struct port_settings *
settings_find_port(const struct settings *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_ports; i++)
		if (strcmp(s->ports[i].name, name) == 0)
			return &s->ports[i];
	return NULL;
}

int
settings_add_uplink(struct settings *s, const struct uplink_settings *u, struct errmsg *e)
{
	struct uplink_settings *uplinks;

	if (settings_find_uplink(s, u->name) != NULL)
		return err_set(e, -EEXIST, "uplink %s: the name is taken", u->name);
	if (s->n_uplinks >= MAX_UPLINKS)
		return err_set(e, -ENOSPC, "uplink %s: there can be at most %d uplinks", u->name,
			       MAX_UPLINKS);
	uplinks = reallocarray(s->uplinks, s->n_uplinks + 1, sizeof(*uplinks));
	if (uplinks == NULL)
		return err_set(e, -ENOMEM, "uplink %s: out of memory", u->name);
	uplinks[s->n_uplinks++] = *u;
	s->uplinks = uplinks;
	return 0;
}

int
settings_add_port(struct settings *s, const struct port_settings *p, struct errmsg *e)
{
	struct port_settings *ports;

	if (settings_find_port(s, p->name) != NULL)
		return err_set(e, -EEXIST, "port %s: the name is taken", p->name);
	if (s->n_ports >= MAX_PORTS)
		return err_set(e, -ENOSPC, "port %s: there can be at most %d ports", p->name,
			       MAX_PORTS);
	ports = reallocarray(s->ports, s->n_ports + 1, sizeof(*ports));
	if (ports == NULL)
		return err_set(e, -ENOMEM, "port %s: out of memory", p->name);
	ports[s->n_ports++] = *p;
	s->ports = ports;
	return 0;
}

/* isalnum() would follow the locale. */
static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int
name_check(const char *what, const char *name, struct errmsg *e)
{
	size_t len = strlen(name);
	char shown[NAME_SIZE + 8];

	if (len >= 1 && len < NAME_SIZE && is_alnum(name[0])) {
		size_t i = 1;

		while (i < len && (is_alnum(name[i]) || strchr("._-", name[i]) != NULL))
			i++;
		if (i == len)
			return 0;
	}
	/* The refused name may hold anything; an error text is one line of ASCII. */
	snprintf(shown, sizeof(shown), "%.*s%s", NAME_SIZE, name, len > NAME_SIZE ? "..." : "");
	for (char *c = shown; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return err_set(e, -EINVAL,
		       "%s name '%s' is not accepted; 1 to %d of [A-Za-z0-9._-], starting with a "
		       "letter or digit",
		       what, shown, NAME_SIZE - 1);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
mac_parse(const char *text, struct mac_addr *mac)
{
	struct mac_addr m;

	if (strlen(text) != MAC_TEXT_SIZE - 1 || (text[2] != ':' && text[2] != '-'))
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]);
		int low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != text[2]))
			return -EINVAL;
		m.b[i] = high << 4 | low;
	}
	*mac = m;
	return 0;
}

const char *
mac_format(const struct mac_addr *mac, char buf[MAC_TEXT_SIZE])
{
	snprintf(buf, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac->b[0], mac->b[1],
		 mac->b[2], mac->b[3], mac->b[4], mac->b[5]);
	return buf;
}

const char *
mode_name(enum port_mode mode)
{
	switch (mode) {
	case MODE_VEPA:
		return "vepa";
	case MODE_BRIDGE:
		return "bridge";
	case MODE_PRIVATE:
		return "private";
	case MODE_PASSTHRU:
		return "passthru";
	}
	return "?";
}
