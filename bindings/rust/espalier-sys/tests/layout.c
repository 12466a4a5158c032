// SPDX-License-Identifier: Apache-2.0
/*
 * What the C compiler makes of the headers: one line for each struct and field that layout.rs asks
 * for, and for each constant. Compiled by that test, which writes the two lists.
 */
#include <espalier.h>
#include <espalier_inspect.h>
#include <espalier_slot.h>

#include <stdio.h>

#define STRUCT(type) printf(#type " %zu %zu\n", sizeof(type), _Alignof(type));
#define FIELD(type, field) \
    printf(#type "." #field " %zu %zu\n", offsetof(type, field), sizeof(((type *)0)->field));
#define CONSTANT(name) printf(#name " %llu\n", (unsigned long long)name);

int main(void)
{
#include <layout_list.inc>
    return 0;
}
