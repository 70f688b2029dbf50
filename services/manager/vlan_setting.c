#include "services/manager/vlan_setting.h"
#include "lib/format.h"
#include "lib/string.h"

#define TRUNK "trunk"

/* Takes the digits at *@at. False: there are none, or the number is none of a VLAN. */
static bool take_id(const char **at, uint16_t *out)
{
    unsigned n = 0;

    for (; **at >= '0' && **at <= '9' && n <= VLAN_ID_MAX; ++*at)
        n = 10 * n + (unsigned)(**at - '0');
    *out = (uint16_t)n;
    return n >= 1 && n <= VLAN_ID_MAX;
}

static bool take_range(const char **at, uint16_t *first, uint16_t *last)
{
    if (!take_id(at, first))
        return false;
    *last = *first;
    if (**at != '-')
        return true;
    ++*at;
    return take_id(at, last) && *first <= *last;
}

static bool take_trunk(const char *text, struct vlan_setting *out)
{
    out->mode = VLAN_TRUNK;
    if (!*text) {
        out->count = 1;
        out->ranges[0].first = 1;
        out->ranges[0].last = VLAN_ID_MAX;
        return true;
    }
    if (*text++ != ':')
        return false;
    while (out->count < VLAN_RANGES_MAX &&
           take_range(&text, &out->ranges[out->count].first, &out->ranges[out->count].last)) {
        out->count++;
        if (!*text)
            return true;
        if (*text++ != ',')
            return false;
    }
    return false;
}

bool vlan_parse(const char *text, struct vlan_setting *out)
{
    *out = (struct vlan_setting){ .mode = VLAN_UNTAGGED };
    if (strcmp(text, "none") == 0)
        return true;
    if (strncmp(text, TRUNK, sizeof(TRUNK) - 1) == 0)
        return take_trunk(text + sizeof(TRUNK) - 1, out);
    out->mode = VLAN_ACCESS;
    return take_id(&text, &out->id) && !*text;
}

bool vlan_is_good(const struct vlan_setting *v)
{
    bool is_good = v->mode < VLAN_MODE_END && v->id <= VLAN_ID_MAX && v->count <= VLAN_RANGES_MAX;

    if (v->mode == VLAN_ACCESS && !v->id)
        return false;
    for (unsigned i = 0; is_good && i < v->count; i++)
        is_good = v->ranges[i].first >= 1 && v->ranges[i].first <= v->ranges[i].last &&
                  v->ranges[i].last <= VLAN_ID_MAX;
    return is_good;
}

void vlan_policy(const struct vlan_setting *v, struct vlan_policy *out)
{
    *out = (struct vlan_policy){ .mode = v->mode, .id = v->id };
    for (unsigned i = 0; i < v->count; i++)
        for (unsigned id = v->ranges[i].first; id <= v->ranges[i].last; id++)
            out->allowed[id / 8] |= (uint8_t)(1u << id % 8);
}

static bool is_all(const struct vlan_setting *v)
{
    return v->count == 1 && v->ranges[0].first == 1 && v->ranges[0].last == VLAN_ID_MAX;
}

void vlan_text(const struct vlan_setting *v, char *out, size_t capacity)
{
    size_t n;

    if (v->mode == VLAN_UNTAGGED) {
        string_copy(out, capacity, "none");
        return;
    }
    if (v->mode == VLAN_ACCESS) {
        format(out, capacity, "%u", v->id);
        return;
    }
    n = format(out, capacity, TRUNK);
    for (unsigned i = 0; i < v->count && !is_all(v); i++) {
        n += format(out + n, capacity - n, "%c%u", i ? ',' : ':', v->ranges[i].first);
        if (v->ranges[i].last != v->ranges[i].first)
            n += format(out + n, capacity - n, "-%u", v->ranges[i].last);
    }
}

void vlan_show(struct json *j, const struct vlan_setting *v)
{
    char text[VLAN_TEXT_BYTES];

    vlan_text(v, text, sizeof(text));
    json_field_string(j, "vlan", text);
    if (v->mode == VLAN_TRUNK && v->id)
        json_field_number(j, "native_vlan", v->id);
    else
        json_field_null(j, "native_vlan");
}
