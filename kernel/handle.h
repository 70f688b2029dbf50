/* A process's handles: the only names that a program has for kernel objects. */
#pragma once
#include "kernel/lock.h"
#include "kernel/object.h"
#include "lib/abi/syscall.h"

#define HANDLES_MAX 1024u

struct handle_entry {
    struct object *object; /* referenced; NULL: free */
    uint32_t rights;
    uint32_t badge; /* which end of a channel */
};

struct handle_table {
    struct spinlock lock;         /* rank HANDLES; guards all below */
    struct handle_entry *entries; /* index 0 is never used */
    uint32_t capacity, used;
    uint32_t closed_count; /* read without the lock: what was found is still there while it stays */
};

enum err handle_table_init(struct handle_table *t, struct budget *b) MUST_CHECK;
/* Closes all and frees the table. */
void handle_table_destroy(struct handle_table *t, struct budget *b);

/* Adds a handle, taking over the caller's reference to @o; after an error the caller still has
 * it. ERR_MEMORY: the table is full. */
enum err handle_add(struct handle_table *t, struct object *o, uint32_t rights, uint32_t badge,
                    handle_t *out) MUST_CHECK;

/* The object behind @h with a new reference. ERR_HANDLE: none, or of another type (@type 0: any);
 * ERR_RIGHTS: lacks one of @rights. */
enum err handle_find(struct handle_table *t, handle_t h, enum object_type type, uint32_t rights,
                     struct handle_entry *out) MUST_CHECK;
enum err handle_close(struct handle_table *t, handle_t h) MUST_CHECK;

/* A counted reference has become one that a handle holds, or no longer is. */
void handle_reference_begin(struct object *o);
void handle_reference_end(struct object *o); /* puts the reference */

uint64_t handle_count_total(void);
