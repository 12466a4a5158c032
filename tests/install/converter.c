// SPDX-License-Identifier: Apache-2.0
/*
 * A program that links the converter: converts argv[1] to argv[2]. Built against the installed
 * library; may include espalier_convert.h alone.
 */
#include <espalier_convert.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    espalier_error error;
    espalier_convert_report report;
    if (espalier_convert(argv[1], argv[2], NULL, &report, &error) != ESPALIER_OK) {
        fprintf(stderr, "converter: %s\n", error.message);
        return 1;
    }
    puts(report.summary);
    return 0;
}
