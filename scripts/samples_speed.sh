#!/usr/bin/env bash
# Frames a second of the shipped models with each runtime, as rows of a table in Markdown: from semantic frames to frames,
# motion compensation included. Use a machine that does nothing else. Further flags go to test.py.
#   bash scripts/samples_speed.sh
#   RUNTIMES="eager onnx" bash scripts/samples_speed.sh --max_frames 10
# compile needs a C++ compiler; onnx and openvino need requirements-fast.txt.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
mkdir -p results/samples_speed
read -ra runtimes <<<"${RUNTIMES:-eager compile onnx openvino}"
printf '| frames a second |'
printf ' `%s` |' "${runtimes[@]}"
printf '\n|---|'
printf -- '--:|%.0s' "${runtimes[@]}"
for kind in face street pose; do
    data=datasets/${kind}_sample
    sample "$kind" "$data" >/dev/null
    for model in teacher student every_frame; do
        checkpoint=checkpoints/${kind}_sample_$model flags=(--keyframes all)
        [ -e "$checkpoint" ] || continue
        [ "$model" != student ] || flags=()
        printf '\n| `%s` |' "${checkpoint##*/}"
        for runtime in "${runtimes[@]}"; do
            folder=results/samples_speed/${checkpoint##*/}_$runtime
            "$PYTHON" test.py --checkpoint "$checkpoint" --dataroot "$data" --runtime "$runtime" --timing_runs 5 \
                --output "$folder" ${flags[@]+"${flags[@]}"} "$@" >"$folder.log" 2>&1 ||
                { tail -n 1 "$folder.log" >&2; exit 1; }
            "$PYTHON" - "$folder/summary.json" <<'END'
import json, sys
print(f" {json.load(open(sys.argv[1]))['methods']['fast']['fps']:.1f} |", end="")
END
        done
    done
done
echo
