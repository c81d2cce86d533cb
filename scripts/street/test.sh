#!/usr/bin/env bash
# See scripts/stage.sh; for example: bash scripts/street/test.sh --dataroot datasets/my_street
exec bash "$(dirname "$0")/../stage.sh" street test "$@"
