#!/usr/bin/env bash
# Synthesise the test videos with the part-time student, the teacher beside it. Further flags pass through and override:
#   bash scripts/pose/test.sh --dataroot datasets/my_dancers --keyframe_share 0.3
#   bash scripts/pose/test.sh --quick      (after train_tkd.sh --quick)
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle pose "$@"
"$PYTHON" test.py --checkpoint "checkpoints/${RUN}_tkd" --teacher "checkpoints/${RUN}_teacher" "${DATA[@]}" \
    ${FLAGS[@]+"${FLAGS[@]}"}
