#include "services/vmm/panic.h"
#include "lib/string.h"
#include "services/rt/sys.h"
#include "services/vmm/machine.h"

#define INTERVAL_NS (1000 * NS_PER_MS)
#define TEXT_BYTES  4096u /* what Linux hands over: a page */

/* The text lies where the guest says, which may be nowhere. */
static void take_text(struct machine *m, const struct guest_crash *c, struct vmm_panic *p)
{
    static char text[TEXT_BYTES]; /* under the devices' mutex */
    uint64_t bytes = min(c->p[4], (uint64_t)sizeof(text));

    if (!(c->control & GUEST_CRASH_HAS_TEXT) ||
        guest_read(&m->memory, (gpa_t){ c->p[3] }, text, bytes))
        return;
    panic_excerpt(text, bytes, p->text, sizeof(p->text));
}

void panic_take(struct machine *m)
{
    struct guest_crash c;
    uint64_t now = sys_clock();

    if (sys_guest_crash(m->partition, &c))
        return;
    mutex_lock(&m->devices_lock);
    if (!m->has_panic && (!m->panic_ns || now - m->panic_ns >= INTERVAL_NS)) {
        m->panic_ns = now;
        m->panic = (struct vmm_panic){ 0 };
        memcpy(m->panic.p, c.p, sizeof(m->panic.p));
        take_text(m, &c, &m->panic);
        __atomic_store_n(&m->has_panic, 1, __ATOMIC_RELEASE);
    }
    mutex_unlock(&m->devices_lock);
    sys_signal_raise(m->wake, 1ul << WAKE_VCPU);
}
