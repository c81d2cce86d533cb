#!/usr/bin/env bash
# Synthesise the test videos with the part-time student, the teacher beside it. Further flags pass through:
#   bash scripts/street/test.sh --dataroot datasets/cityscapes --keyframe_share 0.3
#   bash scripts/street/test.sh --quick      (on the toy city, after train_tkd.sh --quick)
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
run=street
if [ "${1:-}" = --quick ]; then
    shift
    run=street_quick
    set -- --dataroot datasets/street_sample --max_frames 16 "$@"
fi
"$PYTHON" test.py --checkpoint "checkpoints/${run}_tkd" --teacher "checkpoints/${run}_teacher" --dataroot datasets/street "$@"
