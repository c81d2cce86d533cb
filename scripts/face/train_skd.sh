#!/usr/bin/env bash
# Train the spatially low-demand student, from the teacher's frames. Further flags pass through and override:
#   bash scripts/face/train_skd.sh --dataroot datasets/my_faces
#   bash scripts/face/train_skd.sh --quick      (after train_teacher.sh --quick)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle face "$@"
train --stage skd --name "${RUN}_skd" "${DATA[@]}" --resume --netG sr_mobile_composite --low_demand \
    --teacher "checkpoints/${RUN}_teacher" --init "checkpoints/${RUN}_teacher" \
    ${PRESET[@]+"${PRESET[@]}"} ${FLAGS[@]+"${FLAGS[@]}"}
