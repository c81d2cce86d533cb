#!/usr/bin/env bash
# Train the teacher: every frame of every clip. Further flags pass through and override:
#   bash scripts/face/train_teacher.sh --dataroot datasets/my_faces
#   bash scripts/face/train_teacher.sh --quick      (on the sample face, small, in a minute)
# A run that was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
settle face "$@"
train --stage teacher --name "${RUN}_teacher" "${DATA[@]}" --resume \
    ${PRESET[@]+"${PRESET[@]}"} ${FLAGS[@]+"${FLAGS[@]}"}
