#!/usr/bin/env bash
# Run the tests in an environment of their own making. Further flags go to pytest:
#   bash scripts/run_tests.sh -m "not slow"
set -euo pipefail
source "$(dirname "$0")/environment.sh"
install requirements.txt tests/requirements.txt
# some tests need files of others, which are not ours to ship
for files in detectors face_sample videos; do "$PYTHON" -m data.fetch "$files"; done
"$PYTHON" -m pytest "$@"
