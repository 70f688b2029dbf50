#include "kernel/hv/overlay.h"
#include "kernel/memory.h"
#include "kernel/partition.h"

static enum err refresh(struct partition *p, gpa_t gpa)
{
    for (unsigned i = 0; i < OVERLAY_COUNT; i++) {
        const struct overlay *o = &p->hv.overlays[i];

        if (o->is_enabled && o->gpa.v == gpa.v)
            return partition_overlay(p, gpa, o->page, i >= OVERLAY_VP_ASSIST,
                                     i == OVERLAY_HYPERCALL);
    }
    return partition_overlay(p, gpa, (hpa_t){ 0 }, false, false);
}

enum err overlay_set(struct partition *p, enum overlay_slot slot, bool is_enabled, gpa_t gpa,
                     void **page)
{
    struct overlay *o = &p->hv.overlays[slot];
    struct overlay old = *o;
    enum err err = OK;

    if (!o->page.v)
        err = frames_take(p->object.budget, 0, FRAME_KERNEL, &o->page);
    if (err)
        return err;
    if (page)
        *page = direct_map(o->page);
    o->gpa = gpa;
    o->is_enabled = is_enabled;
    if (is_enabled)
        err = refresh(p, gpa);
    if (err) {
        old.page = o->page;
        *o = old;
        return err;
    }
    if (old.is_enabled && (!is_enabled || old.gpa.v != gpa.v))
        err = refresh(p, old.gpa); /* only replaces leaves that exist: needs no memory */
    return err;
}

void overlays_destroy(struct overlay *overlays, struct budget *b)
{
    for (unsigned i = 0; overlays && i < OVERLAY_COUNT; i++)
        if (overlays[i].page.v)
            frames_give(b, overlays[i].page, 0);
    kernel_free(b, overlays, OVERLAY_COUNT * sizeof(*overlays));
}
