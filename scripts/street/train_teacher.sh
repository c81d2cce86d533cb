#!/usr/bin/env bash
# Train the teacher: every frame of every clip. Further flags pass through and override:
#   bash scripts/street/train_teacher.sh --dataroot datasets/cityscapes
#   bash scripts/street/train_teacher.sh --quick      (on the toy city, small, in a minute)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
run=street
if [ "${1:-}" = --quick ]; then
    shift
    run=street_quick
    set -- --preset street_quick --dataroot datasets/street_sample "$@"
    "$PYTHON" -m data.samples street --out datasets/street_sample
fi
"$PYTHON" train.py --stage teacher --name "${run}_teacher" --dataroot datasets/street --resume \
    --dataset_mode street --use_instance --fg "$@"
