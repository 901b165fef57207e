/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Names and texts of drop reasons and forwarding rules, from the lists in reasons.h. Called by the
 * control thread for `show` and `trace`; workers know only the numbers.
 */
#include "dataplane/reasons.h"

static const char *const reason_names[] = {
#define X(id, name, text) [DROP_##id] = name,
	DROP_REASONS(X)
#undef X
};

static const char *const reason_texts[] = {
#define X(id, name, text) [DROP_##id] = text,
	DROP_REASONS(X)
#undef X
};

static const char *const rule_texts[] = {
#define X(id, text) [RULE_##id] = text,
	FORWARD_RULES(X)
#undef X
};

const char *
drop_reason_name(enum drop_reason reason)
{
	return reason_names[reason];
}

const char *
drop_reason_text(enum drop_reason reason)
{
	return reason_texts[reason];
}

const char *
forward_rule_text(enum forward_rule rule)
{
	return rule_texts[rule];
}
