#!/usr/bin/env bash
# Synthesise the test videos with the part-time student, the teacher beside it. Further flags pass through and override:
#   bash scripts/street/test.sh --dataroot datasets/cityscapes --keyframe_share 0.3
#   bash scripts/street/test.sh --quick      (after train_tkd.sh --quick)
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle street "$@"
"$PYTHON" test.py --checkpoint "checkpoints/${RUN}_tkd" --teacher "checkpoints/${RUN}_teacher" "${DATA[@]}" \
    ${FLAGS[@]+"${FLAGS[@]}"}
