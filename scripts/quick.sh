#!/usr/bin/env bash
# Every script of every kind on its sample world, small, one after the other: do they run, end to end? In minutes.
#   bash scripts/quick.sh              all kinds
#   bash scripts/quick.sh street       some
set -euo pipefail
source "$(dirname "$0")/environment.sh"
[ $# -gt 0 ] || set -- face street pose
for kind in "$@"; do
    for step in train_teacher train_skd train_tkd test; do
        bash "scripts/$kind/$step.sh" --quick
    done
done
