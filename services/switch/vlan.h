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

/* Of the two below, what ports without VLANs do not need. */
bool vlan_of_tagged_frame(const struct vlan_policy *p, const struct vlan_tags *tags, uint16_t *vlan)
    MUST_CHECK;
bool vlan_is_carried(const struct vlan_policy *p, uint16_t vlan) MUST_CHECK;

/* The VLAN of a frame with @tags from a port of policy @p. False: DROP_VLAN. */
static inline bool vlan_of_frame(const struct vlan_policy *p, const struct vlan_tags *tags,
                                 uint16_t *vlan)
{
    *vlan = 0;
    return likely(p->mode == VLAN_UNTAGGED && !tags->count) || vlan_of_tagged_frame(p, tags, vlan);
}

/* Whether frames of @vlan go to a port of policy @p. */
static inline bool vlan_reaches(const struct vlan_policy *p, uint16_t vlan)
{
    return likely(p->mode == VLAN_UNTAGGED) ? !vlan : vlan_is_carried(p, vlan);
}

/* Whether they go there with a tag. */
static inline bool vlan_is_tagged(const struct vlan_policy *p, uint16_t vlan)
{
    return p->mode == VLAN_TRUNK && vlan != p->id;
}
