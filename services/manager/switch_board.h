/* What the switch program has counted and learned, read from the board: foreign, and changing while it
 * is read. Whole numbers stand in what is returned; that they fit each other is tried for. */
#pragma once
#include "services/manager/network.h"

/* Of @p: what the board says now and what was counted before, together. */
void port_counters_of(const struct port *p, struct port_counters *out);

/* @p's row; all zero when there is none. */
void port_row_of(const struct port *p, struct port_row *out);
void switch_row_of(const struct network_switch *s, struct switch_row *out);

void port_counters_add(struct port_counters *to, const struct port_counters *more);

/* All that was ever counted on @s, at one time as far as that can be had. */
void switch_counters(const struct network_switch *s, struct port_counters *out);

uint64_t counters_drops(const struct port_counters *c);

/* sum(in) + replicas + segments - lso_sends - (out + drops); 0, or something was lost or made up. */
int64_t counters_balance(const struct port_counters *c);

/* The fields in_frames to signals; drops by reason, those that are not zero. */
void counters_show(struct json *j, const struct port_counters *c);

/* The first addresses that @s knows, as a list. */
void macs_show(struct json *j, const struct network_switch *s);

/* Tells of drops that mean misbehaviour or shortage; returns when to look again. */
uint64_t port_drops_pump(uint64_t now);

const char *drop_reason_name(unsigned reason);
