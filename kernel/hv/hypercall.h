/* The form of a hypercall's input, and the checks of it that need no machine. Source: TLFS,
 * "Hypercall Interface", and the page of each call. */
#pragma once
#include "lib/abi/synic.h"

#define HV_VP_SET_BANKS 64u

struct hv_vp_set {
    uint64_t format, valid_banks;
    uint64_t banks[HV_VP_SET_BANKS]; /* only those that are valid, packed */
};

struct hv_flush_input {
    uint64_t space, flags, mask;
};

struct hv_flush_ex_input {
    uint64_t space, flags;
    struct hv_vp_set set;
};

struct hv_ipi_input {
    uint32_t vector;
    uint8_t target_vtl, reserved[3];
    uint64_t mask;
};

struct hv_ipi_ex_input {
    uint32_t vector;
    uint8_t target_vtl, reserved[3];
    struct hv_vp_set set;
};

struct hv_signal_input {
    uint32_t connection;
    uint16_t flag, reserved;
};

union hypercall_input {
    struct hv_flush_input flush;
    struct hv_flush_ex_input flush_ex;
    struct hv_ipi_input ipi;
    struct hv_ipi_ex_input ipi_ex;
    struct hv_post_message post;
    struct hv_signal_input signal;
};

struct hypercall_rule {
    uint16_t input_bytes; /* without a variable header */
    uint8_t rep_bytes;    /* of an element; 0: a simple call */
    bool has_variable_header;
};

struct hypercall_form {
    bool is_fast;
    uint32_t header_qwords, rep_count, rep_start;
};

/* Takes the input value @control apart. Returns HV_STATUS_INVALID_INPUT when it does not fit
 * @rule. */
uint16_t hypercall_check(const struct hypercall_rule *rule, uint64_t control,
                         struct hypercall_form *out);

static inline uint32_t hypercall_input_bytes(const struct hypercall_rule *rule,
                                             const struct hypercall_form *f)
{
    return rule->input_bytes + 8 * f->header_qwords;
}
