/* An exception that is raised while another one is being delivered. Pure. Source: AMD64 APM vol. 2,
 * "#DF - Double-Fault Exception" and "Shutdown". */
#pragma once

enum combination {
    COMBINE_SERIALLY,     /* the second is delivered; the first comes again by itself, or is lost */
    COMBINE_DOUBLE_FAULT, /* #DF with error code 0 in place of both */
    COMBINE_SHUTDOWN,
};

enum combination exceptions_combine(unsigned first, unsigned second);
