#!/usr/bin/env bash
# Synthesise the test videos with the part-time student, the teacher beside it. Further flags pass through:
#   bash scripts/face/test.sh --dataroot datasets/face_sample --keyframe_share 0.3
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
"$PYTHON" test.py --checkpoint checkpoints/face_tkd --teacher checkpoints/face_teacher --dataroot datasets/face "$@"
