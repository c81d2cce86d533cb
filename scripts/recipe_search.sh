#!/usr/bin/env bash
# Change one thing at a time in the recipe of the sample models, and compare (docs/training.md has the table):
#   bash scripts/recipe_search.sh KIND [FLAG...]      KIND: face, street, pose; flags go to every training
# Small teachers of equal steps. EPOCHS=10 are 240 clips each; PARTS="base diff_augment" trains only those.
# All wait for nobody's clock, so a busy machine changes no figure. What is trained already is not trained again.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
kind=${1:?expected a kind: face, street or pose}
shift
epochs=${EPOCHS:-10} data=datasets/${kind}_sample
case $kind in
face) size=64 of_kind=(--ngf 24 --affine 1) ;;
street) size=96 of_kind=(--dataset_mode street --use_instance --ngf 20 --affine 0.3 --begin_as_copy --cond_dropout 0.2) ;;
pose) size=96 of_kind=(--dataset_mode pose --openpose_only --resize_or_crop scaleHeight --ngf 20 --affine 0.5) ;;
*) echo "recipe_search.sh $kind: expected face, street or pose" >&2 && exit 2 ;;
esac
sample "$kind" "$data"

compared=()
try() { # NAME FLAG...
    local name=recipe_${kind}_$1
    [[ " ${PARTS:-$1} " == *" $1 "* ]] || return 0
    shift
    train --preset sample --dataroot "$data" --name "$name" --resume "${of_kind[@]}" --loadSize "$size" \
        --niter $((epochs * 6 / 10)) --niter_decay $((epochs - epochs * 6 / 10)) --niter_step $((epochs / 2)) "$@"
    compared+=("checkpoints/$name")
}
try base "$@"
try no_corruption --cond_noise 0 --cond_dropout 0 "$@"
try diff_augment --diff_augment "$@"
try r1 --lambda_R1 1 "$@"
try spectral_norm --spectral_norm "$@"
try begin_as_copy --begin_as_copy --cond_dropout 0.2 "$@"
try lr_heads_1 --lr_heads 1 "$@"
try backpropagate_2 --frames_per_step 2 --max_frames_per_gpu 2 --frames_backpropagate 2 --max_frames_backpropagate 2 "$@"
try no_decay --niter "$epochs" --niter_decay 0 "$@"
try narrow_longer --ngf 12 --niter "$epochs" --niter_decay "$epochs" "$@"
if [[ " ${PARTS:-growing} " == *" growing "* ]]; then
    PARTS=half try half --loadSize $((size / 2)) --niter $((epochs / 2)) --niter_decay 0 "$@"
    unset 'compared[-1]'
    PARTS=growing try growing --init "checkpoints/recipe_${kind}_half" --niter $((epochs / 10)) \
        --niter_decay $((epochs - epochs / 2 - epochs / 10)) --n_frames_total 8 "$@"
fi
"$PYTHON" benchmark.py samples --kinds "$kind" --compare "${compared[@]}" --rollout 120 --timing_runs 1 \
    --output "results/recipe_$kind"
