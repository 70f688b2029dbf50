/* What `host show` and the banner say; the Makefile may pass a longer one. */
#pragma once

#ifndef BULKHEAD_VERSION
#define BULKHEAD_VERSION "0.1.0"
#endif
