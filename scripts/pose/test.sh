#!/usr/bin/env bash
# Synthesise the test videos with the part-time student, the teacher beside it. Further flags pass through:
#   bash scripts/pose/test.sh --dataroot datasets/pose_sample --keyframe_share 0.3
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
"$PYTHON" test.py --checkpoint checkpoints/pose_tkd --teacher checkpoints/pose_teacher --dataroot datasets/pose "$@"
