/* A frame with two tags is never carried, also not by a trunk: where the outer one is taken off (at an
 * access port, or in a trunk's native VLAN) the inner one would decide, and its sender could name any
 * VLAN there. */
#include "services/switch/vlan.h"

static bool is_allowed(const struct vlan_policy *p, uint16_t vlan)
{
    return p->allowed[vlan / 8] >> vlan % 8 & 1;
}

bool vlan_policy_is_good(const struct vlan_policy *p)
{
    switch (p->mode) {
    case VLAN_UNTAGGED: return true;
    case VLAN_ACCESS: return p->id && p->id <= VLAN_ID_MAX;
    case VLAN_TRUNK: return p->id <= VLAN_ID_MAX;
    default: return false;
    }
}

/* Untagged frames, and those whose tag has a priority only, are of the native VLAN; without one they
 * are of VLAN 0 if the trunk carries that. */
static bool of_trunk(const struct vlan_policy *p, uint16_t id, uint16_t *vlan)
{
    *vlan = id ? id : p->id;
    return id ? id <= VLAN_ID_MAX && is_allowed(p, id) : p->id || is_allowed(p, 0);
}

bool vlan_of_tagged_frame(const struct vlan_policy *p, const struct vlan_tags *tags, uint16_t *vlan)
{
    uint16_t id = tags->count ? tags->tci & TCI_VLAN_ID : 0;

    if (tags->count > 1)
        return false;
    if (p->mode == VLAN_TRUNK)
        return of_trunk(p, id, vlan);
    *vlan = p->mode == VLAN_ACCESS ? p->id : 0;
    return !id;
}

bool vlan_is_carried(const struct vlan_policy *p, uint16_t vlan)
{
    switch (p->mode) {
    case VLAN_UNTAGGED: return !vlan;
    case VLAN_ACCESS: return vlan == p->id;
    default: return (vlan && vlan == p->id) || is_allowed(p, vlan);
    }
}
