#!/usr/bin/env bash
# A real MLflow server for the tests, on loopback.
#
#   mlflow.sh install   the newest MLflow in a virtual environment of this checkout (.services/mlflow, about 1 GB)
#   mlflow.sh start     installs if needed, starts, waits until it answers; prints its address and nothing else on stdout
#   mlflow.sh stop      ends it
#   mlflow.sh kill      ends it as a power cut would (SIGKILL to every process of it)
#   mlflow.sh python    path of the environment's Python
#
# MLFLOW_SERVICE_PORT (5617) and MLFLOW_SERVICE_DIR (.services/mlflow-server: database, artifacts, log) choose another
# server beside it; MLFLOW_SERVICE_VERSION pins the release.
# Where it cannot be had (no Python >= 3.10, no network), it says so on stderr, prints no address and exits 0:
# whoever must have it tests for the address.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/.services/mlflow
port=${MLFLOW_SERVICE_PORT:-5617}
folder=${MLFLOW_SERVICE_DIR:-$root/.services/mlflow-server}
address=http://127.0.0.1:$port

without() {
  echo "mlflow.sh: $1; the tests that need an MLflow server are left out" >&2
  exit 0
}

install() {
  [ -e "$venv/complete" ] && return
  command -v python3 >/dev/null || without "no python3"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || without "python3 is older than 3.10"
  # one installation at a time; a half one is begun again
  mkdir -p "$root/.services"
  exec 9>"$root/.services/mlflow.lock"
  command -v flock >/dev/null && flock 9
  [ -e "$venv/complete" ] && return
  rm -rf "$venv"
  python3 -m venv "$venv" >&2 || without "python3 -m venv failed (Debian: apt-get install python3-venv)"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "mlflow${MLFLOW_SERVICE_VERSION:+==$MLFLOW_SERVICE_VERSION}" >&2 ||
    { rm -rf "$venv"; without "pip could not install mlflow"; }
  touch "$venv/complete"
  exec 9>&-
}

answers() { python3 - "$address" <<'PY'
import sys, urllib.request
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1] + "/health", timeout=2).read()
except Exception:
    sys.exit(1)
PY
}

group() { [ -s "$folder/pid" ] && kill -0 -- "-$(cat "$folder/pid")" 2>/dev/null; }

start() {
  install
  [ -x "$venv/bin/mlflow" ] || exit 0
  if group && answers; then echo "$address"; return; fi
  mkdir -p "$folder/artifacts"
  # a session of its own: its workers are then ended together, and a Ctrl-C of the tests does not reach it
  cd "$folder" || exit 1
  MLFLOW_TRACKING_URI= MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false setsid "$venv/bin/mlflow" server --host 127.0.0.1 --port "$port" \
    --workers "${MLFLOW_SERVICE_WORKERS:-1}" --backend-store-uri "sqlite:///$folder/mlflow.db" \
    --artifacts-destination "$folder/artifacts" ${MLFLOW_SERVICE_OPTIONS:-} >>"$folder/log" 2>&1 9>&- </dev/null &
  echo $! >"$folder/pid"
  for _ in $(seq 240); do
    if answers; then echo "$address"; return; fi
    group || { tail -5 "$folder/log" >&2; without "the server ended at once (see $folder/log)"; }
    sleep 0.25
  done
  stop
  without "the server did not answer within 60 s (see $folder/log)"
}

signal() {
  [ -s "$folder/pid" ] || return 0
  kill "$1" -- "-$(cat "$folder/pid")" 2>/dev/null
  for _ in $(seq 40); do group || break; sleep 0.1; done
  group && kill -KILL -- "-$(cat "$folder/pid")" 2>/dev/null
  rm -f "$folder/pid"
}

stop() { signal -TERM; }

case ${1:-} in
  install) install ;;
  start) start ;;
  stop) stop ;;
  kill) signal -KILL ;;
  python) [ -x "$venv/bin/python" ] && echo "$venv/bin/python" ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
