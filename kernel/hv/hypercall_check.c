#include "kernel/hv/hypercall.h"
#include "kernel/hv/hv_regs.h"
#include "lib/field.h"

#define FAST_INPUT_BYTES 16u

uint16_t hypercall_check(const struct hypercall_rule *rule, uint64_t control,
                         struct hypercall_form *out)
{
    *out = (struct hypercall_form){
        .is_fast = control & HV_CALL_FAST,
        .header_qwords = (uint32_t)field_get(control, HV_CALL_HEADER_QWORDS),
        .rep_count = (uint32_t)field_get(control, HV_CALL_REP_COUNT),
        .rep_start = (uint32_t)field_get(control, HV_CALL_REP_START),
    };
    if (control & HV_CALL_RESERVED)
        return HV_STATUS_INVALID_INPUT;
    if (out->header_qwords > (rule->has_variable_header ? HV_VP_SET_BANKS : 0))
        return HV_STATUS_INVALID_INPUT;
    if (rule->rep_bytes ? out->rep_start >= out->rep_count : out->rep_count || out->rep_start)
        return HV_STATUS_INVALID_INPUT;
    if (out->is_fast && (rule->rep_bytes || hypercall_input_bytes(rule, out) > FAST_INPUT_BYTES))
        return HV_STATUS_INVALID_INPUT;
    return HV_STATUS_SUCCESS;
}
