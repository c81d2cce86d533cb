# Sourced by the other scripts: goes to the project's folder, and knows which Python runs it.
# PYTHON=... chooses another one, also to make the environment with; VENV=... another place for that environment.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=${VENV:-.venv}
BASE_PYTHON=${PYTHON:-python3}
if [ -z "${PYTHON:-}" ]; then
    if [ -x "$VENV/bin/python" ]; then PYTHON=$VENV/bin/python; else PYTHON=python3; fi
fi

# install FILE...: make the environment and install these requirement files; nothing to do when they have not changed.
install() {
    local stamp
    stamp="$VENV/installed-$(cat "$@" | cksum | tr ' ' '-')"
    PYTHON=$VENV/bin/python
    [ -e "$stamp" ] && return
    echo "installing $* into $VENV (a few minutes the first time)"
    "$BASE_PYTHON" -m venv "$VENV"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check $(printf -- '-r %s ' "$@")
    touch "$stamp"
}
