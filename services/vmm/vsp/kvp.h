/* Data exchange: keys and values that host and guest leave for each other in pools, and what the
 * guest says of itself (pool AUTO). A daemon in the guest answers; without it the channel is silent.
 * Source: Linux drivers/hv/hv_kvp.c, tools/hv/hv_kvp_daemon.c, include/uapi/linux/hyperv.h. */
#pragma once
#include "services/vmm/vsp/ic.h"

#define KVP_KEY_BYTES   768u  /* UTF-8 with its NUL, of 512 bytes UTF-16 */
#define KVP_VALUE_BYTES 3072u /* of 2,048 */

enum kvp_operation {
    KVP_GET,
    KVP_SET,
    KVP_DELETE,
    KVP_LIST,
    KVP_GET_IP, /* key: the adapter's address as its driver has it, in upper case with colons */
    KVP_SET_IP, /* key: its GUID in braces, lower case; value: address, netmask, gateway, name server,
                 * "dhcp" or "": each with its NUL */
    KVP_OPERATION_COUNT,
};

enum kvp_pool { KVP_EXTERNAL, KVP_GUEST, KVP_AUTO, KVP_AUTO_EXTERNAL, KVP_AUTO_INTERNAL };
#define KVP_POOL_COUNT 5u

struct kvp_request {
    uint32_t operation; /* enum kvp_operation */
    uint32_t pool;
    char key[KVP_KEY_BYTES];
    char value[KVP_VALUE_BYTES];
};

#define KVP_FACT_BYTES 128u

enum kvp_fact { /* what is remembered of the guest's own words */
                KVP_FACT_NAME,
                KVP_FACT_OS,
                KVP_FACT_OS_VERSION,
                KVP_FACT_OS_BUILD,
                KVP_FACT_SERVICES_VERSION,
                KVP_FACT_COUNT,
};

/* Who asked hears of each item and then, once, of the end: OK; ERR_NOT_FOUND: no such key or
 * adapter; ERR_TIMED_OUT: no answer, the daemon is not there; ERR_GONE: the driver went;
 * ERR_IO: the guest says that it failed. */
struct kvp_asker {
    void (*item)(void *ctx, const char *key, const char *value);
    void (*done)(void *ctx, enum err err);
    void *ctx;
};

struct kvp {
    struct ic ic;
    struct kvp_asker asker;
    struct kvp_request request;
    bool has_request; /* its answer is awaited by the asker */
    uint32_t running; /* enum kvp_run */
    uint32_t index;   /* of the list */
    char facts[KVP_FACT_COUNT][KVP_FACT_BYTES];
};

void kvp_init(struct kvp *k, const struct ic_host *host, const struct kvp_asker *asker);

/* Copies @r. ERR_STATE: the driver is not there, or a request is under way; ERR_TIMED_OUT: it has
 * been silent for long; ERR_ARGUMENT: too long a text, or no such pool. */
enum err kvp_ask(struct kvp *k, const struct kvp_request *r) MUST_CHECK;
