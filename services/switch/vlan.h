/* Which VLAN a frame is of when it comes in, and how it looks to a port when it goes out. Inside the
 * switch a frame has no tag: its VLAN id and priority travel beside it. */
#pragma once
#include "lib/abi/network.h"

/* The tags that a frame came with. */
struct vlan_tags {
    uint16_t tci;   /* of the one tag */
    uint16_t count; /* beside the frame and in it */
};

/* Whether a policy makes sense: its mode and ids are in range. */
bool vlan_policy_is_good(const struct vlan_policy *p) MUST_CHECK;

/* The VLAN of a frame with @tags from a port of policy @p. False: DROP_VLAN. */
bool vlan_of_frame(const struct vlan_policy *p, const struct vlan_tags *tags, uint16_t *vlan)
    MUST_CHECK;

/* Whether frames of @vlan go to a port of policy @p. */
bool vlan_reaches(const struct vlan_policy *p, uint16_t vlan) MUST_CHECK;

/* Whether they go there with a tag. */
static inline bool vlan_is_tagged(const struct vlan_policy *p, uint16_t vlan)
{
    return p->mode == VLAN_TRUNK && vlan != p->id;
}
