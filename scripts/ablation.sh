# Sourced by scripts/*/ablation.sh, after environment.sh.

# ablate KIND [--quick] FLAG...: train with more and more of the method on the sample of that kind, and compare. The
# flags of each stage are in the arrays TEACHER, SKD and TKD; `--quick` takes a preset of seconds for everything.
# SEED=N trains with another seed, in runs of its own. Further flags go to `benchmark.py ablation`.
#
# What is compared is trained alike: the narrow generators take as many steps as the teacher, and the variants of a
# stage as many as each other; a step has two clips, on one process or on two; the learning rate falls by steps, and
# nothing ends by the clock, so that a busy machine trains nobody less.
ablate() {
    local kind=$1 run data=datasets/$1_sample seed=${SEED:-0} ngf
    shift
    run=${kind}_ablation
    if [ "${1:-}" = --quick ]; then
        shift
        TEACHER=(--preset "${kind}_quick") run=${kind}_quick_ablation
        SKD=("${TEACHER[@]}") TKD=("${TEACHER[@]}")
    fi
    run=${run}_seed$seed
    PROCESSES=${PROCESSES:-$(default_processes)}
    if [ "$PROCESSES" -gt 2 ]; then
        echo "PROCESSES=$PROCESSES: an ablation has two clips a step, expected 1 or 2" >&2
        return 1
    fi
    export PYTHON PROCESSES
    sample "$kind" "$data"

    # train STAGE NAME FLAG...
    train() {
        local stage=$1 name=$2
        shift 2
        bash "scripts/$kind/train_$stage.sh" --dataroot "$data" --seed "$seed" --name "${run}_$name" "$@" \
            --batchSize $((2 / PROCESSES)) --max_minutes 0
    }
    train teacher teacher "${TEACHER[@]}"
    local from_teacher=(--teacher "checkpoints/${run}_teacher" --init "checkpoints/${run}_teacher")
    local from_skd=(--teacher "checkpoints/${run}_teacher" --init "checkpoints/${run}_skd")
    train skd no_kd "${SKD[@]}" "${from_teacher[@]}" --lambda_kd 0
    train skd skd "${SKD[@]}" "${from_teacher[@]}"
    # the same steps on key-frames without the losses of temporal distillation: what is due to training on alone
    train tkd keyframes "${TKD[@]}" "${from_skd[@]}" --lambda_kd_local 0 --lambda_kd_global 0
    train tkd tkd "${TKD[@]}" "${from_skd[@]}"
    # half the width, from the most important channels of the student
    ngf=$("$PYTHON" - "checkpoints/${run}_skd" <<'PYTHON'
import sys

from models import checkpoint

print(max(1, checkpoint.load(sys.argv[1], flag="--init").config.generator.ngf // 2))
PYTHON
    )
    train skd narrow "${SKD[@]}" "${from_skd[@]}" --ngf "$ngf"
    # plain generators of equal cost: of the student on every frame, and of the part-time student
    local share baselines=()
    for share in 1 0.3; do
        ngf=$("$PYTHON" benchmark.py width --checkpoint "checkpoints/${run}_teacher" \
            --target "checkpoints/${run}_skd" --keyframe_share "$share")
        train teacher "ngf$ngf" "${TEACHER[@]}" --ngf "$ngf"
        # both may be nearest to the same width
        [[ " ${baselines[*]-} " == *"_ngf$ngf "* ]] || baselines+=(--baseline "checkpoints/${run}_ngf$ngf")
    done
    "$PYTHON" benchmark.py ablation --dataroot "$data" --teacher "checkpoints/${run}_teacher" \
        --no_kd "checkpoints/${run}_no_kd" --skd "checkpoints/${run}_skd" \
        --narrow "checkpoints/${run}_narrow" \
        --keyframes "checkpoints/${run}_keyframes" --tkd "checkpoints/${run}_tkd" \
        "${baselines[@]}" --output "results/$run" "$@"
}
