#!/usr/bin/env bash
# From nothing to a page: make the environment and the sample, train teacher and students briefly, test, show where
# the page is. Ends within 15 minutes on 2 cores. A second run finds everything made and only tests again.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
install requirements.txt
export PYTHON
PROCESSES=${PROCESSES:-$(default_processes)}
export PROCESSES

data=datasets/face_sample
sample face "$data"
bash scripts/face/train_teacher.sh --preset face_demo_teacher --dataroot "$data" --name demo_teacher
bash scripts/face/train_skd.sh --preset face_demo_skd --dataroot "$data" --name demo_skd \
    --teacher checkpoints/demo_teacher --init checkpoints/demo_teacher
bash scripts/face/train_tkd.sh --preset face_demo_tkd --dataroot "$data" --name demo_tkd \
    --teacher checkpoints/demo_teacher --init checkpoints/demo_skd
"$PYTHON" test.py --checkpoint checkpoints/demo_tkd --teacher checkpoints/demo_teacher --dataroot "$data" \
    --interpolation dis --student_all --baselines --timing_runs 5 --output results/demo
