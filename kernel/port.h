/* Ports: where a guest's hypercalls reach a program. A connection id of the partition names one;
 * an event port gathers up to 64 flags, those of one connection or the first ones of a row of
 * connections; a message port queues up to PORT_QUEUE messages (TLFS, "Inter-Partition
 * Communication"). Guarded by the sched lock. */
#pragma once
#include "kernel/object.h"
#include "kernel/signal.h"
#include "lib/abi/synic.h"

struct partition;

#define PORT_QUEUE 16u

struct port {
    struct object object;
    struct partition *partition;           /* referenced */
    uint32_t connection, connection_count; /* from the first on */
    uint32_t flag_count;                   /* of an event port; 0: a message port */
    bool is_direct;                        /* flag n raises the bound bit + n, and is not kept */
    struct binding on_arrival;
    uint64_t flags; /* raised and not yet taken */
    struct hv_post_message *queue;
    uint32_t head, count; /* of the queue */
};

/* @flag_count may be or'ed with PORT_SPANS and PORT_DIRECT. ERR_EXISTS: the partition has such a
 * connection already; ERR_FULL: it has PARTITION_PORTS_MAX. */
enum err port_create(struct partition *p, uint64_t connection, uint64_t flag_count,
                     struct budget *b, struct port **out) MUST_CHECK;
/* The oldest message, or (event port) all flags in *@flags. ERR_EMPTY. */
enum err port_take(struct port *p, struct hv_post_message *message, uint64_t *flags) MUST_CHECK;

/* From hypercalls. ERR_NOT_FOUND: no such connection of this kind; ERR_ARGUMENT: no such flag;
 * ERR_FULL: the queue is. */
enum err port_signal(struct partition *p, uint32_t connection, uint32_t flag) MUST_CHECK;
enum err port_post(struct partition *p, const struct hv_post_message *m) MUST_CHECK;
