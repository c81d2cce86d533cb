# Sourced by the other scripts: goes to the project's folder, and knows which Python runs it.
# PYTHON=... chooses another one, also to make the environment with; VENV=... another place for that environment.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=${VENV:-.venv}
case ${OSTYPE:-} in msys* | cygwin*) venv_python=$VENV/Scripts/python.exe ;; *) venv_python=$VENV/bin/python ;; esac
BASE_PYTHON=${PYTHON:-python3}
if [ -z "${PYTHON:-}" ]; then
    if [ -x "$venv_python" ]; then PYTHON=$venv_python; else PYTHON=python3; fi
fi

# train FLAG...: one process, or as many as PROCESSES says: one a GPU, or one a core (docs/training.md).
train() {
    in_processes train.py "$@"
}

# in_processes PROGRAM FLAG...: a program in one process, or in as many as PROCESSES says.
in_processes() {
    local program=()
    if [ "${PROCESSES:-1}" -gt 1 ]; then
        program=(-m torch.distributed.run --standalone --nproc_per_node "$PROCESSES")
        # torch would say that it sets one thread a process, and warn of a search for unused weights that some steps need
        export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} TORCH_CPP_LOG_LEVEL=${TORCH_CPP_LOG_LEVEL:-ERROR}
    fi
    "$PYTHON" ${program[@]+"${program[@]}"} "$@"
}

# sample KIND DIR: write the sample dataset of that kind; the video of the face is fetched first.
sample() {
    [ "$1" != face ] || "$PYTHON" -m data.fetch face_sample
    "$PYTHON" -m data.samples "$1" --out "$2"
}

# default_processes: prints 1 for a GPU, else one a core, two at most: on small frames two processes do more than two
# threads of one.
default_processes() {
    "$PYTHON" -c 'import os, torch; print(1 if torch.cuda.is_available() else min(2, os.cpu_count() or 1))'
}

# install FILE...: make the environment and install these requirement files; nothing to do when they have not changed.
install() {
    local stamp
    stamp="$VENV/installed-$(cat "$@" | cksum | tr ' ' '-')"
    PYTHON=$venv_python
    [ -e "$stamp" ] && return
    echo "installing $* into $VENV (a few minutes the first time)"
    "$BASE_PYTHON" -m venv "$VENV"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check $(printf -- '-r %s ' "$@")
    touch "$stamp"
}
