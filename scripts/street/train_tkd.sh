#!/usr/bin/env bash
# Train the part-time student: key-frames alone, from the spatially low-demand one. Further flags pass through and override:
#   bash scripts/street/train_tkd.sh --dataroot datasets/cityscapes
#   bash scripts/street/train_tkd.sh --quick      (on the toy city, after train_skd.sh --quick)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
run=street
if [ "${1:-}" = --quick ]; then
    shift
    run=street_quick
    set -- --preset street_quick --dataroot datasets/street_sample "$@"
fi
"$PYTHON" train.py --stage tkd --name "${run}_tkd" --dataroot datasets/street --resume \
    --dataset_mode street --use_instance --fg --netG sr_mobile_composite --low_demand \
    --teacher "checkpoints/${run}_teacher" --init "checkpoints/${run}_skd" "$@"
