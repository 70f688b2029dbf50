/* A writer of AML, the byte code of ACPI's DSDT: each object is begun, filled and ended, which
 * puts its length in. Source: ACPI 6.4, section 20.2 "AML Grammar Definition". */
#pragma once
#include "lib/types.h"

#define AML_DEPTH_MAX 8u

struct aml {
    uint8_t *bytes;
    uint32_t used, capacity;
    uint32_t starts[AML_DEPTH_MAX]; /* of the length fields of what is open */
    unsigned depth;
    bool has_overflowed;
};

void aml_byte(struct aml *a, uint8_t v);
void aml_bytes(struct aml *a, const void *from, uint32_t n);
void aml_scope(struct aml *a, const char *path);  /* 4-letter segments joined by '.', '\\' first */
void aml_device(struct aml *a, const char *name); /* 4 letters */
void aml_package(struct aml *a, uint8_t element_count);
void aml_buffer(struct aml *a, uint8_t byte_count);
void aml_end(struct aml *a);
void aml_name(struct aml *a, const char *name); /* the object follows */
void aml_integer(struct aml *a, uint32_t v);
void aml_string(struct aml *a, const char *s);
uint32_t aml_eisa_id(const char *id); /* "PNP0501" */
