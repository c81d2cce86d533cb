#!/usr/bin/env bash
# See scripts/stage.sh; for example: bash scripts/pose/train_teacher.sh --dataroot datasets/my_pose
exec bash "$(dirname "$0")/../stage.sh" pose train_teacher "$@"
