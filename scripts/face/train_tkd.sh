#!/usr/bin/env bash
# Train the part-time student: key-frames alone, starting from the spatially low-demand one. Further flags pass through and override:
#   bash scripts/face/train_tkd.sh --dataroot datasets/face_sample --preset face_small
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
"$PYTHON" train.py --stage tkd --name face_tkd --dataroot datasets/face --resume --netG sr_mobile_composite --low_demand \
    --teacher checkpoints/face_teacher --init checkpoints/face_skd "$@"
