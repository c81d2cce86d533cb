#!/usr/bin/env bash
# See scripts/stage.sh; for example: bash scripts/face/train_tkd.sh --dataroot datasets/my_face
exec bash "$(dirname "$0")/../stage.sh" face train_tkd "$@"
