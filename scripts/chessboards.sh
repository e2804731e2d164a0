#!/bin/sh
# Takes the chessboards of OpenCV's samples, on which `taktgate calibrate` is held against the lens that
# OpenCV publishes for them, out of Debian's package `opencv-doc` into .deps/chessboards. 96 MB are
# fetched and 400 kB kept; nothing is installed, and nothing is done when they are there.
#
#   scripts/chessboards.sh     or `make chessboards`
set -eu
cd "$(dirname "$0")/.."

folder=$(pwd)/.deps/chessboards
inside=./usr/share/doc/opencv-doc/examples/data

say() { echo "chessboards: $*"; }

fail() {
    echo "chessboards: $1" >&2
    exit 1
}

[ -f "$folder/left14.jpg" ] && exit 0
say "fetching opencv-doc from the package mirror"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# apt's own user must be able to write there.
chmod 777 "$scratch"
download() { (cd "$scratch" && apt-get download -qq opencv-doc 2>/dev/null); }
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
download || { as_root apt-get update -qq && download; } ||
    fail "opencv-doc could not be fetched (Ubuntu: \`universe\` must be on)"
dpkg-deb --fsys-tarfile "$scratch"/opencv-doc_*.deb |
    tar -x -C "$scratch" --wildcards "$inside/left*.jpg" ||
    fail "this opencv-doc has no $inside/left*.jpg"
mkdir -p "$folder"
mv "$scratch/$inside"/left*.jpg "$folder/"
say "ready: $(find "$folder" -name 'left*.jpg' | wc -l) pictures in .deps/chessboards"
