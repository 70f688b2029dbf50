/* What the files of this folder share. */
#pragma once
#include "arch/x86/svm/svm_check.h"
#include "arch/x86/svm/svm_regs.h"

extern struct svm_check_limits svm_limits; /* of this machine; set by virt_init() */
