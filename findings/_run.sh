# Sourced by the findings: `run PACKAGE==VERSION … <<'PYTHON'` runs the program on these packages in a folder of its own.
set -eu
run() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "${PYTHON:-python3}" -m venv "$folder/venv"
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$folder/venv/bin/python" -m pip install --quiet "$@" 2>"$folder/pip.log" || {
        cat "$folder/pip.log" >&2
        exit 1
    }
    # In the empty folder, so that nothing of the project can be imported.
    (cd "$folder" && venv/bin/python -I -)
}
