// SPDX-License-Identifier: Apache-2.0
/*
 * Untrusted text inside files that programs read: SVG, HTML, Graphviz. Includes cli.h and libc.
 * Control, invisible and direction-changing characters first become visible, as on a terminal, so
 * no reader of any of these obeys them.
 */
#ifndef ESPALIER_CLI_MARKUP_H
#define ESPALIER_CLI_MARKUP_H

#include "cli.h"

/* The text as espalier_print_escaped prints it, to be freed; NULL: no memory. */
char *espalier_visible_text(const char *text, size_t bytes);

/* The columns a monospaced font needs for visible text: wide characters take two. */
size_t espalier_visible_columns(const char *text);

/* Cuts visible text to so many columns, with "..." at its end where something was cut. */
void espalier_visible_cut(char *text, size_t columns_max);

/* Visible text as the content or a quoted attribute of XML and HTML. */
void espalier_print_xml(FILE *stream, const char *text);

/* Visible text inside the quotes of a Graphviz string. */
void espalier_print_dot(FILE *stream, const char *text);

/* JSON that may stand inside a script element: ASCII, without <, > and &. False: no memory. */
bool espalier_print_script_json(FILE *stream, const json_t *value);

#endif
