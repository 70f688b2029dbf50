/* The value of vlan=: which VLANs a port takes part in. A trunk is kept as ranges, which are short and
 * are shown as they were given; the switch is told a bit for each VLAN. */
#pragma once
#include "lib/abi/network.h"
#include "services/manager/json.h"

#define VLAN_RANGES_MAX 16u

struct vlan_setting {
    uint16_t mode; /* enum vlan_mode */
    uint16_t id;   /* of access, or the trunk's native one, 0: none */
    uint16_t count, reserved;
    struct {
        uint16_t first, last;
    } ranges[VLAN_RANGES_MAX]; /* of a trunk; those behind @count are zero */
};

/* Reads `none`, a number from 1 to 4094, `trunk` (all VLANs) or `trunk:5,7-9`. False: it is none of
 * these, or has more than VLAN_RANGES_MAX ranges; then *@out is undefined. */
bool vlan_parse(const char *text, struct vlan_setting *out) MUST_CHECK;
bool vlan_is_good(const struct vlan_setting *v);
void vlan_policy(const struct vlan_setting *v, struct vlan_policy *out);

/* As vlan= takes it. */
#define VLAN_TEXT_BYTES 192u
void vlan_text(const struct vlan_setting *v, char *out, size_t capacity);

/* The fields vlan and native_vlan. */
void vlan_show(struct json *j, const struct vlan_setting *v);
