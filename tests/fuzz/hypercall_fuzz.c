// SOURCES: kernel/hv/hypercall_check.c
/* Any input value against any rule of a call: what is let through stays within the fields' bounds,
 * has an input that a page holds, and an input in registers fits these. */
#include <assert.h>
#include <string.h>

#include "kernel/hv/hv_regs.h"
#include "kernel/hv/hypercall.h"

#define REGISTER_BYTES 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct hypercall_rule rule;
    struct hypercall_form form;
    uint64_t control = 0;
    uint16_t status;

    if (n < 12)
        return 0;
    memcpy(&control, data, sizeof(control));
    rule = (struct hypercall_rule){
        .input_bytes = (uint16_t)(data[8] | (data[9] & 1) << 8),
        .rep_bytes = data[10] & 1 ? 8 : 0,
        .has_variable_header = data[10] & 2,
    };
    status = hypercall_check(&rule, control, &form);
    assert(status == HV_STATUS_SUCCESS || status == HV_STATUS_INVALID_INPUT);
    if (status)
        return 0;
    assert(!(control & HV_CALL_RESERVED));
    assert(form.header_qwords <= (rule.has_variable_header ? HV_VP_SET_BANKS : 0));
    assert(hypercall_input_bytes(&rule, &form) <= rule.input_bytes + 8 * HV_VP_SET_BANKS);
    if (rule.rep_bytes)
        assert(form.rep_start < form.rep_count && form.rep_count <= 0xfff && !form.is_fast);
    else
        assert(!form.rep_start && !form.rep_count);
    if (form.is_fast)
        assert(hypercall_input_bytes(&rule, &form) <= REGISTER_BYTES);
    return 0;
}
