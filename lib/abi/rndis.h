/* RNDIS: the messages inside NVSP's packets, and the NDIS structures inside those. Offsets in a message
 * count from the field after the head (struct rndis_head).
 * Source: Linux include/linux/rndis.h, drivers/net/hyperv/{hyperv_net.h,rndis_filter.c}; the NDIS
 * reference of the Windows driver kit for the structures. */
#pragma once
#include "lib/types.h"

enum rndis_message_type {
    RNDIS_PACKET = 1,
    RNDIS_INITIALIZE,
    RNDIS_HALT,
    RNDIS_QUERY,
    RNDIS_SET,
    RNDIS_RESET,
    RNDIS_INDICATE,
    RNDIS_KEEPALIVE,
};
#define RNDIS_COMPLETE 0x80000000u /* added to the request's type */

#define RNDIS_STATUS_SUCCESS          0u
#define RNDIS_STATUS_FAILURE          0xc0000001u
#define RNDIS_STATUS_NOT_SUPPORTED    0xc00000bbu
#define RNDIS_STATUS_INVALID_LENGTH   0xc0010014u
#define RNDIS_STATUS_INVALID_DATA     0xc0010015u
#define RNDIS_STATUS_NOT_ACCEPTED     0xc0010003u
#define RNDIS_STATUS_MEDIA_CONNECT    0x4001000bu
#define RNDIS_STATUS_MEDIA_DISCONNECT 0x4001000cu
#define RNDIS_STATUS_LINK_SPEED       0x40010013u

#define RNDIS_MAJOR 1u
#define RNDIS_MINOR 0u

struct rndis_head {
    uint32_t type;  /* enum rndis_message_type */
    uint32_t bytes; /* of the whole message */
};

struct rndis_initialize {
    uint32_t request, major, minor, max_transfer_bytes;
};

struct rndis_initialize_complete {
    uint32_t request, status, major, minor, device_flags, medium;
    uint32_t max_packets, max_transfer_bytes, alignment_shift, af_list_offset, af_list_bytes;
};
#define RNDIS_CONNECTIONLESS 1u

struct rndis_query { /* RNDIS_SET as well */
    uint32_t request, oid, bytes, offset, vc;
};

struct rndis_query_complete {
    uint32_t request, status, bytes, offset;
};

struct rndis_set_complete { /* RNDIS_KEEPALIVE as well */
    uint32_t request, status;
};

struct rndis_indicate {
    uint32_t status, bytes, offset;
};

struct rndis_packet {
    uint32_t data_offset, data_bytes;
    uint32_t oob_offset, oob_bytes, oob_count;
    uint32_t info_offset, info_bytes;
    uint32_t vc, reserved;
};
static_assert(sizeof(struct rndis_packet) == 36, "RNDIS packet layout");

struct rndis_info { /* per-packet information; its data at @offset from here */
    uint32_t bytes, type, offset;
};

#define RNDIS_INFO_CHECKSUM 0u
#define RNDIS_INFO_LSO      2u
#define RNDIS_INFO_TAG      6u
#define RNDIS_INFO_HASH     8u
#define RNDIS_INFO_INTERNAL 0x80000000u
#define RNDIS_INFO_PACKET   (1u | RNDIS_INFO_INTERNAL) /* struct rndis_packet_info */

/* RNDIS_INFO_CHECKSUM of a frame that is sent, */
#define SEND_CHECKSUM_IPV4       0x1u
#define SEND_CHECKSUM_IPV6       0x2u
#define SEND_CHECKSUM_TCP        0x4u
#define SEND_CHECKSUM_UDP        0x8u
#define SEND_CHECKSUM_IP_HEADER  0x10u
#define SEND_CHECKSUM_TCP_OFFSET 0x03ff0000u
/* and of one that was received. */
#define RECEIVE_CHECKSUM_TCP_OK 0x8u
#define RECEIVE_CHECKSUM_UDP_OK 0x10u
#define RECEIVE_CHECKSUM_IP_OK  0x20u

/* RNDIS_INFO_LSO */
#define LSO_MSS        0x000fffffu
#define LSO_TCP_OFFSET 0x3ff00000u
#define LSO_IS_V2      0x40000000u
#define LSO_IS_IPV6    0x80000000u

/* RNDIS_INFO_TAG */
#define TAG_PRIORITY 0x7u
#define TAG_CFI      0x8u
#define TAG_VLAN_ID  0xfff0u

struct rndis_packet_info {
    uint8_t version, flags;
    uint16_t packet;
};
#define PACKET_INFO_VERSION 1u
#define PACKET_INFO_PART    1u /* of a frame in several messages of one packet */
#define PACKET_INFO_FIRST   2u
#define PACKET_INFO_LAST    4u

/* ---- OIDs ---- */

#define OID_GEN_SUPPORTED_LIST                0x00010101u
#define OID_GEN_HARDWARE_STATUS               0x00010102u
#define OID_GEN_MAXIMUM_FRAME_SIZE            0x00010106u
#define OID_GEN_LINK_SPEED                    0x00010107u
#define OID_GEN_CURRENT_PACKET_FILTER         0x0001010eu
#define OID_GEN_MAXIMUM_TOTAL_SIZE            0x00010111u
#define OID_GEN_MEDIA_CONNECT_STATUS          0x00010114u
#define OID_GEN_FRIENDLY_NAME                 0x00020216u
#define OID_GEN_RECEIVE_SCALE_CAPABILITIES    0x00010203u
#define OID_GEN_RECEIVE_SCALE_PARAMETERS      0x00010204u
#define OID_GEN_RNDIS_CONFIG_PARAMETER        0x0001021bu
#define OID_802_3_PERMANENT_ADDRESS           0x01010101u
#define OID_802_3_CURRENT_ADDRESS             0x01010102u
#define OID_TCP_OFFLOAD_PARAMETERS            0xfc01020cu
#define OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES 0xfc01020du

/* OID_GEN_CURRENT_PACKET_FILTER */
#define FILTER_DIRECTED      0x01u
#define FILTER_MULTICAST     0x02u
#define FILTER_ALL_MULTICAST 0x04u
#define FILTER_BROADCAST     0x08u
#define FILTER_PROMISCUOUS   0x20u

struct ndis_head {
    uint8_t type, revision;
    uint16_t bytes;
};

#define NDIS_TYPE_OFFLOAD          0xa7u
#define NDIS_TYPE_DEFAULT          0x80u
#define NDIS_TYPE_RSS_CAPABILITIES 0x88u
#define NDIS_TYPE_RSS_PARAMETERS   0x89u

#define NDIS_OFFLOAD_REVISION_1_BYTES 112u
#define NDIS_OFFLOAD_REVISION_2_BYTES 144u
#define NDIS_OFFLOAD_REVISION_3_BYTES 156u

#define NDIS_ENCAPSULATION_802_3  2u
#define NDIS_CHECKSUM_IP_OPTIONS  0x1u /* of IPv6: extension headers */
#define NDIS_CHECKSUM_TCP_OPTIONS 0x4u
#define NDIS_CHECKSUM_TCP         0x10u
#define NDIS_CHECKSUM_UDP         0x40u
#define NDIS_CHECKSUM_IP          0x100u
#define NDIS_LSO_IPV6_EXTENSIONS  0x1u
#define NDIS_LSO_IPV6_TCP_OPTIONS 0x4u

struct ndis_offload {
    struct ndis_head head;
    uint32_t ip4_send_encapsulation, ip4_send_checksum;
    uint32_t ip4_receive_encapsulation, ip4_receive_checksum;
    uint32_t ip6_send_encapsulation, ip6_send_checksum;
    uint32_t ip6_receive_encapsulation, ip6_receive_checksum;
    uint32_t lso_v1[4], ipsec_v1[7];
    uint32_t lso_ip4_encapsulation, lso_ip4_max_bytes, lso_ip4_min_segments;
    uint32_t lso_ip6_encapsulation, lso_ip6_max_bytes, lso_ip6_min_segments, lso_ip6_options;
    uint32_t flags;
    uint8_t ipsec_v2[32];
    uint8_t rsc_ip4, rsc_ip6, padding[2];
    uint32_t gre[2];
};
static_assert(sizeof(struct ndis_offload) == NDIS_OFFLOAD_REVISION_3_BYTES, "NDIS_OFFLOAD layout");
static_assert(offsetof(struct ndis_offload, ipsec_v2) == NDIS_OFFLOAD_REVISION_1_BYTES,
              "revision 1");
static_assert(offsetof(struct ndis_offload, rsc_ip4) == NDIS_OFFLOAD_REVISION_2_BYTES,
              "revision 2");

/* Checksums: 0 no change, 1 off, 2 send, 3 receive, 4 both; LSO and RSC: 1 off, 2 on. */
struct ndis_offload_parameters {
    struct ndis_head head;
    uint8_t ip4, tcp4, udp4, tcp6, udp6, lso_v1, ipsec_v1, lso_ip4, lso_ip6, reserved[3];
    uint32_t flags;
    uint8_t ipsec_v2[2], rsc_ip4, rsc_ip6, gre[2], padding[2];
};
static_assert(sizeof(struct ndis_offload_parameters) == 28, "NDIS_OFFLOAD_PARAMETERS layout");
static_assert(offsetof(struct ndis_offload_parameters, rsc_ip4) == 22,
              "before NDIS 6.30: 22 bytes");
#define NDIS_RSC_ON 2u

struct ndis_rss_capabilities {
    struct ndis_head head;
    uint32_t flags, message_count, queue_count;
    uint16_t table_entries;
} PACKED;
static_assert(sizeof(struct ndis_rss_capabilities) == 18, "NDIS_RECEIVE_SCALE_CAPABILITIES layout");

struct ndis_rss_parameters {
    struct ndis_head head;
    uint16_t flags, base_cpu;
    uint32_t hash;
    uint16_t table_bytes, reserved;
    uint32_t table_offset; /* from the head; of uint32_t queue numbers */
    uint16_t key_bytes, reserved2;
    uint32_t key_offset, mask_offset, mask_count, mask_entry_bytes;
};
static_assert(sizeof(struct ndis_rss_parameters) == 40, "NDIS_RECEIVE_SCALE_PARAMETERS layout");
#define NDIS_RSS_DISABLE       0x10u
#define NDIS_RSS_KEY_BYTES     40u
#define NDIS_RSS_TABLE_ENTRIES 128u
#define NDIS_HASH_IPV4         0x100u
#define NDIS_HASH_TCP_IPV4     0x200u
#define NDIS_HASH_IPV6         0x400u
#define NDIS_HASH_TCP_IPV6     0x1000u

struct rndis_config_parameter { /* of OID_GEN_RNDIS_CONFIG_PARAMETER; offsets from here */
    uint32_t name_offset, name_bytes, type, value_offset, value_bytes;
};
#define RNDIS_CONFIG_STRING 2u
