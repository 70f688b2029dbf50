/* Results for people: our own JSON laid out as aligned tables, amounts and times in words. */
#pragma once
#include "lib/types.h"

typedef void (*people_out)(const char *text, size_t n);

/* @json is a complete value as lib json.c wrote it. */
void people_show(const char *json, size_t n, people_out out);

/* "256M", "1.5M", "17 bytes" and "81.230 s", "2h 03m 04s"; @out has at least 32 bytes. */
void people_bytes(uint64_t v, char *out);
void people_ns(uint64_t v, char *out);
