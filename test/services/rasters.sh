#!/usr/bin/env bash
# A Python that writes rasters as other programs do, for the tests: tifffile, rasterio, glymur, and pystac.
#
#   rasters.sh install   a virtual environment of this checkout (.services/rasters, about 400 MB); prints the path of its
#                        Python and nothing else on stdout
#
# Where it cannot be had (no Python >= 3.10, no network), it says so on stderr, prints nothing and exits 0: whoever must
# have it tests for the path.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/.services/rasters

without() {
  echo "rasters.sh: $1; the tests that need rasters of other programs are left out" >&2
  exit 0
}

works() {
  "$venv/bin/python" -c 'import glymur, imagecodecs, pystac.validation, rasterio, tifffile' >/dev/null 2>&1
}

[ "${1:-}" = install ] || { echo "rasters.sh: ${1:-no word}; give install" >&2; exit 2; }
if ! works; then
  command -v python3 >/dev/null || without "no python3"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || without "python3 is older than 3.10"
  # one installation at a time; a half one is begun again
  mkdir -p "$root/.services"
  exec 9>"$root/.services/rasters.lock"
  command -v flock >/dev/null && flock 9
  if ! works; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2 || without "python3 -m venv failed (Debian: apt-get install python3-venv)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check tifffile imagecodecs rasterio glymur packaging 'pystac[validation]' >&2 ||
      { rm -rf "$venv"; without "pip could not install them"; }
  fi
fi
echo "$venv/bin/python"
