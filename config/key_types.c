/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * From a value's text to a field and back, one pair of functions for each kind of value. Called
 * through the rows of keys.c by key_set and key_get, on the control thread or in macvctl.
 * What cannot stand in the configuration file is refused here already, so that whatever was
 * accepted over the control socket can also be saved.
 */

#include "config/key_types.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <string.h>

#include "config/config.h"

#define BLANKS " \t"

_Static_assert(MAX_STATIC_ADDRESSES *MAC_TEXT_SIZE <= TEXT_SIZE, "key_get could cut a maddr list");

int
parse_bool(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	bool on = strcmp(value, "on") == 0;

	(void)key;
	(void)why;
	if (!on && strcmp(value, "off") != 0)
		return -EINVAL;
	*(bool *)field = on;
	return 0;
}

bool
format_bool(const struct key *key, const void *field, char *buf, size_t size)
{
	(void)key;
	strlcpy(buf, *(const bool *)field ? "on" : "off", size);
	return true;
}

int
parse_choice(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	(void)why;
	for (const struct choice *c = key->choices; c->name != NULL; c++) {
		if (strcmp(c->name, value) == 0) {
			memcpy(field, &c->value, sizeof(c->value));
			return 0;
		}
	}
	return -EINVAL;
}

bool
format_choice(const struct key *key, const void *field, char *buf, size_t size)
{
	unsigned int value;

	memcpy(&value, field, sizeof(value));
	for (const struct choice *c = key->choices; c->name != NULL; c++) {
		if (c->value == value) {
			strlcpy(buf, c->name, size);
			return true;
		}
	}
	return false;
}

int
parse_number(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	const char *reason;
	uint32_t number;

	/* strtonum() would take leading blanks and signs. */
	if (value[0] == '\0' || strspn(value, "0123456789") != strlen(value))
		return err_set(why, -EINVAL, "is not a number");
	number = strtonum(value, key->min, key->max, &reason);
	if (reason != NULL)
		return err_set(why, -EINVAL, "is %s", reason);
	*(uint32_t *)field = number;
	return 0;
}

bool
format_number(const struct key *key, const void *field, char *buf, size_t size)
{
	uint32_t number = *(const uint32_t *)field;

	if (number == 0 && key->min > 0)
		return false;
	snprintf(buf, size, "%u", number);
	return true;
}

int
parse_auto(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	if (strcmp(value, "auto") != 0)
		return parse_number(key, field, value, why);
	*(uint32_t *)field = 0;
	return 0;
}

bool
format_auto(const struct key *key, const void *field, char *buf, size_t size)
{
	if (!format_number(key, field, buf, size))
		strlcpy(buf, "auto", size);
	return true;
}

/* Would the file give exactly this text again? See ini.c for what is a comment there. */
static int
text_check(const struct key *key, const char *value, struct errmsg *why)
{
	size_t len = strlen(value);

	if (len >= key->size)
		return err_set(why, -EINVAL, "is longer than %zu characters", key->size - 1);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return err_set(why, -EINVAL, "holds a control character");
		if ((value[i] == ';' || value[i] == '#') && (i == 0 || value[i - 1] == ' '))
			return err_set(why, -EINVAL,
				       "holds a %c that would start a comment in the file",
				       value[i]);
	}
	if (len > 0 && (value[0] == ' ' || value[len - 1] == ' '))
		return err_set(why, -EINVAL, "starts or ends with a blank");
	return 0;
}

int
parse_optional_text(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	int err = text_check(key, value, why);

	if (err == 0)
		strlcpy(field, value, key->size);
	return err;
}

int
parse_text(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	if (value[0] == '\0')
		return err_set(why, -EINVAL, "is empty");
	return parse_optional_text(key, field, value, why);
}

/* As eal_args.c splits it: a quote that stays open would swallow what follows. */
int
parse_eal(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	char quote = '\0';

	for (const char *c = value; *c != '\0'; c++) {
		if (quote != '\0')
			quote = *c == quote ? '\0' : quote;
		else if (*c == '\'' || *c == '"')
			quote = *c;
	}
	if (quote != '\0')
		return err_set(why, -EINVAL, "has a %c that is not closed", quote);
	return parse_text(key, field, value, why);
}

int
parse_path(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	if (value[0] != '\0' && value[0] != '/')
		return err_set(why, -EINVAL, "does not start with /");
	return parse_text(key, field, value, why);
}

int
parse_optional_path(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	if (value[0] == '\0')
		return parse_optional_text(key, field, value, why);
	return parse_path(key, field, value, why);
}

int
parse_name(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	if (name_check(key->name, value, NULL) != 0)
		return strlen(value) < key->size
			       ? -EINVAL
			       : err_set(why, -EINVAL, "is longer than %zu characters",
					 key->size - 1);
	strlcpy(field, value, key->size);
	return 0;
}

/* A user's or group's name or number; whether it exists is seen when it is used. */
static bool
is_account(const char *text, size_t len)
{
	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] == ' ' || text[i] == ':' || text[i] == '/')
			return false;
	return true;
}

int
parse_group(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	if (!is_account(value, strlen(value)))
		return value[0] == '\0' ? err_set(why, -EINVAL, "is empty") : -EINVAL;
	return parse_text(key, field, value, why);
}

int
parse_owner(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	size_t user = strcspn(value, ":");

	if (value[0] == '\0')
		return err_set(why, -EINVAL, "is empty");
	if (user > 0 && !is_account(value, user))
		return -EINVAL;
	if (value[user] == ':' && !is_account(value + user + 1, strlen(value + user + 1)))
		return -EINVAL;
	return parse_text(key, field, value, why);
}

int
parse_cpus(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	uint32_t cpus[MAX_WORKERS];

	if (strcmp(value, "auto") == 0)
		return parse_optional_text(key, field, "", why);
	if (cpu_list_parse(value, cpus, MAX_WORKERS) < 0)
		return -EINVAL;
	return parse_text(key, field, value, why);
}

bool
format_text(const struct key *key, const void *field, char *buf, size_t size)
{
	(void)key;
	strlcpy(buf, field, size);
	return buf[0] != '\0';
}

int
parse_mac(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	struct mac_addr mac;

	(void)key;
	if (mac_parse(value, &mac) != 0)
		return -EINVAL;
	if (mac_is_multicast(&mac))
		return err_set(why, -EINVAL, "is a multicast address");
	if (mac_is_zero(&mac))
		return err_set(why, -EINVAL, "is all zero");
	memcpy(field, &mac, sizeof(mac));
	return 0;
}

bool
format_mac(const struct key *key, const void *field, char *buf, size_t size)
{
	char text[MAC_TEXT_SIZE];

	(void)key;
	if (mac_is_zero(field))
		return false;
	strlcpy(buf, mac_format(field, text), size);
	return true;
}

/* One word of the list: the next entry of list, which has n already. */
static int
maddr_add(struct mac_addr *list, uint32_t n, const char *word, struct errmsg *why)
{
	struct mac_addr mac;

	if (mac_parse(word, &mac) != 0)
		return err_set(why, -EINVAL, "holds '%.32s', which is not a MAC address", word);
	if (mac_is_zero(&mac))
		return err_set(why, -EINVAL, "holds %s, which is all zero", word);
	for (uint32_t i = 0; i < n; i++)
		if (memcmp(&list[i], &mac, sizeof(mac)) == 0)
			return err_set(why, -EINVAL, "holds %s twice", word);
	if (n >= MAX_STATIC_ADDRESSES)
		return err_set(why, -EINVAL, "holds more than %d addresses, %s is one too many",
			       MAX_STATIC_ADDRESSES, word);
	list[n] = mac;
	return 0;
}

int
parse_maddr(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	struct port_settings *p = (void *)((char *)field - key->offset);
	struct mac_addr list[MAX_STATIC_ADDRESSES] = {0};
	char *text = strdup(value), *rest = text, *word;
	uint32_t n = 0;
	int err = 0;

	if (text == NULL)
		return err_set(why, -EINVAL, "cannot be read: out of memory");
	while (err == 0 && (word = strsep(&rest, BLANKS ",")) != NULL) {
		if (word[0] == '\0')
			continue;
		err = maddr_add(list, n, word, why);
		n++;
	}
	free(text);
	if (err == 0) {
		memcpy(p->maddr, list, sizeof(p->maddr));
		p->n_maddr = n;
	}
	return err;
}

bool
format_maddr(const struct key *key, const void *field, char *buf, size_t size)
{
	const struct port_settings *p = (const void *)((const char *)field - key->offset);
	char text[MAC_TEXT_SIZE];

	buf[0] = '\0';
	for (uint32_t i = 0; i < p->n_maddr; i++) {
		if (i > 0)
			strlcat(buf, " ", size);
		strlcat(buf, mac_format(&p->maddr[i], text), size);
	}
	return p->n_maddr > 0;
}
