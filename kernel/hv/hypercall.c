/* The hypercall entry. No call is offered yet: each code gets the status that the TLFS states for
 * one that does not exist. */
#include "arch/x86/virt.h"
#include "kernel/hv/hv.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/vcpu.h"

#define CONTROL_RESERVED 0xf000f00078000000ull /* bits 63:60, 47:44, 30:27 */

bool hv_hypercall(struct vcpu *v)
{
    struct virt_vcpu *c = &v->virt;
    uint64_t control;

    if (virt_cpl(c) || !virt_is_protected(c))
        return false;
    if (!virt_is_long_mode(c)) {
        control = c->gpr[REG_RDX] << 32 | (uint32_t)c->gpr[REG_RAX];
        c->gpr[REG_RDX] = 0;
    } else {
        control = c->gpr[REG_RCX];
    }
    c->gpr[REG_RAX] = control & CONTROL_RESERVED ? HV_STATUS_INVALID_INPUT : HV_STATUS_INVALID_CODE;
    return true;
}
