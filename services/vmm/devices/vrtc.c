#include "services/vmm/devices/vrtc.h"
#include "lib/string.h"

enum {
    RTC_SECONDS = 0,
    RTC_MINUTES = 2,
    RTC_HOURS = 4,
    RTC_WEEKDAY = 6,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_A = 10,
    RTC_B = 11,
    RTC_C = 12,
    RTC_D = 13,
    RTC_CENTURY = 0x32,
};
#define RTC_A_32KHZ 0x26 /* no update in progress */
#define RTC_B_24H   0x02 /* BCD */
#define RTC_D_VALID 0x80

struct date {
    uint64_t year;
    unsigned month, day; /* from 1 */
};

/* Days since 1970 to a date of the Gregorian calendar, by eras of 400 years that begin in March. */
static struct date date_of(uint64_t days)
{
    uint64_t since = days + 719468; /* from 1 March of year 0 */
    uint64_t era = since / 146097, of_era = since % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153; /* 0 is March */
    struct date d = {
        .year = year + era * 400 + (month >= 10),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
    };

    return d;
}

static uint8_t bcd(uint64_t v)
{
    return (uint8_t)(v / 10 % 10 << 4 | v % 10);
}

uint8_t vrtc_read(const struct vrtc *r, unsigned port, uint64_t utc_ns)
{
    uint64_t seconds = utc_ns / NS_PER_SECOND, days = seconds / 86400;
    struct date d = date_of(days);

    if (port == VRTC_PORT_INDEX)
        return 0xff; /* write-only */
    switch (r->index) {
    case RTC_SECONDS: return bcd(seconds % 60);
    case RTC_MINUTES: return bcd(seconds / 60 % 60);
    case RTC_HOURS: return bcd(seconds / 3600 % 24);
    case RTC_WEEKDAY:
        return bcd((days + 4) % 7 + 1); /* 1 January 1970 was a Thursday; 1 is Sunday */
    case RTC_DAY: return bcd(d.day);
    case RTC_MONTH: return bcd(d.month);
    case RTC_YEAR: return bcd(d.year % 100);
    case RTC_CENTURY: return bcd(d.year / 100);
    case RTC_A: return RTC_A_32KHZ;
    case RTC_B: return RTC_B_24H;
    case RTC_C: return 0;
    case RTC_D: return RTC_D_VALID;
    default: return r->ram[r->index];
    }
}

void vrtc_write(struct vrtc *r, unsigned port, uint8_t value)
{
    if (port == VRTC_PORT_INDEX)
        r->index = value & 0x7f; /* bit 7 masks NMI on a PC */
    else
        r->ram[r->index] = value; /* the clock itself is the host's */
}

void vrtc_save(const struct vrtc *r, struct record_rtc *out)
{
    *out = (struct record_rtc){ .index = r->index };
    memcpy(out->ram, r->ram, sizeof(out->ram));
}

enum err vrtc_restore(struct vrtc *r, const struct record_rtc *in)
{
    if (in->index >= sizeof(r->ram))
        return ERR_FORMAT;
    r->index = in->index;
    memcpy(r->ram, in->ram, sizeof(r->ram));
    return OK;
}
