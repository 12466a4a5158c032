#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/browser.sh BUILD ESPALIER: opens the page of espalier inspect in headless Chromium and
# uses it. Pictures go to BUILD/browser. Leaves with 77 where there is no browser, or no network
# for selenium from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
espalier=$2
work=$build/browser
for tool in chromium chromedriver; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "browser: no $tool here (scripts/install_deps.sh installs it)"
        exit 77
    }
done
if ! "$work/venv/bin/python" -c 'import selenium' 2>/dev/null; then
    mkdir -p "$work"
    if ! { python3 -m venv "$work/venv" &&
        "$work/venv/bin/pip" -q install selenium==4.51.0; } >"$work/venv.log" 2>&1; then
        echo "browser: selenium cannot be installed: $(tail -n 1 "$work/venv.log")"
        exit 77
    fi
fi
# What looks for mistakes that people with a screen reader would meet; without npm it is left out.
axe=$work/axe/package/axe.min.js
if [ ! -f "$axe" ] && command -v npm >/dev/null 2>&1; then
    mkdir -p "$work/axe"
    (cd "$work/axe" && npm pack --silent axe-core@4.14.1 && tar xzf axe-core-4.14.1.tgz \
        package/axe.min.js) >"$work/axe.log" 2>&1 ||
        echo "browser: no axe-core: $(tail -n 1 "$work/axe.log")"
fi
"$work/venv/bin/python" -B tests/browser/drive_report.py --espalier "$espalier" \
    --axe "$axe" --shots "$work/pictures" 2>&1
echo "browser: pictures are in $work/pictures"
