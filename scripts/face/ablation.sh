#!/usr/bin/env bash
# Which part of the method earns what? Trains a teacher, students with more and more of the method, and narrower
# generators of equal cost, on the sample face; then compares them: results/face_ablation_seed0/index.html.
#   bash scripts/face/ablation.sh               (the demo's presets)
#   bash scripts/face/ablation.sh --quick       (a preset of seconds: shows that it works, not what is better)
#   SEED=1 bash scripts/face/ablation.sh        (another seed; bring seeds together with benchmark.py table --merge)
# Further flags go to benchmark.py ablation. What was trained is not trained again.
set -euo pipefail
source "$(dirname "$0")/../environment.sh"
source scripts/ablation.sh
ablate face face_demo_teacher face_demo_skd face_demo_tkd "$@"
