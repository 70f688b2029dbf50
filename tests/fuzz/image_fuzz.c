// SOURCES: services/vmm/image.c services/vmm/devices/*.c lib/checksum.c lib/string.c
/* Any image: head and records stay within it, and devices take what cannot be or refuse it. */
#include <assert.h>
#include <string.h>

#include "services/vmm/devices/vrtc.h"
#include "services/vmm/devices/vuart.h"
#include "services/vmm/image.h"

static void restore(const struct record *r, const void *payload)
{
    struct record_uart uart;
    struct record_rtc rtc;
    struct vuart u = { 0 };
    struct vrtc c = { 0 };

    if (r->type == RECORD_UART && r->bytes == sizeof(uart)) {
        if (vuart_restore(&u, payload) == OK) {
            vuart_save(&u, &uart);
            assert(uart.fifo_used <= sizeof(uart.fifo));
        }
    } else if (r->type == RECORD_RTC && r->bytes == sizeof(rtc)) {
        if (vrtc_restore(&c, payload) == OK) {
            vrtc_save(&c, &rtc);
            assert(rtc.index < sizeof(rtc.ram));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static uint8_t payload[4096];
    struct vmm_saved saved = { 0 };
    struct image_head head;
    struct record r;
    uint64_t at = 0;

    if (n >= sizeof(head) && image_open(data, n, &head) == OK)
        assert(sizeof(head) + head.vmm_bytes + head.kernel_bytes <= n);
    while (image_take(data, n, &at, &r, payload, sizeof(payload)) == OK) {
        assert(at <= n && r.bytes <= sizeof(payload));
        restore(&r, payload);
    }
    image_summarise(data, n, &saved);
    assert(saved.type_count <= VMM_RECORD_TYPES_MAX);
    return 0;
}
