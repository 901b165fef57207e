/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * The key queue_workers: which worker polls which queue. Its text and the rule that the queues and
 * workers exist. Called through the rows of keys.c and by check.c, on the control thread or in
 * macvctl.
 */

#include "config/queue_workers.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/key_types.h"

#define BLANKS " \t"

_Static_assert(MAX_NIC_QUEUES <= 100 && MAX_WORKERS <= 100 && MAX_NIC_QUEUES * 6 <= TEXT_SIZE,
	       "key_get could cut the list");

/* The number at *text, which moves behind it; at most max. -1: none. */
static int
take_number(const char **text, uint32_t max)
{
	uint32_t number = 0;

	if (**text < '0' || **text > '9')
		return -1;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		number = 10 * number + (uint32_t)(**text - '0');
		if (number > max)
			return -1;
	}
	return (int)number;
}

/* One QUEUE:WORKER into list, which has n places. */
static int
add_pair(uint8_t *list, uint32_t n, const char *word, struct errmsg *why)
{
	const char *text = word;
	int queue = take_number(&text, n - 1);
	int worker = -1;

	if (queue < 0)
		return err_set(why, -EINVAL, "holds '%.16s', whose queue is none of 0 to %u", word,
			       n - 1);
	if (*text++ == ':')
		worker = take_number(&text, MAX_WORKERS - 1);
	if (worker < 0 || *text != '\0')
		return err_set(why, -EINVAL,
			       "holds '%.16s', which is not QUEUE:WORKER with a worker of 0 to %d",
			       word, MAX_WORKERS - 1);
	if (list[queue] != 0)
		return err_set(why, -EINVAL, "names queue %d twice", queue);
	list[queue] = (uint8_t)(worker + 1);
	return 0;
}

int
parse_queue_workers(const struct key *key, void *field, const char *value, struct errmsg *why)
{
	uint8_t list[MAX_NIC_QUEUES] = {0};
	char *text, *rest, *word;
	uint32_t n = 0;
	int err = 0;

	if (strcmp(value, "auto") == 0) {
		memset(field, 0, key->size);
		return 0;
	}
	rest = text = strdup(value);
	if (text == NULL)
		return err_set(why, -EINVAL, "cannot be read: out of memory");
	while (err == 0 && (word = strsep(&rest, BLANKS ",")) != NULL) {
		if (word[0] == '\0')
			continue;
		err = add_pair(list, (uint32_t)key->size, word, why);
		n++;
	}
	free(text);
	if (err == 0 && n == 0)
		err = err_set(why, -EINVAL, "is empty");
	if (err == 0)
		memcpy(field, list, key->size);
	return err;
}

bool
format_queue_workers(const struct key *key, const void *field, char *buf, size_t size)
{
	const uint8_t *list = field;
	char pair[16];

	buf[0] = '\0';
	for (uint32_t q = 0; q < key->size; q++) {
		if (list[q] == 0)
			continue;
		snprintf(pair, sizeof(pair), "%s%u:%u", buf[0] != '\0' ? " " : "", q, list[q] - 1U);
		strlcat(buf, pair, size);
	}
	if (buf[0] == '\0')
		strlcpy(buf, "auto", size);
	return true;
}

int
queue_workers_check(const uint8_t *list, uint32_t n, uint32_t queues, uint32_t workers,
		    struct errmsg *e)
{
	for (uint32_t q = 0; q < n; q++) {
		if (list[q] == 0)
			continue;
		if (q >= queues)
			return err_set(e, -EINVAL,
				       "queue_workers: '%u:%u': there is no queue %u; 0 to %u", q,
				       list[q] - 1U, q, queues - 1);
		if (list[q] > workers)
			return err_set(e, -EINVAL,
				       "queue_workers: '%u:%u': there is no worker %u; 0 to %u (as "
				       "many as [daemon] workers says)",
				       q, list[q] - 1U, list[q] - 1U, workers - 1);
	}
	return 0;
}
