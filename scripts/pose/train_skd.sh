#!/usr/bin/env bash
# Train the spatially low-demand student, from the teacher's frames. Further flags pass through and override:
#   bash scripts/pose/train_skd.sh --dataroot datasets/pose_sample --preset pose_quick
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
"$PYTHON" train.py --stage skd --name pose_skd --dataroot datasets/pose --resume \
    --dataset_mode pose --resize_or_crop scaleHeight --netG sr_mobile_composite --low_demand \
    --teacher checkpoints/pose_teacher --init checkpoints/pose_teacher "$@"
