/* File copy: one file at a time into the guest, piece by piece, each acknowledged by the daemon.
 * Source: Linux drivers/hv/hv_fcopy.c (6.1), tools/hv/hv_fcopy_daemon.c, hv_fcopy_uio_daemon.c. */
#pragma once
#include "services/vmm/vsp/ic.h"

#define FCOPY_NAME_UNITS 260u /* UTF-16, of the file's name and of its folder each */

struct fcopy {
    struct ic ic;
    const uint8_t *data; /* while copying: the asker's, of @bytes */
    uint64_t bytes, offset;
    uint32_t sent; /* the operation under way */
    bool is_copying, is_probe;
    enum err result; /* that the cancelling ends with */
    /* OK; ERR_UNSUPPORTED: the daemon is not there; ERR_FULL: the guest's disk is; ERR_IO: the guest
     * could not write there; ERR_TIMED_OUT, ERR_GONE. */
    void (*done)(void *ctx, enum err err);
    void *ctx;
};

void fcopy_init(struct fcopy *f, const struct ic_host *host, void (*done)(void *ctx, enum err err),
                void *ctx);

/* Copies @bytes at @data to the absolute @path in the guest, over what is there; folders are made.
 * @data stays until done. ERR_STATE: the driver is not there or busy; ERR_ARGUMENT: no absolute
 * path, or too long. */
enum err fcopy_start(struct fcopy *f, const char *path, const uint8_t *data, uint64_t bytes)
    MUST_CHECK;
