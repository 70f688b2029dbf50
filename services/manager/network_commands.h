/* switch, nic, port and capture: what they share. */
#pragma once
#include "services/manager/commands.h"
#include "services/manager/network.h"

/* NULL: @r has been answered. */
struct network_switch *switch_named(struct request *r, const struct value *v) MUST_CHECK;
struct port *port_named(struct request *r, const struct value *v) MUST_CHECK;

/* What vlan=, native=, mac=, isolated=, spoofing= and learned= say, into @s, which is the NIC of @p or
 * of none yet, on switch @switch_index. False: @r has been answered. */
bool nic_settings_take(struct request *r, const struct command_line *c, unsigned switch_index,
                       const struct port *p, struct nic_settings *s) MUST_CHECK;

/* "offline", "offered", "opened", "ready", "broken". */
const char *port_state_name(const struct port *p);

/* ---- port_show.c ---- */
void port_list_entry(struct json *j, const struct port *p);
void port_show(struct json *j, const struct port *p);
void port_explain(struct json *j, const struct port *p);
void nic_list_entry(struct json *j, const struct port *p);

/* ---- capture.c ---- */
struct capture *capture_find(const char *name);
enum err capture_start(const char *name, unsigned switch_index, uint32_t port_index, uint64_t bytes,
                       uint32_t snap_bytes) MUST_CHECK;
void capture_stop(struct capture *c);
void capture_delete(struct capture *c);

/* Copies up to @n bytes of @c's file from byte @from on to @out, and its head, made safe. */
enum err capture_read(const struct capture *c, uint64_t from, uint8_t *out, size_t *n,
                      struct capture_head *head) MUST_CHECK;
