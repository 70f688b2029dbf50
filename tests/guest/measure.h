/* Single measurements and their median, for payloads that measure. */
#pragma once
#include "tests/guest/payload.h"

#define ROUNDS 1000u

static uint64_t samples[ROUNDS];

static uint64_t median(void)
{
    for (unsigned int i = 1; i < ROUNDS; i++)
        for (unsigned int k = i; k && samples[k] < samples[k - 1]; k--) {
            uint64_t t = samples[k];

            samples[k] = samples[k - 1];
            samples[k - 1] = t;
        }
    return samples[ROUNDS / 2];
}
