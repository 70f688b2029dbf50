/* From what a service says came of a request to the manager's answer. @ctx is a struct services. */
#pragma once
#include "lib/err.h"

void service_answers_item(void *ctx, const char *key, const char *value);
void service_answers_kvp(void *ctx, enum err err);
void service_answers_shutdown(void *ctx, enum err err);
void service_answers_vss(void *ctx, enum err err);
void service_answers_fcopy(void *ctx, enum err err);
