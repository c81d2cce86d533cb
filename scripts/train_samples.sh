#!/usr/bin/env bash
# Train the sample model of a kind from nothing, as the one that is shipped in checkpoints/KIND_sample_teacher:
#   bash scripts/train_samples.sh face      (about 26 and 100 minutes on one core: 64 x 64 pixels, then 128 x 128)
# An interrupted training goes on where it was saved. The result is checkpoints/KIND_sample_run; the 16-bit copy for
# sharing takes the place of the shipped one.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
kind=${1:?expected a kind: face}
[ "$kind" = face ] || { echo "train_samples.sh $kind: expected face; other kinds have no sample model yet" >&2; exit 2; }
data=datasets/${kind}_sample
sample "$kind" "$data"
train --preset "${kind}_sample_64" --dataroot "$data" --name "${kind}_sample_64" --resume
train --preset "${kind}_sample" --dataroot "$data" --name "${kind}_sample_run" --resume \
    --init "checkpoints/${kind}_sample_64"
"$PYTHON" - "checkpoints/${kind}_sample_run" "checkpoints/${kind}_sample_teacher" <<'PYTHON'
import sys
from pathlib import Path

from models import checkpoint

checkpoint.save_for_inference(checkpoint.load(sys.argv[1], flag="run"), Path(sys.argv[2]))
PYTHON
