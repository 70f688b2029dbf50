/* The table of saves in the estate. A save is an image of a VM, which the manager holds and cannot
 * map, and what is needed to make the VM anew. */
#pragma once
#include "services/manager/network.h"

#define SAVE_COUNT_MAX 16u

enum save_state {
    SAVE_FREE,
    SAVE_BEING_MADE, /* by the VM whose vm.save names it */
    SAVE_GOOD,
    SAVE_STATE_END,
};

struct save {
    uint32_t state; /* enum save_state */
    handle_t budget, image;
    uint32_t reserved;
    char name[PROGRAM_NAME_BYTES];
    char vm[PROGRAM_NAME_BYTES]; /* of which it is, or was */
    uint64_t bytes;
    uint64_t saved_ns; /* when */
    struct vm_settings settings;
    struct nic_settings nics[VMM_NICS_MAX];
    uint32_t nic_count, reserved2;
    struct vmm_saved records; /* the vmm's word */
};

struct save_table {
    struct save saves[SAVE_COUNT_MAX];
};

/* @root pays for the images. */
void saves_init(struct save_table *table, handle_t root);

/* At a restart, after vm_adopt(): drops what is damaged or was never finished. Returns how many. */
unsigned saves_adopt(void);

struct save *save_find(const char *name); /* good or being made; NULL */
const char *save_name(unsigned slot);     /* NULL: it is free */
unsigned save_slot(const struct save *s);

/* Makes the image for @vm, in vm->save. ERR_FULL: there are SAVE_COUNT_MAX; ERR_MEMORY; ERR_ARGUMENT:
 * the VM is too large. */
enum err save_begin(struct vm *vm, const char *name) MUST_CHECK;

/* The save that @vm makes, or, while it is launched, is made from; NULL. */
struct save *save_of(const struct vm *vm);

/* @vm's vmm says that it is done. */
void save_finish(struct vm *vm, const struct vmm_saved *records);

/* @vm's operation has ended: what is not finished is dropped. */
void save_end(struct vm *vm);

/* Gives the image back. */
void save_forget(struct save *s);

void save_show(struct json *j, const struct save *s);
void saves_list(struct json *j);
