#!/usr/bin/env bash
# Train the part-time student: key-frames alone, from the spatially low-demand one. Further flags pass through and override:
#   bash scripts/face/train_tkd.sh --dataroot datasets/my_faces
#   bash scripts/face/train_tkd.sh --quick      (after train_skd.sh --quick)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle face "$@"
train --stage tkd --name "${RUN}_tkd" "${DATA[@]}" --resume --netG sr_mobile_composite --low_demand \
    --teacher "checkpoints/${RUN}_teacher" --init "checkpoints/${RUN}_skd" \
    ${PRESET[@]+"${PRESET[@]}"} ${FLAGS[@]+"${FLAGS[@]}"}
