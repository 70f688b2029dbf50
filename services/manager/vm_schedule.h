/* Where and how much the vCPUs of a VM run on the machine's CPUs. */
#pragma once
#include "services/manager/cpu_list.h"
#include "services/manager/json.h"

#define VM_WEIGHT_MAX 10000u
#define VM_CAP_MAX    (HOST_CPUS_MAX * 100u)

struct vm_schedule {
    struct cpu_list pin;
    uint32_t weight;      /* of its share where there is not enough for all; 1 to VM_WEIGHT_MAX */
    uint32_t cap_percent; /* of one CPU; 0: none */
};

/* Any CPU, the usual weight, no cap. */
void vm_schedule_init(struct vm_schedule *s);
bool vm_schedule_is_good(const struct vm_schedule *s);

/* The fields pin, weight and cap of vm show. */
void vm_schedule_show(struct json *j, const struct vm_schedule *s);

/* Puts what pin=, weight= and cap= say into @s. False: @r has been answered. */
struct request;
struct command_line;
bool vm_schedule_take(struct request *r, const struct command_line *c, struct vm_schedule *s)
    MUST_CHECK;
