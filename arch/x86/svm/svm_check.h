/* The consistency rules that a real CPU checks at VMRUN. QEMU's TCG lets many broken VMCBs pass,
 * so the debug build asks here before each run. One rule is our own: #DB and #AC exit, or a guest whose
 * CPU delivers one for ever (XSA-156) has that CPU for good. Pure. */
#pragma once
#include "arch/x86/svm/svm_regs.h"

struct svm_check_limits {
    uint64_t cr4_reserved, efer_reserved; /* bits that this CPU does not have */
    uint32_t asid_count;
};

/* The first rule that @v breaks, in the manual's words, or NULL. Source: AMD64 APM vol. 2,
 * "Canonicalization and Consistency Checks" and "Event Injection". */
const char *svm_check(const struct vmcb *v, const struct svm_check_limits *limits);
