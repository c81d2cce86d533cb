#!/usr/bin/env bash
# One stage of one kind; scripts/KIND/STAGE.sh calls it:
#   bash scripts/stage.sh KIND STAGE FLAG...
# KIND: face, street, pose. STAGE: train_teacher (every frame of every clip), train_skd (the spatially low-demand student,
# from the teacher's frames), train_tkd (the part-time student, on key-frames), test (the student, the teacher beside it;
# without a trained run, --checkpoint, --dataroot and --video the shipped sample model on the sample data).
# Further flags pass through and override. `--quick` as the first one: the sample of that kind, small, in a minute.
# A training that was interrupted goes on where it was saved. PROCESSES=N: so many processes, also of test.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
kind=$1 stage=$2
shift 2
run=$kind data=datasets/$kind preset=()
if [ "${1:-}" = --quick ]; then
    shift
    data=datasets/${kind}_sample preset=(--preset "${kind}_quick") run=${kind}_quick
    sample "$kind" "$data"
fi
teacher=checkpoints/${run}_teacher
case $kind in
face) of_kind=() ;;
street) of_kind=(--dataset_mode street --use_instance --fg) ;;
pose) of_kind=(--dataset_mode pose --resize_or_crop scaleHeight) ;;
*) echo "stage.sh $kind: expected face, street or pose" >&2 && exit 2 ;;
esac
student=(--netG sr_mobile_composite --low_demand --teacher "$teacher")
case $stage in
train_teacher) flags=(--stage teacher) ;;
train_skd) flags=(--stage skd "${student[@]}" --init "$teacher") ;;
train_tkd) flags=(--stage tkd "${student[@]}" --init "checkpoints/${run}_skd") ;;
test)
    shipped=checkpoints/${kind}_sample
    if [[ ! " $*" =~ " --"(checkpoint|dataroot|video) ]] && [ ! -e "checkpoints/${run}_tkd" ] && [ -e "${shipped}_teacher" ]; then
        echo "no run checkpoints/${run}_tkd: these are the sample models ${shipped}_*, on the sample data"
        sample "$kind" "datasets/${kind}_sample"
        data=datasets/${kind}_sample
        methods=(--checkpoint "${shipped}_teacher" --keyframes all) results=(--baselines --output "results/${kind}_sample")
        [ ! -e "${shipped}_student" ] || methods=(--checkpoint "${shipped}_student" --teacher "${shipped}_teacher")
    else
        methods=(--checkpoint "checkpoints/${run}_tkd" --teacher "$teacher") results=()
    fi
    # streams are drawn by the student alone
    [[ ! " $*" =~ " --"(serve|webcam|video) ]] || methods=("${methods[@]:0:2}") results=()
    in_processes test.py "${methods[@]}" --dataroot "$data" ${results[@]+"${results[@]}"} "$@"
    exit
    ;;
*) echo "stage.sh $stage: expected train_teacher, train_skd, train_tkd or test" >&2 && exit 2 ;;
esac
train --name "${run}_${stage#train_}" --dataroot "$data" --resume ${of_kind[@]+"${of_kind[@]}"} "${flags[@]}" \
    ${preset[@]+"${preset[@]}"} "$@"
