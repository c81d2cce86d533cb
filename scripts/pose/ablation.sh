#!/usr/bin/env bash
# Which part of the method earns what? Trains a teacher, students with more and more of the method, a student of half the
# width, and narrower generators of equal cost, on the sample puppet; then compares them:
# results/pose_ablation_seed0/index.html.
#   bash scripts/pose/ablation.sh               (the quick preset; longer: raise its numbers of epochs below)
#   bash scripts/pose/ablation.sh --quick       (a preset of seconds: shows that it works, not what is better)
#   SEED=1 bash scripts/pose/ablation.sh        (another seed; bring seeds together with benchmark.py table --merge)
# Further flags go to benchmark.py ablation. What was trained is not trained again.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
source scripts/ablation.sh
TEACHER=(--preset pose_quick) SKD=(--preset pose_quick) TKD=(--preset pose_quick)
ablate pose "$@"
