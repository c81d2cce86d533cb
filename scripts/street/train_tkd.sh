#!/usr/bin/env bash
# Train the part-time student: key-frames alone, from the spatially low-demand one. Further flags pass through and override:
#   bash scripts/street/train_tkd.sh --dataroot datasets/cityscapes
#   bash scripts/street/train_tkd.sh --quick      (after train_skd.sh --quick)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle street "$@"
train --stage tkd --name "${RUN}_tkd" "${DATA[@]}" --resume --dataset_mode street --use_instance --fg --netG sr_mobile_composite --low_demand \
    --teacher "checkpoints/${RUN}_teacher" --init "checkpoints/${RUN}_skd" \
    ${PRESET[@]+"${PRESET[@]}"} ${FLAGS[@]+"${FLAGS[@]}"}
