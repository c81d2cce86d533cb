#!/usr/bin/env bash
# Which part of the method earns what? Trains a teacher, students with more and more of the method, a student of half the
# width, and narrower generators of equal cost, on the sample city; then compares them:
# results/street_ablation_seed0/index.html.
#   bash scripts/street/ablation.sh               (the quick preset; longer: raise its numbers of epochs below)
#   bash scripts/street/ablation.sh --quick       (a preset of seconds: shows that it works, not what is better)
#   SEED=1 bash scripts/street/ablation.sh        (another seed; bring seeds together with benchmark.py table --merge)
# Further flags go to benchmark.py ablation. What was trained is not trained again.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
source scripts/ablation.sh
TEACHER=(--preset street_quick) SKD=(--preset street_quick) TKD=(--preset street_quick)
ablate street "$@"
