/* Overlay pages: kernel pages that lie over the guest's memory while an MSR of the guest says so;
 * the RAM beneath is kept and seen again when the overlay is disabled or moved (TLFS, "GPA Overlay
 * Pages"). When several overlays name one guest page, the one that comes first in this order is
 * seen: hypercall page, reference TSC page, then VP assist, message and event pages, each by VP
 * index. */
#pragma once
#include "arch/x86/paging.h"
#include "lib/err.h"

struct partition;
struct budget;

enum overlay_slot {
    OVERLAY_HYPERCALL,
    OVERLAY_REFERENCE_TSC,
    OVERLAY_VP_ASSIST, /* + VP index */
    OVERLAY_MESSAGES = OVERLAY_VP_ASSIST + 64,
    OVERLAY_EVENTS = OVERLAY_MESSAGES + 64,
    OVERLAY_COUNT = OVERLAY_EVENTS + 64,
};

struct overlay {
    hpa_t page; /* 0: not made yet */
    gpa_t gpa;
    bool is_enabled;
};

/* Moves overlay @slot to @gpa, or switches it off. The page is made at its first use, charged to
 * the partition; *@page (may be NULL) is its kernel address. The hv lock is held. ERR_MEMORY. */
enum err overlay_set(struct partition *p, enum overlay_slot slot, bool is_enabled, gpa_t gpa,
                     void **page) MUST_CHECK;
void overlays_destroy(struct overlay *overlays, struct budget *b);
