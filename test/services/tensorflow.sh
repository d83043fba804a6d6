#!/usr/bin/env bash
# TensorFlow's own library for the tests: what `npm run setup:tensorflow` builds into .tensorflow of this checkout
# (about 500 MB and two minutes; without CUDA where there is no card).
#
#   tensorflow.sh install   builds it if it is not there; prints its folder and nothing else on stdout
#
# The tests of test/ops that need it run with BANDALIGN_TEST_TENSORFLOW=$(test/services/tensorflow.sh install).
# Where it cannot be had (no node_modules yet, no pip, no compiler, no network), it says so on stderr, prints nothing
# and exits 0.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$root/.tensorflow

without() {
  echo "tensorflow.sh: $1; the tests that need TensorFlow's library are left out" >&2
  exit 0
}

# the addon is of one version of the setup
built() { [ -s "$folder/built.json" ] && [ ! "$root/setup/tensorflow.mjs" -nt "$folder/built.json" ]; }

case "${1:-}" in
install)
  if ! built; then
    mkdir -p "$root/.services"
    exec 9>"$root/.services/tensorflow.lock"
    command -v flock >/dev/null && flock 9
    built || node "$root/setup/tensorflow.mjs" >&2 || without "setup/tensorflow.mjs failed"
    exec 9>&-
  fi
  echo "$folder"
  ;;
*)
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
