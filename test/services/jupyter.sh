#!/usr/bin/env bash
# A real Jupyter for the tests: nbconvert, JupyterLab, papermill and jupytext in a virtual environment of this checkout (.services/jupyter, about 250 MB).
#
#   jupyter.sh install   installs if needed; prints the path of `jupyter` and nothing else on stdout
#
# The tests of test/notebook that need it run with BANDALIGN_TEST_JUPYTER=$(test/services/jupyter.sh install).
# Where it cannot be had (no Python >= 3.9, no network), it says so on stderr, prints nothing and exits 0.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/.services/jupyter

without() {
  echo "jupyter.sh: $1; the tests that need Jupyter are left out" >&2
  exit 0
}

complete() { "$venv/bin/jupyter" nbconvert --version >/dev/null 2>&1 && "$venv/bin/jupyter" lab --version >/dev/null 2>&1 &&
  [ -x "$venv/bin/papermill" ] && [ -x "$venv/bin/jupytext" ]; }

install() {
  complete && return
  command -v python3 >/dev/null || without "no python3"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || without "python3 is older than 3.9"
  # one installation at a time; a half one is begun again
  mkdir -p "$root/.services"
  exec 9>"$root/.services/jupyter.lock"
  command -v flock >/dev/null && flock 9
  complete && return
  rm -rf "$venv"
  python3 -m venv "$venv" >&2 || without "python3 -m venv failed (Debian: apt-get install python3-venv)"
  "$venv/bin/pip" install --quiet --disable-pip-version-check nbconvert jupyterlab notebook papermill jupytext >&2 ||
    { rm -rf "$venv"; without "pip could not install nbconvert, jupyterlab, notebook, papermill and jupytext"; }
  exec 9>&-
}

case "${1:-}" in
install)
  install
  echo "$venv/bin/jupyter"
  ;;
*)
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
