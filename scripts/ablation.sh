# Sourced by scripts/*/ablation.sh, after environment.sh.

# ablate KIND TEACHER_PRESET SKD_PRESET TKD_PRESET [--quick] FLAG...: train with more and more of the method on the
# sample of that kind, and compare. `--quick` takes a preset of seconds for everything. SEED=N trains with another seed,
# in runs of its own. Further flags go to `benchmark.py ablation`.
ablate() {
    local kind=$1 teacher=$2 skd=$3 tkd=$4 run data=datasets/$1_sample seed=${SEED:-0} ngf
    shift 4
    run=${kind}_ablation
    if [ "${1:-}" = --quick ]; then
        shift
        teacher=${kind}_quick skd=${kind}_quick tkd=${kind}_quick run=${kind}_quick_ablation
    fi
    run=${run}_seed$seed
    export PYTHON
    "$PYTHON" -m data.samples "$kind" --out "$data"

    # train STAGE NAME FLAG...
    train() {
        local stage=$1 name=$2
        shift 2
        bash "scripts/$kind/train_$stage.sh" --dataroot "$data" --seed "$seed" --name "${run}_$name" "$@"
    }
    train teacher teacher --preset "$teacher"
    local from_teacher=(--teacher "checkpoints/${run}_teacher" --init "checkpoints/${run}_teacher")
    local from_skd=(--teacher "checkpoints/${run}_teacher" --init "checkpoints/${run}_skd")
    train skd no_kd --preset "$skd" "${from_teacher[@]}" --lambda_kd 0
    train skd skd --preset "$skd" "${from_teacher[@]}"
    # the same steps on key-frames without the rows of temporal distillation: what is due to training on alone
    train tkd keyframes --preset "$tkd" "${from_skd[@]}" --lambda_kd_local 0 --lambda_kd_global 0
    train tkd tkd --preset "$tkd" "${from_skd[@]}"
    # plain generators of equal cost: of the student on every frame, and of the part-time student
    local share baselines=()
    for share in 1 0.3; do
        ngf=$("$PYTHON" benchmark.py width --checkpoint "checkpoints/${run}_teacher" \
            --target "checkpoints/${run}_skd" --keyframe_share "$share")
        train teacher "ngf$ngf" --preset "$teacher" --ngf "$ngf"
        # both may be nearest to the same width
        [[ " ${baselines[*]-} " == *"_ngf$ngf "* ]] || baselines+=(--baseline "checkpoints/${run}_ngf$ngf")
    done
    "$PYTHON" benchmark.py ablation --dataroot "$data" --teacher "checkpoints/${run}_teacher" \
        --no_kd "checkpoints/${run}_no_kd" --skd "checkpoints/${run}_skd" \
        --keyframes "checkpoints/${run}_keyframes" --tkd "checkpoints/${run}_tkd" \
        "${baselines[@]}" --output "results/$run" "$@"
}
