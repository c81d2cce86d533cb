#!/usr/bin/env bash
# Train the part-time student: key-frames alone, starting from the spatially low-demand one. Further flags pass through and override:
#   bash scripts/pose/train_tkd.sh --dataroot datasets/pose_sample --preset pose_quick
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
"$PYTHON" train.py --stage tkd --name pose_tkd --dataroot datasets/pose --resume \
    --dataset_mode pose --resize_or_crop scaleHeight --netG sr_mobile_composite --low_demand \
    --teacher checkpoints/pose_teacher --init checkpoints/pose_skd "$@"
