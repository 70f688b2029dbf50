/* Tests of the system calls from inside a program, debug build only: a VM whose command line begins
 * with SELFTEST_WORD runs them in place of its guest and stops with the number of failures as its
 * exit code. tests/system starts it. */
#pragma once
#include "services/vmm/machine.h"

#define SELFTEST_WORD "bulkhead.selftest"

bool selftest_is_wanted(const struct machine *m);
/* Says "ok NAME" or "not ok NAME: line N" on the VM's console; returns how many failed. */
unsigned selftest_run(struct machine *m);
