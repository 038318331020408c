#!/usr/bin/env bash
# Set-up and build that the README's two commands share: installs what is missing of tools/packages.txt, then builds the
# release preset. Safe to run again: installs and rebuilds only what is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing=()
while read -r package; do
  [[ -z "$package" || "$package" == \#* ]] && continue
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done < tools/packages.txt

if (( ${#missing[@]} )); then
  echo "installing: ${missing[*]}"
  sudo=""
  (( EUID == 0 )) || sudo="sudo"
  $sudo apt-get update -q
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

preset="${1:-release}"
[[ -f "build/$preset/build.ninja" ]] || cmake --preset "$preset"
cmake --build "build/$preset"
