#!/usr/bin/env bash
# WebGPU without a graphics card for the tests: Dawn (npm, in .webgpu of this checkout) on SwiftShader, the Vulkan driver
# of Debian's chromium that computes on the CPU.
#
#   webgpu.sh install   installs what is missing; prints the path of the driver's ICD file and nothing else on stdout
#
# The tests of test/ops that need it run with BANDALIGN_TEST_WEBGPU=$(test/services/webgpu.sh install).
# Where it cannot be had (not root, no apt-get, no network), it says so on stderr, prints nothing and exits 0.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
icd=/usr/lib/chromium/vk_swiftshader_icd.json

without() {
  echo "webgpu.sh: $1; the tests that need WebGPU are left out" >&2
  exit 0
}

has_driver() { [ -s "$icd" ] && ldconfig -p | grep -q 'libvulkan\.so\.1'; }

install_driver() {
  has_driver && return
  [ "$(id -u)" = 0 ] || without "it must be run as root to install libvulkan1 and chromium"
  command -v apt-get >/dev/null || without "no apt-get to install libvulkan1 and chromium with"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q libvulkan1 chromium >&2 ||
    { apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q libvulkan1 chromium >&2; } ||
    without "apt-get could not install libvulkan1 and chromium"
  has_driver || without "chromium was installed without $icd"
}

has_packages() { [ -s "$root/.webgpu/node_modules/webgpu/package.json" ]; }

install_packages() {
  has_packages && return
  # one installation at a time
  mkdir -p "$root/.services"
  exec 9>"$root/.services/webgpu.lock"
  command -v flock >/dev/null && flock 9
  has_packages && return
  node "$root/setup/webgpu.mjs" >&2 || without "npm could not install Dawn"
  exec 9>&-
}

case "${1:-}" in
install)
  install_driver
  install_packages
  echo "$icd"
  ;;
*)
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
