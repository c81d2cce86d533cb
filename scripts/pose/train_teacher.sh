#!/usr/bin/env bash
# Train the teacher: every frame of every clip. Further flags pass through and override:
#   bash scripts/pose/train_teacher.sh --dataroot datasets/my_dancers
#   bash scripts/pose/train_teacher.sh --quick      (on the puppet, small, in a minute)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle pose "$@"
train --stage teacher --name "${RUN}_teacher" "${DATA[@]}" --resume --dataset_mode pose --resize_or_crop scaleHeight \
    ${PRESET[@]+"${PRESET[@]}"} ${FLAGS[@]+"${FLAGS[@]}"}
