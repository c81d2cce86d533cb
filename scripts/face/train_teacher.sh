#!/usr/bin/env bash
# Train the teacher: every frame of every clip. Further flags pass through and override:
#   bash scripts/face/train_teacher.sh --dataroot datasets/face_sample --preset face_small
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
"$PYTHON" train.py --stage teacher --name face_teacher --dataroot datasets/face --resume "$@"
