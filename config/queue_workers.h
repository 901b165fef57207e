/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdint.h>

#include "config/errmsg.h"

/*
 * Does everything that list (n places, by queue: worker + 1, or 0) names exist? 0, or -EINVAL with
 * the pair and what there is; the text starts with "queue_workers: ".
 */
int queue_workers_check(const uint8_t *list, uint32_t n, uint32_t queues, uint32_t workers,
			struct errmsg *e);
