#!/usr/bin/env bash
# Train the spatially low-demand student, from the teacher's frames. Further flags pass through and override:
#   bash scripts/street/train_skd.sh --dataroot datasets/cityscapes
#   bash scripts/street/train_skd.sh --quick      (after train_teacher.sh --quick)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle street "$@"
train --stage skd --name "${RUN}_skd" "${DATA[@]}" --resume --dataset_mode street --use_instance --fg --netG sr_mobile_composite --low_demand \
    --teacher "checkpoints/${RUN}_teacher" --init "checkpoints/${RUN}_teacher" \
    ${PRESET[@]+"${PRESET[@]}"} ${FLAGS[@]+"${FLAGS[@]}"}
