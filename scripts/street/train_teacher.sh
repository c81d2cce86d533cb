#!/usr/bin/env bash
# Train the teacher: every frame of every clip. Further flags pass through and override:
#   bash scripts/street/train_teacher.sh --dataroot datasets/cityscapes
#   bash scripts/street/train_teacher.sh --quick      (on the toy city, small, in a minute)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle street "$@"
train --stage teacher --name "${RUN}_teacher" "${DATA[@]}" --resume --dataset_mode street --use_instance --fg \
    ${PRESET[@]+"${PRESET[@]}"} ${FLAGS[@]+"${FLAGS[@]}"}
