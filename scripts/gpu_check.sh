#!/usr/bin/env bash
# What needs a GPU, within 25 minutes: the CUDA tests, a step of each training with --amp bf16 and one with --compile,
# CUDA graphs, and benchmark.py speed at the paper's settings. Leaves one file, gpu_check.json.
#   bash scripts/gpu_check.sh                         on a machine with a GPU
#   bash scripts/gpu_check.sh --device cpu --quick    tiny networks on the CPU: tries the script, not the GPU
set -euo pipefail
source "$(dirname "$0")/environment.sh"
[ -d datasets/street_sample ] || sample street datasets/street_sample
exec "$PYTHON" benchmark.py gpu "$@"
