#!/usr/bin/env bash
# Are fewer key-frames fair? Draws the held-out frames of a kind's sample by the published recipe, and by ours with
# fewer and fewer key-frames, and prints PSNR and SSIM of each; videos and pages are in results/fewer_keyframes_KIND.
#   bash scripts/fewer_keyframes.sh street
#   CHECKPOINT=checkpoints/demo_tkd bash scripts/fewer_keyframes.sh face
# Without CHECKPOINT it trains teacher and students first, as the kind's small preset has it, for 45 minutes; with more
# cores or a GPU they take more steps (OMP_NUM_THREADS=1: one core). What was interrupted goes on where it was saved.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
export PYTHON
kind=${1:?expected a kind: face, street or pose}
data=datasets/${kind}_sample run=${kind}_small results=results/fewer_keyframes_$kind

sample "$kind" "$data"
if [ -z "${CHECKPOINT:-}" ]; then
    CHECKPOINT=checkpoints/${run}_tkd
    flags=(--preset "$run" --dataroot "$data")
    bash "scripts/$kind/train_teacher.sh" "${flags[@]}" --name "${run}_teacher" --steps_per_epoch 90 --max_minutes 27
    bash "scripts/$kind/train_skd.sh" "${flags[@]}" --name "${run}_skd" --teacher "checkpoints/${run}_teacher" \
        --init "checkpoints/${run}_teacher" --begin_as_copy false --lambda_kd 10 --n_frames_total 8 --niter 3 \
        --niter_decay 5 --niter_step 4 --steps_per_epoch 40 --max_minutes 9
    bash "scripts/$kind/train_tkd.sh" "${flags[@]}" --name "${run}_tkd" --teacher "checkpoints/${run}_teacher" \
        --init "checkpoints/${run}_skd" --begin_as_copy false --lr 0.0005 --n_frames_total 10 --max_clip_frames 10 \
        --frames_per_step 2 --max_frames_per_gpu 2 --frames_backpropagate 2 --max_frames_backpropagate 2 \
        --niter 3 --niter_decay 3 --niter_step 6 --steps_per_epoch 60 --max_minutes 9
fi

# draw NAME FLAG...
draw() {
    local folder=$results/$1
    shift
    "$PYTHON" test.py --checkpoint "$CHECKPOINT" --dataroot "$data" --output "$folder" "$@" >"$folder.log" 2>&1 ||
        { tail -n 1 "$folder.log" >&2; return 1; }
    "$PYTHON" - "$folder" "$*" <<'PYTHON'
import json
import sys
from pathlib import Path

made = json.loads((Path(sys.argv[1]) / "summary.json").read_text())["methods"]["fast"]
print(f"{made['psnr']:.2f} dB  SSIM {made['ssim']:.3f}  share {made['keyframe_share']:.2f}  {sys.argv[2]}", flush=True)
PYTHON
}

mkdir -p "$results"
echo "$CHECKPOINT on $data, results in $results"
for rule in published uniform; do
    draw "$rule" --keyframes "$rule" --keyframe_share 0.29 --interpolation minterpolate
done
for share in 0.3 0.2 0.15 0.1; do
    for between in guided dis; do
        draw "dp_${share}_$between" --keyframes dp --keyframe_share "$share" --interpolation "$between"
    done
done
