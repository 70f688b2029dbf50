// SOURCES: services/switch/vlan.c
#include "services/switch/vlan.h"
#include "tests/unit/test.h"

/* The VLAN of a frame with @count tags, the one of @tci; -1: dropped. */
static int vlan_of(struct vlan_policy p, uint16_t count, uint16_t tci)
{
    struct vlan_tags tags = { tci, count };
    uint16_t vlan;

    return vlan_of_frame(&p, &tags, &vlan) ? vlan : -1;
}

static struct vlan_policy trunk(uint16_t native, uint16_t allowed)
{
    struct vlan_policy p = { .mode = VLAN_TRUNK, .id = native };

    p.allowed[allowed / 8] |= (uint8_t)(1u << allowed % 8);
    return p;
}

TEST(an_untagged_port_drops_tags_but_for_priority)
{
    struct vlan_policy p = { .mode = VLAN_UNTAGGED };

    EXPECT_EQ(vlan_of(p, 0, 0), 0);
    EXPECT_EQ(vlan_of(p, 1, 0xe000), 0);
    EXPECT_EQ(vlan_of(p, 1, 1), -1);
}

TEST(an_access_port_drops_also_its_own_tag)
{
    struct vlan_policy p = { .mode = VLAN_ACCESS, .id = 5 };

    EXPECT_EQ(vlan_of(p, 0, 0), 5);
    EXPECT_EQ(vlan_of(p, 1, 0xe000), 5);
    EXPECT_EQ(vlan_of(p, 1, 5), -1);
}

TEST(a_trunk_carries_what_is_allowed_and_its_native_vlan)
{
    EXPECT_EQ(vlan_of(trunk(9, 7), 1, 0xa007), 7);
    EXPECT_EQ(vlan_of(trunk(9, 7), 1, 8), -1);
    EXPECT_EQ(vlan_of(trunk(9, 7), 1, 9), -1); /* its native VLAN has no tag */
    EXPECT_EQ(vlan_of(trunk(9, 7), 0, 0), 9);
    EXPECT_EQ(vlan_of(trunk(0, 7), 0, 0), -1);
    EXPECT_EQ(vlan_of(trunk(0, 0), 0, 0), 0);
    EXPECT_EQ(vlan_of(trunk(0, 4095), 1, 4095), -1);
}

TEST(two_tags_are_dropped_everywhere)
{
    EXPECT_EQ(vlan_of((struct vlan_policy){ 0 }, 2, 0), -1);
    EXPECT_EQ(vlan_of(trunk(9, 7), 2, 7), -1);
}

TEST(a_frame_leaves_a_trunk_tagged_but_for_the_native_vlan)
{
    struct vlan_policy p = trunk(9, 7);

    EXPECT(vlan_reaches(&p, 7) && vlan_is_tagged(&p, 7));
    EXPECT(vlan_reaches(&p, 9) && !vlan_is_tagged(&p, 9));
    EXPECT(!vlan_reaches(&p, 0) && !vlan_reaches(&p, 8));
    p = trunk(0, 0);
    EXPECT(vlan_reaches(&p, 0) && !vlan_is_tagged(&p, 0));
}

TEST(policies_out_of_range_are_refused)
{
    EXPECT(!vlan_policy_is_good(&(struct vlan_policy){ .mode = VLAN_MODE_END }));
    EXPECT(!vlan_policy_is_good(&(struct vlan_policy){ .mode = VLAN_ACCESS, .id = 0 }));
    EXPECT(!vlan_policy_is_good(&(struct vlan_policy){ .mode = VLAN_ACCESS, .id = 4095 }));
    EXPECT(vlan_policy_is_good(&(struct vlan_policy){ .mode = VLAN_ACCESS, .id = 4094 }));
}
