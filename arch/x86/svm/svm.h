/* What the files of this folder share. */
#pragma once
#include "arch/x86/svm/svm_check.h"
#include "arch/x86/svm/svm_regs.h"
#include "lib/x86/regs.h"

extern struct svm_check_limits svm_limits; /* of this machine; set by virt_init() */

/* Executes 64-bit code. */
static inline bool svm_is_long_mode(const struct vmcb *c)
{
    return (c->efer & EFER_LMA) && (c->cs.attributes & SEGMENT_LONG);
}
