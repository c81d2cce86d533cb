#!/usr/bin/env bash
# See scripts/stage.sh; for example: bash scripts/street/train_skd.sh --dataroot datasets/my_street
exec bash "$(dirname "$0")/../stage.sh" street train_skd "$@"
