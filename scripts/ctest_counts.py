# SPDX-License-Identifier: Apache-2.0
"""Prints "passed N failed N skipped N" for a JUnit report of ctest (--output-junit)."""

import sys
import xml.etree.ElementTree as ElementTree


def main():
    suite = ElementTree.parse(sys.argv[1]).getroot()
    passed = failed = skipped = 0
    for case in suite.iter("testcase"):
        status = case.get("status")
        if status == "run":
            passed += 1
        elif status in ("notrun", "disabled"):
            # ctest says "notrun" for SKIP_RETURN_CODE and for a program that is not there.
            message = "".join(child.get("message", "") for child in case)
            if status == "disabled" or message.startswith("SKIP_RETURN_CODE"):
                skipped += 1
            else:
                failed += 1
        else:
            failed += 1
    print(f"passed {passed} failed {failed} skipped {skipped}")


if __name__ == "__main__":
    main()
