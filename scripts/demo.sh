#!/usr/bin/env bash
# From nothing to a page: make the environment and the sample data, run the shipped model, show where the page is.
#   bash scripts/demo.sh [face|street|pose|all]      minutes, most of them installing; the kind is face where none is given
#   bash scripts/demo.sh --train                     trains a small face model first: 15 minutes on 2 cores
# A second run finds everything made and only tests again.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
install requirements.txt
export PYTHON

demo() { # KIND
    echo "$1: sample data (face: seconds, street: 2 minutes, pose: 1 minute), then the sample model on held-out frames"
    bash "scripts/$1/test.sh"
}

train_face() {
    PROCESSES=${PROCESSES:-$(default_processes)}
    export PROCESSES
    local data=datasets/face_sample recipe=(--preset sample --loadSize 64 --ngf 24 --affine 1 --dataroot datasets/face_sample)
    sample face "$data"
    echo "teacher 6 minutes, student 3 minutes (SKD), part-time student 3 minutes (TKD), at 64 x 64 pixels"
    bash scripts/face/train_teacher.sh "${recipe[@]}" --name demo_teacher --max_minutes 6
    bash scripts/face/train_skd.sh "${recipe[@]}" --name demo_skd --max_minutes 3 --teacher checkpoints/demo_teacher \
        --init checkpoints/demo_teacher --no_flow
    bash scripts/face/train_tkd.sh "${recipe[@]}" --name demo_tkd --max_minutes 3 --teacher checkpoints/demo_teacher \
        --init checkpoints/demo_skd --n_frames_total 8
    "$PYTHON" test.py --checkpoint checkpoints/demo_tkd --teacher checkpoints/demo_teacher --dataroot "$data" \
        --student_all --baselines --timing_runs 3 --output results/demo
}

case ${1:-face} in
--train) train_face ;;
all) for kind in face street pose; do demo "$kind"; done ;;
face | street | pose) demo "${1:-face}" ;;
*) echo "demo.sh $1: expected face, street, pose, all or --train" >&2 && exit 2 ;;
esac
