/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_log.h>

/*
 * Control's log lines, through DPDK's log (so `--log-level=user1:debug` among the EAL arguments
 * works). Never from a worker. The format is a string literal without a newline.
 */
#define log_at(level, fmt, ...) \
	rte_log(RTE_LOG_##level, RTE_LOGTYPE_USER1, "macvswitchd: " fmt "\n", ##__VA_ARGS__)
#define log_error(...) log_at(ERR, __VA_ARGS__)
#define log_warning(...) log_at(WARNING, __VA_ARGS__)
#define log_notice(...) log_at(NOTICE, __VA_ARGS__)
#define log_info(...) log_at(INFO, __VA_ARGS__)
