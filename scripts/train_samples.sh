#!/usr/bin/env bash
# Train the sample models of a kind from nothing, as those that are shipped in checkpoints/KIND_sample_{teacher,student}:
#   bash scripts/train_samples.sh KIND [FLAG...]      KIND: face, street, pose; flags go to every training
# In minutes of one core: the teacher at each size, the smallest first, then the student (SKD, TKD):
#   face 26 + 100, 40 + 25; street 28 + 94, 40 + 20; pose 24 + 38 + 48, 68 + 17
# An interrupted training goes on where it was saved. 16-bit copies take the places of the shipped models.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
kind=${1:?expected a kind: face, street or pose}
shift
data=datasets/${kind}_sample blend_shift=0 student_flow=no # faces and dancers learn no flow, and show none
full_size=() # flags for the teacher at its full size
case $kind in
face) minutes=(26 100 40 25) sizes=(64 128) of_kind=(--ngf 24 --affine 1) ;;
street)
    minutes=(28 94 40 20) sizes=(128 256) data=datasets/street_sample_21 blend_shift=-1 student_flow=yes
    # no --fg: that branch reads labels alone, and a car's colour stands in no label; the copy of the frame before has it
    of_kind=(--dataset_mode street --use_instance --ngf 20 --affine 0.3 --begin_as_copy --cond_dropout 0.2)
    ;;
pose)
    minutes=(24 38 48 68 17) sizes=(128 192 256) full_size=(--niter 5 --niter_decay 8) data=datasets/pose_sample_5
    of_kind=(--dataset_mode pose --openpose_only --resize_or_crop scaleHeight --ngf 20 --affine 0.5)
    ;;
*) echo "train_samples.sh $kind: expected face, street or pose" >&2 && exit 2 ;;
esac
case $kind in
face) sample face "$data" ;;
street) "$PYTHON" -m data.samples street --streets 21 --out "$data" ;;
pose) "$PYTHON" -m data.samples pose --dances 5 --out "$data" ;;
esac

run=${kind}_sample_run
step() { # NAME MINUTES FLAG...
    local name=${run}_$1 time=$2
    shift 2
    train --preset sample --dataroot "$data" --name "$name" --resume --max_minutes "$time" "${of_kind[@]}" "$@"
}
long=(--lr 0.0004 --n_frames_total 6 --max_clip_frames 12 --niter 100 --niter_decay 150)
last=$((${#sizes[@]} - 1))
flags=()
for place in "${!sizes[@]}"; do
    [ "$place" != "$last" ] || flags+=(${full_size[@]+"${full_size[@]}"})
    step "teacher_${sizes[place]}" "${minutes[place]}" --loadSize "${sizes[place]}" ${flags[@]+"${flags[@]}"} "$@"
    teacher=checkpoints/${run}_teacher_${sizes[place]}
    flags=("${long[@]}" --niter_step 20 --init "$teacher")
done
student=("${long[@]}" --loadSize "${sizes[last]}" --netG sr_mobile_composite --low_demand --teacher "$teacher")
step skd "${minutes[last + 1]}" "${student[@]}" --niter_step 10 --stage skd --init "$teacher" "$@"
step tkd "${minutes[last + 2]}" "${student[@]}" --n_frames_total 12 --lr 0.0003 --stage tkd \
    --init "checkpoints/${run}_skd" "$@"
"$PYTHON" - "$blend_shift" "$student_flow" "$teacher" "checkpoints/${kind}_sample_teacher" "checkpoints/${run}_tkd" \
    "checkpoints/${kind}_sample_student" <<'PYTHON'
import sys
from pathlib import Path

from models import checkpoint

shift, student_flow, teacher, shipped_teacher, student, shipped_student = sys.argv[1:]
pairs = ((teacher, shipped_teacher, True), (student, shipped_student, student_flow == "yes"))
for run, shipped, has_flow in pairs:  # docs/training.md: the blend decides what a scene keeps
    checkpoint.save_for_inference(
        checkpoint.load(run, flag="run"), Path(shipped), blend_shift=float(shift), has_flow=has_flow
    )
PYTHON
