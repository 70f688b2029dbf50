/* Fields of registers, named by their mask. */
#pragma once
#include "lib/types.h"

/* The field @mask of @value, shifted down. */
#define field_get(value, mask) (((uint64_t)(value) & (mask)) / ((mask) & -(uint64_t)(mask)))
/* @x as the field @mask. */
#define field_put(x, mask) (((uint64_t)(x) * ((mask) & -(uint64_t)(mask))) & (mask))
