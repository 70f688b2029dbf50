/* The value of modules=: file names of boot modules with commas between them. */
#pragma once
#include "lib/abi/vm_control.h"

#define MODULE_LIST_BYTES 2048u /* with its NUL */

/* Takes the name at *@at and moves *@at behind it and its comma. False: there is none. A name that
 * is longer than @name has room for is cut. */
bool module_list_next(const char **at, char name[GRANT_NAME_BYTES]);

unsigned module_list_count(const char *list);

/* 1 to VMM_MODULES_MAX names, none of them empty or too long, and the whole not either. */
bool module_list_is_good(const char *list);
