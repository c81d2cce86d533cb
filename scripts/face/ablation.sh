#!/usr/bin/env bash
# Which part of the method earns what? Trains a teacher, students with more and more of the method, a student of half the
# width, and narrower generators of equal cost, on the sample face; then compares them:
# results/face_ablation_seed0/index.html.
#   bash scripts/face/ablation.sh               (the demo's presets for fixed numbers of steps: about 35 minutes on 2 cores
#                                                without the student of half the width, which came later)
#   bash scripts/face/ablation.sh --quick       (a preset of seconds: shows that it works, not what is better)
#   SEED=1 bash scripts/face/ablation.sh        (another seed; bring seeds together with benchmark.py table --merge)
# Further flags go to benchmark.py ablation. What was trained is not trained again.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
source scripts/ablation.sh
# 216, 96 and 144 steps
TEACHER=(--preset face_ablation_teacher --niter 5 --niter_decay 7 --steps_per_epoch 18)
SKD=(--preset face_ablation_skd --niter 3 --niter_decay 5 --steps_per_epoch 12)
TKD=(--preset face_ablation_tkd --niter 3 --niter_decay 3 --steps_per_epoch 24)
ablate face "$@"
