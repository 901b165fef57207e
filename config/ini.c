/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * Reads the configuration file: config_load, called by the control thread at the start, for
 * --check and for a reload. libinih splits lines into keys and values and knows comments and
 * continuation lines. What it would cut or pass over in silence (long names, NUL bytes, text
 * behind a section's ']', sections given twice or without a key) is seen in the reader that feeds
 * it line by line, which therefore also opens the sections.
 */

#include <bsd/string.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/keys.h"

#define MAX_LINE 65536 /* inih wants room for CR, LF and NUL in it */
#define MAX_KEYS 32    /* of one section */
#define COMMENTS ";#"  /* at the start of a line or behind a blank */
#define SECTIONS "[daemon], [uplink NAME], [port NAME]"

struct loader {
	const char *path;
	FILE *file;
	struct errmsg *e;
	int err; /* the first error; reading ends with it */

	char *line; /* the current one, as read */
	size_t line_size;
	ssize_t len;   /* of the line */
	ssize_t given; /* how much of it inih has */
	unsigned int lineno;

	struct settings s;
	enum section section;
	char title[NAME_SIZE + 10]; /* "[port vm1] ", "" before the first section */
	void *object;               /* in s; NULL before the first section */
	const struct key *last; /* the section's latest key, which a blank line start continues */
	unsigned int key_lines[MAX_KEYS]; /* 0: not given in this section */

	unsigned int daemon_line, uplink_lines[MAX_UPLINKS], port_lines[MAX_PORTS];
};

/* Records the first error as "FILE:LINE: TITLE TEXT". line 0: the file as a whole. */
__attribute__((format(printf, 5, 6))) static void
fail(struct loader *ld, int err, unsigned int line, const char *title, const char *fmt, ...)
{
	/* The end of a long path tells more than its start, and the reason must fit as well. */
	size_t cut = strlen(ld->path) > 160 ? strlen(ld->path) - 160 : 0;
	char where[16] = "", text[sizeof(ld->e->text)];
	va_list ap;

	if (ld->err != 0)
		return;
	ld->err = err;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c != '\0'; c++) /* what the file holds may be anything */
		if (*c < ' ' || *c > '~')
			*c = '?';
	if (line > 0)
		snprintf(where, sizeof(where), ":%u", line);
	err_set(ld->e, err, "%s%s%s: %s%s", cut > 0 ? "..." : "", ld->path + cut, where, title,
		text);
}

static void
open_daemon(struct loader *ld)
{
	if (ld->daemon_line != 0) {
		fail(ld, -EINVAL, ld->lineno, ld->title, "given twice; first in line %u",
		     ld->daemon_line);
		return;
	}
	ld->daemon_line = ld->lineno;
	ld->section = SECTION_DAEMON;
	ld->object = &ld->s.daemon;
}

/* The line of the section that has this name already, or NULL. */
static const unsigned int *
find_line(const struct loader *ld, enum section section, const char *name)
{
	const struct uplink_settings *u = settings_find_uplink(&ld->s, name);
	const struct port_settings *p = settings_find_port(&ld->s, name);

	if (section == SECTION_UPLINK)
		return u != NULL ? &ld->uplink_lines[u - ld->s.uplinks] : NULL;
	return p != NULL ? &ld->port_lines[p - ld->s.ports] : NULL;
}

static void
open_object(struct loader *ld, enum section section, const char *name)
{
	const unsigned int *first = find_line(ld, section, name);
	struct uplink_settings u;
	struct port_settings p;
	struct errmsg why;
	int err;

	if (first != NULL) {
		fail(ld, -EINVAL, ld->lineno, ld->title, "given twice; first in line %u", *first);
		return;
	}
	if (section == SECTION_UPLINK) {
		uplink_defaults(&u, name);
		err = settings_add_uplink(&ld->s, &u, &why);
	} else {
		port_defaults(&p, name);
		err = settings_add_port(&ld->s, &p, &why);
	}
	if (err != 0) {
		fail(ld, err, ld->lineno, "", "%s", why.text);
		return;
	}
	ld->section = section;
	if (section == SECTION_UPLINK) {
		ld->uplink_lines[ld->s.n_uplinks - 1] = ld->lineno;
		ld->object = &ld->s.uplinks[ld->s.n_uplinks - 1];
	} else {
		ld->port_lines[ld->s.n_ports - 1] = ld->lineno;
		ld->object = &ld->s.ports[ld->s.n_ports - 1];
	}
}

/* text: what stands between the brackets; it is changed. */
static void
open_section(struct loader *ld, char *text)
{
	char *rest = text + strspn(text, " \t");
	const char *kind = strsep(&rest, " \t"), *name;
	struct errmsg why;

	name = rest == NULL ? "" : rest + strspn(rest, " \t");
	if (rest != NULL)
		for (char *end = rest + strlen(rest); end > name && strchr(" \t", end[-1]);)
			*--end = '\0';
	ld->last = NULL;
	memset(ld->key_lines, 0, sizeof(ld->key_lines));
	if (strcmp(kind, "daemon") == 0 && name[0] == '\0') {
		strlcpy(ld->title, "[daemon] ", sizeof(ld->title));
		open_daemon(ld);
		return;
	}
	if (strcmp(kind, "uplink") != 0 && strcmp(kind, "port") != 0) {
		fail(ld, -EINVAL, ld->lineno, "", "unknown section [%.64s%s%.64s]; accepted: %s",
		     kind, name[0] != '\0' ? " " : "", name, SECTIONS);
		return;
	}
	if (name_check(kind, name, &why) != 0) {
		fail(ld, -EINVAL, ld->lineno, "", "section [%s%s%.64s]: %s", kind,
		     name[0] != '\0' ? " " : "", name, why.text);
		return;
	}
	snprintf(ld->title, sizeof(ld->title), "[%s %s] ", kind, name);
	open_object(ld, kind[0] == 'u' ? SECTION_UPLINK : SECTION_PORT, name);
}

/* start: the '[' of a section's line. */
static void
section_line(struct loader *ld, const char *start)
{
	const char *end = strchr(start, ']'), *behind;
	char *text;

	if (start > ld->line && (ld->line[0] == ' ' || ld->line[0] == '\t')) {
		fail(ld, -EINVAL, ld->lineno, "",
		     "a section must not be indented: a line that starts with a blank continues "
		     "the key above");
		return;
	}
	if (end == NULL) {
		fail(ld, -EINVAL, ld->lineno, "", "a section without ']'; accepted: " SECTIONS);
		return;
	}
	behind = end + 1 + strspn(end + 1, " \t\r\n");
	if (*behind != '\0' && *behind != ';' && *behind != '#') {
		fail(ld, -EINVAL, ld->lineno, "",
		     "text behind ']'; a section has its line for itself");
		return;
	}
	text = strndup(start + 1, end - start - 1);
	if (text == NULL)
		fail(ld, -ENOMEM, ld->lineno, "", "out of memory");
	else
		open_section(ld, text);
	free(text);
}

/* false: the file's end, or an error. */
static bool
next_line(struct loader *ld)
{
	const char *start;

	ld->given = 0;
	ld->len = getline(&ld->line, &ld->line_size, ld->file);
	if (ld->len < 0) {
		ld->len = 0;
		if (!feof(ld->file))
			fail(ld, -errno, 0, "", "cannot be read: %s", strerror(errno));
		return false;
	}
	ld->lineno++;
	if (memchr(ld->line, '\0', ld->len) != NULL)
		fail(ld, -EINVAL, ld->lineno, ld->title, "the line holds a NUL byte");
	else if (ld->len > MAX_LINE - 3)
		fail(ld, -EINVAL, ld->lineno, ld->title, "the line is longer than %d characters",
		     MAX_LINE - 3);
	if (ld->err != 0)
		return false;
	start = ld->line;
	if (ld->lineno == 1 && strncmp(start, "\xEF\xBB\xBF", 3) == 0)
		start += 3;
	start += strspn(start, " \t\v\f\r");
	if (*start == '[')
		section_line(ld, start);
	return ld->err == 0;
}

/* fgets() for inih, which comes again for the rest of a line that does not fit. */
static char *
reader(char *buf, int size, void *arg)
{
	struct loader *ld = arg;
	ssize_t n;

	if (ld->err != 0 || (ld->given == ld->len && !next_line(ld)))
		return NULL;
	n = ld->len - ld->given < size - 1 ? ld->len - ld->given : size - 1;
	memcpy(buf, ld->line + ld->given, n);
	buf[n] = '\0';
	ld->given += n;
	return buf;
}

static void
set_key(struct loader *ld, const char *name, const char *value)
{
	struct errmsg why;
	int err = key_set(ld->section, ld->object, name, value, &why);

	if (err != 0)
		fail(ld, err == -ENOENT ? -EINVAL : err, ld->lineno, ld->title, "%s", why.text);
}

/* A continuation line: more addresses for maddr. For other keys it is most likely an indented key.
 */
static void
continue_key(struct loader *ld, const char *value)
{
	char old[TEXT_SIZE], *all;
	size_t len = 0;

	if (strcmp(ld->last->name, "maddr") != 0) {
		fail(ld, -EINVAL, ld->lineno, ld->title,
		     "%s: given twice: a line that starts with a blank continues the key above, "
		     "and only maddr may be continued",
		     ld->last->name);
		return;
	}
	/* inih before version 56 leaves the comment in continuation lines. */
	while (value[len] != '\0' && (strchr(COMMENTS, value[len]) == NULL ||
				      (len > 0 && strchr(" \t", value[len - 1]) == NULL)))
		len++;
	key_get(ld->last, ld->object, old, sizeof(old));
	if (asprintf(&all, "%s %.*s", old, (int)len, value) < 0) {
		fail(ld, -ENOMEM, ld->lineno, "", "out of memory");
		return;
	}
	set_key(ld, ld->last->name, all);
	free(all);
}

/* Their number is the number of workers, unless that is given as well: then check.c compares. */
static void
count_worker_cpus(struct loader *ld)
{
	const struct key *workers = key_find(SECTION_DAEMON, "workers");
	uint32_t cpus[MAX_WORKERS];
	int n = cpu_list_parse(ld->s.daemon.worker_cpus, cpus, MAX_WORKERS);

	if (ld->key_lines[workers - section_keys(SECTION_DAEMON)] == 0 && n > 0)
		ld->s.daemon.workers = n;
}

/* For each key and each continuation line. section may be cut, so ld knows it instead. */
static int
handler(void *arg, const char *section, const char *name, const char *value)
{
	struct loader *ld = arg;
	const struct key *key;
	unsigned int *line;

	(void)section;
	if (ld->object == NULL) {
		fail(ld, -EINVAL, ld->lineno, "",
		     "key '%.64s' before any section; accepted: " SECTIONS, name);
		return 0;
	}
	if (ld->last != NULL && strchr(" \t\v\f\r", ld->line[0]) != NULL) {
		continue_key(ld, value);
		return ld->err == 0;
	}
	key = key_find(ld->section, name);
	if (key != NULL) {
		line = &ld->key_lines[key - section_keys(ld->section)];
		if (*line != 0)
			fail(ld, -EINVAL, ld->lineno, ld->title,
			     "%s: given twice; first in line %u", name, *line);
		*line = ld->lineno;
	}
	ld->last = key;
	if (ld->err == 0)
		set_key(ld, name, value);
	if (ld->err == 0 && ld->section == SECTION_DAEMON && strcmp(name, "worker_cpus") == 0)
		count_worker_cpus(ld);
	return ld->err == 0;
}

/* The reasons of check.c start with the object: "port vm1: " becomes its section and its line. */
static void
check_all(struct loader *ld)
{
	char title[sizeof(ld->title) + 8];
	unsigned int line = ld->daemon_line;
	const char *name, *reason;
	struct errmsg why = {""};
	int err = settings_check(&ld->s, &why);

	if (err == 0)
		return;
	reason = strstr(why.text, ": ");
	snprintf(title, sizeof(title), "[%.*s] ", (int)(reason - why.text), why.text);
	why.text[reason - why.text] = '\0';
	name = why.text + strcspn(why.text, " ");
	if (*name != '\0')
		line = *find_line(ld, why.text[0] == 'u' ? SECTION_UPLINK : SECTION_PORT, name + 1);
	fail(ld, err, line, title, "%s", reason + 2);
}

/* inih's switches are variables of the library, which nothing else here uses. */
static void
parse(struct loader *ld)
{
	int line;

	ini_use_stack = false;
	ini_allow_realloc = true;
	ini_max_line = MAX_LINE;
	ini_stop_on_first_error = true;
	ini_inline_comment_prefixes = (char *)COMMENTS;
	line = ini_parse_stream(reader, ld, handler, ld);
	if (line == -2)
		fail(ld, -ENOMEM, 0, "", "out of memory");
	else if (line != 0)
		fail(ld, -EINVAL, line, ld->title, "neither a [section] nor KEY = VALUE");
}

int
config_load(const char *path, struct settings *s, struct errmsg *e)
{
	struct loader ld = {.path = path, .e = e, .file = fopen(path, "re")};

	if (ld.file == NULL)
		return err_set(e, -errno, "%.256s: cannot be read: %s", path, strerror(errno));
	settings_init(&ld.s);
	parse(&ld);
	if (ld.err == 0)
		check_all(&ld);
	if (ld.err == 0)
		*s = ld.s;
	else
		settings_free(&ld.s);
	free(ld.line);
	fclose(ld.file);
	return ld.err;
}
