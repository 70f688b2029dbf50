/* A whole VM into an image and out of it. */
#pragma once
#include "services/vmm/image.h"
#include "services/vmm/machine.h"

struct loader_failure;
struct services;

/* Saves the paused @m with its services into the region @image. ERR_STATE: it is not paused. */
enum err machine_save(struct machine *m, struct services *s, handle_t image, struct vmm_saved *out)
    MUST_CHECK;

/* Fills @m, whose memory is mapped and whose vCPUs have not run, from @image; checks all of it that
 * can be checked first. ERR_FORMAT, with @why filled in. */
enum err machine_restore(struct machine *m, struct services *s, handle_t image, uint64_t bytes,
                         struct loader_failure *why) MUST_CHECK;
