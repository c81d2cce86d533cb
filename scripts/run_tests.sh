#!/usr/bin/env bash
# Run the tests in an environment of their own making. Further flags go to pytest:
#   bash scripts/run_tests.sh -m "not slow"
# As many files at once as there are cores, four at most, of one thread each; TEST_PROCESSES=1 runs one after another.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
install requirements.txt tests/requirements.txt
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# The finders' networks come last, a process a file: after their runtimes are loaded, a subprocess of a long test run
# was seen to end in a segmentation fault of the parent.
alone=(data/test_face_mesh data/test_blaze_pose data/test_hands data/test_prepare_many models/test_interpolation)
alone=("${alone[@]/#/tests/}")
alone=("${alone[@]/%/.py}")
"$PYTHON" -m pytest -n "${TEST_PROCESSES:-auto}" --maxprocesses 4 --dist loadfile "${alone[@]/#/--ignore=}" "$@"
"$PYTHON" -m pip install --quiet --disable-pip-version-check -r data/prepare/requirements.txt
for files in detectors face_sample videos; do "$PYTHON" -m data.fetch "$files"; done
for file in "${alone[@]}"; do
    "$PYTHON" -m pytest "$file" "$@"
done
