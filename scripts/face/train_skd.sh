#!/usr/bin/env bash
# Train the spatially low-demand student, from the teacher's frames. Further flags pass through and override:
#   bash scripts/face/train_skd.sh --dataroot datasets/face_sample --preset face_small
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
"$PYTHON" train.py --stage skd --name face_skd --dataroot datasets/face --resume --netG sr_mobile_composite --low_demand \
    --teacher checkpoints/face_teacher --init checkpoints/face_teacher "$@"
