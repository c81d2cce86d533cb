#!/usr/bin/env bash
# Train the teacher: every frame of every clip. Further flags pass through and override:
#   bash scripts/pose/train_teacher.sh --dataroot datasets/pose_sample --preset pose_quick
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
"$PYTHON" train.py --stage teacher --name pose_teacher --dataroot datasets/pose --resume \
    --dataset_mode pose --resize_or_crop scaleHeight "$@"
