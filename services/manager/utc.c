#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/utc.h"

#define CMOS_B_24_HOURS 0x02u
#define CMOS_B_BINARY   0x04u
#define CMOS_HOUR_PM    0x80u

struct calendar {
    unsigned year, month, day, hour, minute, second;
};

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

static bool is_moment(const struct calendar *c)
{
    return c->year >= 1970 && c->year < 2200 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= days_of_month(c->year, c->month) && c->hour < 24 && c->minute < 60 &&
           c->second < 60;
}

static uint64_t calendar_ns(const struct calendar *c)
{
    uint64_t days = c->day - 1;

    for (unsigned y = 1970; y < c->year; y++)
        days += is_leap(y) ? 366 : 365;
    for (unsigned m = 1; m < c->month; m++)
        days += days_of_month(c->year, m);
    return (((days * 24 + c->hour) * 60 + c->minute) * 60 + c->second) * NS_PER_SECOND;
}

/* Takes @digits digits and the character @after; false when they are not there. */
static bool take(const char **text, unsigned digits, char after, unsigned *out)
{
    *out = 0;
    for (; digits; digits--, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *out = *out * 10 + (unsigned)(**text - '0');
    }
    return *(*text)++ == after;
}

enum err utc_parse(const char *text, size_t n, uint64_t *ns)
{
    char copy[UTC_TEXT_BYTES] = { 0 };
    const char *at = copy;
    struct calendar c;

    if (n != sizeof("YYYY-MM-DDThh:mm:ssZ") - 1)
        return ERR_FORMAT;
    memcpy(copy, text, n);
    if (!take(&at, 4, '-', &c.year) || !take(&at, 2, '-', &c.month) || !take(&at, 2, 'T', &c.day) ||
        !take(&at, 2, ':', &c.hour) || !take(&at, 2, ':', &c.minute) ||
        !take(&at, 2, 'Z', &c.second) || !is_moment(&c))
        return ERR_FORMAT;
    *ns = calendar_ns(&c);
    return OK;
}

void utc_format(uint64_t ns, char out[UTC_TEXT_BYTES])
{
    uint64_t seconds = ns / NS_PER_SECOND, days = seconds / 86400;
    unsigned rest = (unsigned)(seconds % 86400), year = 1970, month = 1;

    for (; days >= (is_leap(year) ? 366u : 365u); year++)
        days -= is_leap(year) ? 366u : 365u;
    for (; days >= days_of_month(year, month); month++)
        days -= days_of_month(year, month);
    format(out, UTC_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02uZ", year, month, (unsigned)days + 1,
           rest / 3600, rest / 60 % 60, rest % 60);
}

static unsigned number(const struct cmos_time *t, uint8_t v)
{
    return t->status_b & CMOS_B_BINARY ? v : (unsigned)(v >> 4) * 10 + (v & 15);
}

static unsigned hour(const struct cmos_time *t)
{
    unsigned h = number(t, t->hour & (uint8_t)~CMOS_HOUR_PM);

    if (t->status_b & CMOS_B_24_HOURS)
        return number(t, t->hour);
    return h % 12 + (t->hour & CMOS_HOUR_PM ? 12 : 0);
}

enum err utc_from_cmos(const struct cmos_time *t, uint64_t *ns)
{
    unsigned century = number(t, t->century);
    struct calendar c = { .year = number(t, t->year),
                          .month = number(t, t->month),
                          .day = number(t, t->day),
                          .hour = hour(t),
                          .minute = number(t, t->minute),
                          .second = number(t, t->second) };

    c.year += century == 19 || century == 20 || century == 21 ? century * 100 : 2000;
    if (!is_moment(&c))
        return ERR_IO;
    *ns = calendar_ns(&c);
    return OK;
}
