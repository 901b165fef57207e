/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The table of commands, JSON-RPC parameters against it, macvctl's grammar, help and completion.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/command_table.h"
#include "control/macvctl/complete.h"
#include "control/macvctl/help.h"
#include "control/macvctl/parse.h"
#include "control/rpc_params.h"

#define WORDS(...)                                                     \
	(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]) \
	{                                                              \
		__VA_ARGS__                                            \
	}

static void
table_is_sane(void **state)
{
	const struct command *c, *d;
	const struct command_arg *arg;
	char method[64];

	(void)state;
	for (c = command_table(); c->object != NULL; c++) {
		assert_non_null(c->command);
		assert_non_null(c->help);
		assert_ptr_equal(command_of_method(command_method(c, method, sizeof(method))), c);
		for (d = c + 1; d->object != NULL; d++)
			assert_false(strcmp(c->object, d->object) == 0 &&
				     strcmp(c->command, d->command) == 0);
		for (arg = c->args; !command_arg_end(arg); arg++) {
			assert_true(arg < c->args + COMMAND_ARGS_MAX - 1);
			if (arg->kind != ARG_KEYS) {
				assert_non_null(arg->meta);
				assert_ptr_equal(command_arg_find(c, arg->name), arg);
			}
		}
	}
	assert_null(command_of_method("port.ad"));
	assert_null(command_of_method(""));
}

static void
prefixes(void **state)
{
	const struct command *c;
	struct errmsg e;

	(void)state;
	assert_int_equal(command_find("p", "a", &c, &e), 0);
	assert_string_equal(c->object, "port");
	assert_string_equal(c->command, "add");
	assert_int_equal(command_find("up", NULL, &c, &e), 0);
	assert_string_equal(c->command, "show");
	assert_int_equal(command_find("trace", "from", &c, &e), 0);
	assert_string_equal(c->object, "trace");
	assert_int_equal(command_find("port", "s", &c, &e), -EINVAL);
	assert_string_equal(e.text, "\"s\" is ambiguous: set or show");
	assert_int_equal(command_find("m", "show", &c, &e), -EINVAL);
	assert_string_equal(e.text, "\"m\" is ambiguous: maddr or memory or monitor");
	assert_int_equal(command_find("bridge", NULL, &c, &e), -ENOENT);
	assert_string_equal(e.text,
			    "unknown object \"bridge\"; there are: uplink, port, maddr, fdb, "
			    "worker, memory, trace, config, monitor, version, shutdown");
	assert_int_equal(command_find("fdb", "flush", &c, &e), -ENOENT);
	assert_string_equal(e.text, "fdb has no command \"flush\"; there are: show");
	assert_int_equal(command_find("", NULL, &c, &e), -ENOENT);
}

/* Parses and compares with the method and the parameters as JSON, or with the error text. */
static void
expect(const char *wanted, unsigned int n, char *const *words)
{
	const struct command *c = NULL;
	json_t *params = NULL;
	struct errmsg e;
	char got[1200], method[64], *json;
	int ret = parse_words(n, words, &c, &params, &e);

	if (ret != 0) {
		assert_null(params);
		assert_string_equal(e.text, wanted);
		return;
	}
	json = json_dumps(params, JSON_COMPACT);
	snprintf(got, sizeof(got), "%s %s", command_method(c, method, sizeof(method)), json);
	free(json);
	json_decref(params);
	assert_string_equal(got, wanted);
}

static void
grammar(void **state)
{
	(void)state;
	expect("port.add {\"name\":\"vm1\",\"uplink\":\"up0\",\"mode\":\"bridge\"}",
	       WORDS("port", "add", "vm1", "uplink", "up0", "mode", "bridge"));
	expect("port.add {\"name\":\"vm1\",\"mode\":\"x\",\"uplink\":\"up0\"}",
	       WORDS("p", "a", "vm1", "mode", "x", "uplink", "up0"));
	expect("uplink.add {\"name\":\"up0\",\"device\":\"net_tap0,iface=x\"}",
	       WORDS("uplink", "add", "up0", "device", "net_tap0,iface=x"));
	expect("port.show {}", WORDS("port"));
	expect("port.show {\"name\":\"vm1\"}", WORDS("port", "show", "vm1"));
	expect("maddr.add {\"address\":\"01:00:5e:01:02:03\",\"port\":\"vm1\"}",
	       WORDS("maddr", "add", "01:00:5e:01:02:03", "port", "vm1"));
	expect("maddr.show {}", WORDS("maddr", "show"));
	expect("maddr.show {\"port\":\"vm1\"}", WORDS("maddr", "show", "port", "vm1"));
	expect("trace {\"from\":\"vm1\",\"src\":\"a\",\"dst\":\"b\",\"vlan\":\"-1\"}",
	       WORDS("trace", "from", "vm1", "src", "a", "dst", "b", "vlan", "-1"));
	expect("config.save {}", WORDS("config", "save"));
	expect("config.save {\"file\":\"x.conf\"}", WORDS("conf", "save", "x.conf"));
	expect("monitor {}", WORDS("monitor"));
	expect("shutdown {}", WORDS("shut"));
	/* Fixed keys are words of the grammar; the daemon says why they cannot change. */
	expect("port.set {\"name\":\"vm1\",\"uplink\":\"up1\"}",
	       WORDS("port", "set", "vm1", "uplink", "up1"));
}

static void
grammar_errors(void **state)
{
	(void)state;
	expect("an object is missing; try: macvctl help", 0, NULL);
	expect("uplink add: unknown key \"colour\"; known: device, mtu, hairpin, queues, demux, "
	       "flood_share, offloads, queue_workers",
	       WORDS("uplink", "add", "up0", "device", "x", "colour", "red"));
	expect("uplink set: unknown key \"mt\"; known: mtu, hairpin, demux, flood_share, "
	       "queue_workers",
	       WORDS("uplink", "set", "up0", "mt", "1500"));
	expect("port add: NAME is missing; usage: macvctl port add NAME uplink UPLINK [KEY VALUE "
	       "...]",
	       WORDS("port", "add"));
	expect("port add: uplink UPLINK is missing; usage: macvctl port add NAME uplink UPLINK "
	       "[KEY VALUE ...]",
	       WORDS("port", "add", "vm1", "mode", "vepa"));
	expect("port add: mode has no value; accepted: vepa, bridge, private or passthru",
	       WORDS("port", "add", "vm1", "uplink", "up0", "mode"));
	expect("port add: uplink has no value; accepted: name of an uplink",
	       WORDS("port", "add", "vm1", "uplink"));
	expect("port add: mode is given twice",
	       WORDS("port", "add", "vm1", "mode", "vepa", "mode", "bridge"));
	expect("port set: KEY VALUE is missing; usage: macvctl port set NAME KEY VALUE [KEY VALUE "
	       "...]",
	       WORDS("port", "set", "vm1"));
	expect("port del: \"now\" is too much; usage: macvctl port del NAME",
	       WORDS("port", "del", "vm1", "now"));
	expect("version: \"x\" is too much; usage: macvctl version", WORDS("version", "x"));
	expect("fdb show: \"-j\": options stand before the object", WORDS("fdb", "show", "-j"));
	expect("trace: unknown key \"vm1\"; known: from, src, dst, vlan, type",
	       WORDS("trace", "vm1"));
	expect("port show: the value of name is not UTF-8 text", WORDS("port", "show", "\xff"));
	expect("maddr add: unknown key \"address\"; known: port",
	       WORDS("maddr", "add", "01:00:5e:00:00:05", "address", "x"));
}

static int
check(const char *method, const char *json, struct errmsg *e)
{
	json_t *params = json == NULL ? NULL : json_loads(json, JSON_DECODE_ANY, NULL);
	int ret;

	assert_true(json == NULL || params != NULL);
	e->text[0] = '\0';
	ret = rpc_params_check(command_of_method(method), params, e);
	json_decref(params);
	return ret;
}

static void
params_checked(void **state)
{
	struct errmsg e;

	(void)state;
	assert_int_equal(check("version", NULL, &e), 0);
	assert_int_equal(check("version", "{}", &e), 0);
	assert_int_equal(check("port.add",
			       "{\"name\":\"a\",\"uplink\":\"u\",\"queues\":2,\"promisc\":true,"
			       "\"maddr\":[\"01:00:5e:01:02:03\"]}",
			       &e),
			 0);
	assert_int_equal(check("trace",
			       "{\"from\":\"a\",\"src\":\"b\",\"dst\":\"c\",\"vlan\":5,\"type\":"
			       "\"0x800\"}",
			       &e),
			 0);
	assert_int_equal(check("version", "[]", &e), -EINVAL);
	assert_string_equal(e.text, "the parameters are an array; accepted: an object");
	assert_int_equal(check("version", "{\"x\":1}", &e), -EINVAL);
	assert_string_equal(e.text, "unknown parameter \"x\"; accepted: none");
	assert_int_equal(check("uplink.set", "{\"x\":1}", &e), -EINVAL);
	assert_string_equal(e.text, "unknown parameter \"x\"; accepted: name, mtu, hairpin, demux, "
				    "flood_share, queue_workers");
	assert_int_equal(check("worker.set", "{\"idle\":\"poll\"}", &e), -EPERM);
	assert_string_equal(e.text, "idle is fixed when the worker is added; what can be changed: "
				    "workers, worker_cpus, rebalance");
	assert_int_equal(check("worker.set", "{\"workers\":2,\"rebalance\":true}", &e), 0);
	assert_int_equal(check("worker.set", "{}", &e), -EINVAL);
	assert_int_equal(check("port.del", "{}", &e), -EINVAL);
	assert_string_equal(e.text, "parameter \"name\" (NAME) is missing");
	assert_int_equal(check("port.del", "{\"name\":7}", &e), -EINVAL);
	assert_string_equal(e.text, "parameter \"name\" is an integer; accepted: a string");
	assert_int_equal(check("port.del", "{\"name\":null}", &e), -EINVAL);
	assert_int_equal(check("port.add", "{\"name\":\"a\",\"uplink\":\"u\",\"mode\":{}}", &e),
			 -EINVAL);
	assert_int_equal(check("port.add", "{\"name\":\"a\",\"uplink\":\"u\",\"queues\":1.5}", &e),
			 -EINVAL);
	assert_int_equal(check("port.add", "{\"name\":\"a\",\"uplink\":\"u\",\"maddr\":[1]}", &e),
			 -EINVAL);
	assert_int_equal(check("port.set", "{\"name\":\"a\"}", &e), -EINVAL);
	assert_int_equal(check("port.set", "{\"name\":\"a\",\"uplink\":\"b\"}", &e), -EPERM);
	assert_int_equal(check("port.set", "{\"name\":\"a\",\"mode\":\"vepa\"}", &e), 0);
}

static void
params_applied(void **state)
{
	struct port_settings p, before;
	struct errmsg e;
	json_t *params;

	(void)state;
	port_defaults(&p, "vm1");
	params = json_loads("{\"name\":\"zzz\",\"uplink\":\"up0\",\"queues\":2,\"promisc\":true,"
			    "\"maddr\":[\"01:00:5e:01:02:03\",\"33:33:00:00:00:05\"]}",
			    0, NULL);
	assert_int_equal(rpc_params_apply(SECTION_PORT, params, false, &p, &e), 0);
	json_decref(params);
	assert_string_equal(p.name, "vm1");
	assert_string_equal(p.uplink, "up0");
	assert_int_equal(p.queues, 2);
	assert_true(p.promisc);
	assert_int_equal(p.n_maddr, 2);

	/* All or nothing. */
	before = p;
	params = json_loads("{\"promisc\":false,\"mode\":\"router\"}", 0, NULL);
	assert_int_equal(rpc_params_apply(SECTION_PORT, params, true, &p, &e), -EINVAL);
	json_decref(params);
	assert_memory_equal(&p, &before, sizeof(p));
	params = json_loads("{\"promisc\":false,\"queues\":4}", 0, NULL);
	assert_int_equal(rpc_params_apply(SECTION_PORT, params, true, &p, &e), -EPERM);
	json_decref(params);
	assert_memory_equal(&p, &before, sizeof(p));
}

static void
params_numbers(void **state)
{
	json_t *params = json_loads("{\"a\":5,\"b\":\"0x88cc\",\"c\":\"010\",\"d\":-1,\"e\":\"5x\","
				    "\"f\":70000,\"g\":\"\",\"h\":\"9999999999999999999999\"}",
				    0, NULL);
	uint32_t value = 0;
	struct errmsg e;
	char name[2] = "d";

	(void)state;
	assert_int_equal(rpc_param_number(params, "a", 65535, &value, &e), 0);
	assert_int_equal(value, 5);
	assert_int_equal(rpc_param_number(params, "b", 65535, &value, &e), 0);
	assert_int_equal(value, 0x88cc);
	assert_int_equal(rpc_param_number(params, "c", 65535, &value, &e), 0);
	assert_int_equal(value, 10);
	for (; name[0] <= 'h'; name[0]++)
		assert_int_equal(rpc_param_number(params, name, 65535, &value, &e), -EINVAL);
	assert_int_equal(rpc_param_number(params, "z", 65535, &value, &e), -ENOENT);
	assert_int_equal(value, 10);
	json_decref(params);
}

static void
fake_names(void *ctx, FILE *out, const char *object, const char *prefix)
{
	(void)prefix;
	fprintf(out, "%s%s\n", (const char *)ctx, object);
}

static void
expect_completion(const char *wanted, unsigned int n, char *const *words)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	complete_words(f, n, words, fake_names, (void *)"some-");
	fclose(f);
	assert_string_equal(text, wanted);
	free(text);
}

static void
completion(void **state)
{
	(void)state;
	expect_completion("maddr\nmemory\nmonitor\n", WORDS("m"));
	expect_completion("set\nshow\n", WORDS("port", "s"));
	expect_completion("some-port\n", WORDS("-j", "port", "del", ""));
	expect_completion("", WORDS("port", "add", ""));
	expect_completion("mtu\nhairpin\ndemux\nflood_share\nqueue_workers\n",
			  WORDS("uplink", "set", "up0", ""));
	expect_completion("hairpin\ndemux\nflood_share\nqueue_workers\n",
			  WORDS("uplink", "set", "up0", "mtu", "1500", ""));
	expect_completion("on\noff\n", WORDS("uplink", "set", "up0", "hairpin", "o"));
	expect_completion("private\npassthru\n", WORDS("port", "add", "vm1", "mode", "p"));
	expect_completion("some-uplink\n", WORDS("port", "add", "vm1", "uplink", ""));
	expect_completion("some-uplink\nsome-port\n", WORDS("trace", "from", ""));
	expect_completion("src\n", WORDS("trace", "from", "vm1", "s"));
	expect_completion("", WORDS("nonsense", "x", ""));
	expect_completion("", WORDS("fdb", "show", "x", "y", "z"));
	expect_completion("", 0, NULL);
}

static void
help_mentions_every_key(void **state)
{
	const struct key *key;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_true(help_object(f, "port"));
	assert_false(help_object(f, "nonsense"));
	help_man(f);
	help_all(f);
	fclose(f);
	for (key = section_keys(SECTION_PORT); key->name != NULL; key++)
		assert_non_null(strstr(text, key->name));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sane),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(grammar),
		cmocka_unit_test(grammar_errors),
		cmocka_unit_test(params_checked),
		cmocka_unit_test(params_applied),
		cmocka_unit_test(params_numbers),
		cmocka_unit_test(completion),
		cmocka_unit_test(help_mentions_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
