/* host-only: docs/commands.md and docs/events.md as text, from the tables of the program. */
#pragma once
#include <stdio.h>

void docs_commands(FILE *out);
void docs_events(FILE *out);
void docs_services(FILE *out);
