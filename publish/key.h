// SPDX-License-Identifier: Apache-2.0
/*
 * What key files and signature files have in common. Nothing outside publish/ includes it.
 */
#ifndef ESPALIER_PUBLISH_KEY_H
#define ESPALIER_PUBLISH_KEY_H

#include "espalier_publish.h"

#include <stdbool.h>

/* The longest key or signature file that is read, and the longest line of it. */
#define ESPALIER_KEY_TEXT_BYTES 16384u

/* Cuts the line at *text off: returns it, NUL-terminated in place without its end (LF or CR LF),
 * and moves *text behind it; NULL when there is none left. */
char *espalier_key_take_line(char **text);

/* Decodes a line of base64 that holds exactly `bytes` bytes. */
bool espalier_key_decode(const char *line, uint8_t *data_out, size_t bytes);

/* A key's id as minisign shows it: 16 hexadecimal digits, the last byte first. */
void espalier_key_id_text(const uint8_t id[8], char text_out[17]);

#endif
