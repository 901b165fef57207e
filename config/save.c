/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * Writes the settings as a file that config_load reads back as the same settings: config_save,
 * called by the control thread for `macvctl config save`. The file at the path is whole at every
 * moment: the text goes to a temporary file beside it, which then takes its place.
 */

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/keys.h"

/* Room for any section's struct. */
union object {
	struct daemon_settings daemon;
	struct uplink_settings uplink;
	struct port_settings port;
};

static void
defaults(enum section section, union object *o)
{
	if (section == SECTION_DAEMON)
		daemon_defaults(&o->daemon);
	else if (section == SECTION_UPLINK)
		uplink_defaults(&o->uplink, "");
	else
		port_defaults(&o->port, "");
}

/*
 * Every key of object that differs from its default. Each value goes through key_set first: what
 * reading would refuse or cut must not be written.
 */
static int
write_keys(FILE *f, enum section section, const void *object, struct errmsg *e)
{
	char value[TEXT_SIZE], other[TEXT_SIZE];
	union object scratch;
	int err;

	defaults(section, &scratch);
	for (const struct key *k = section_keys(section); k->name != NULL; k++) {
		if (!key_get(k, object, value, sizeof(value)))
			continue;
		key_get(k, &scratch, other, sizeof(other));
		if (strcmp(value, other) == 0)
			continue;
		err = key_set(section, &scratch, k->name, value, e);
		if (err != 0)
			return err;
		fprintf(f, "%s = %s\n", k->name, value);
	}
	return 0;
}

/* "[port vm1]" and its keys; name NULL: "[daemon]". */
static int
write_section(FILE *f, enum section section, const char *name, const void *object, struct errmsg *e)
{
	const char *kind = section_name(section);
	struct errmsg why = {""};
	int err;

	if (name == NULL) {
		fprintf(f, "[%s]\n", kind);
		err = write_keys(f, section, object, &why);
		return err == 0 ? 0 : err_set(e, err, "%s: %s", kind, why.text);
	}
	err = name_check(kind, name, e);
	if (err != 0)
		return err;
	fprintf(f, "\n[%s %s]\n", kind, name);
	err = write_keys(f, section, object, &why);
	return err == 0 ? 0 : err_set(e, err, "%s %s: %s", kind, name, why.text);
}

int
config_print(FILE *f, const struct settings *s, struct errmsg *e)
{
	int err;

	fprintf(f,
		"# Written by `macvctl config save`; keys that have their default are left out.\n");
	err = write_section(f, SECTION_DAEMON, NULL, &s->daemon, e);
	for (uint32_t i = 0; err == 0 && i < s->n_uplinks; i++)
		err = write_section(f, SECTION_UPLINK, s->uplinks[i].name, &s->uplinks[i], e);
	for (uint32_t i = 0; err == 0 && i < s->n_ports; i++)
		err = write_section(f, SECTION_PORT, s->ports[i].name, &s->ports[i], e);
	return err;
}

/* The text into fd, which is closed in any case, and from there onto the disk. */
static int
fill(int fd, mode_t mode, const struct settings *s, struct errmsg *e)
{
	FILE *f = fdopen(fd, "w");
	struct errmsg why = {""};
	int err = 0;

	if (f == NULL) {
		err = -errno;
		close(fd);
		return err_set(e, err, "%s", strerror(-err));
	}
	err = config_print(f, s, &why);
	if (err == 0 && (fflush(f) != 0 || fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
		err = -errno;
		err_set(&why, err, "%s", strerror(-err));
	}
	if (fclose(f) != 0 && err == 0) {
		err = -errno;
		err_set(&why, err, "%s", strerror(-err));
	}
	return err == 0 ? 0 : err_set(e, err, "%s", why.text);
}

/* Makes the rename last. The file is good without it, so failures do not matter. */
static void
sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

int
config_save(const char *path, const struct settings *s, struct errmsg *e)
{
	char *target = realpath(path, NULL); /* a link stays a link */
	struct errmsg why = {""};
	struct stat st;
	mode_t mode = 0644;
	char *tmp = NULL;
	int err = 0, fd;

	if (target != NULL && stat(target, &st) == 0)
		mode = st.st_mode & 07777;
	if (asprintf(&tmp, "%s.XXXXXX", target != NULL ? target : path) < 0) {
		free(target);
		return err_set(e, -ENOMEM, "%.256s: cannot be saved: out of memory", path);
	}
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0) {
		err = err_set(&why, -errno, "%s", strerror(errno));
	} else {
		err = fill(fd, mode, s, &why);
		if (err == 0 && rename(tmp, target != NULL ? target : path) != 0)
			err = err_set(&why, -errno, "%s", strerror(errno));
		if (err != 0)
			unlink(tmp);
		else
			sync_folder(tmp);
	}
	free(tmp);
	free(target);
	return err == 0 ? 0 : err_set(e, err, "%.200s: cannot be saved: %s", path, why.text);
}
