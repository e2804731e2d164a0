#!/bin/sh
# Puts the two foreign readers of Sparkplug messages that the tests ask into .deps/sparkplug: pysparkplug
# from the Python package index, sparkplug-payload from npm. Half a minute and 60 MB; nothing is done when
# they are there.
#
#   scripts/sparkplug-tools.sh     or `make sparkplug-tools`
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
folder=$(pwd)/.deps/sparkplug
python_packages="pysparkplug==0.6.1 paho-mqtt==1.6.1 protobuf==7.36.2"
node_packages="sparkplug-payload@1.0.3 protobufjs@6.11.6 long@4.0.0"

say() { echo "sparkplug-tools: $*"; }

fail() {
    echo "sparkplug-tools: $1" >&2
    exit 1
}

# What is installed is named by this script.
stamp=$(sha256sum "$0" | cut -d' ' -f1)
if [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' ||
    fail "$python must be 3.10 or later and have venv; name another one: PYTHON=python3.12 make sparkplug-tools"
command -v npm >/dev/null || fail "npm is missing: apt-get install npm"

rm -rf "$folder"
say "fetching pysparkplug and sparkplug-payload into .deps/sparkplug"
$python -m venv "$folder/python"
# shellcheck disable=SC2086 # a list of words
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --no-deps $python_packages ||
    fail "the Python packages could not be fetched"
mkdir -p "$folder/node"
# shellcheck disable=SC2086 # a list of words
npm install --prefix "$folder/node" --silent --no-audit --no-fund --ignore-scripts --save-exact $node_packages ||
    fail "the npm packages could not be fetched"

"$folder/python/bin/python" -c 'import pysparkplug' || fail "pysparkplug is there but cannot be imported"
(cd "$folder/node" && node -e 'require("sparkplug-payload").get("spBv1.0")') ||
    fail "sparkplug-payload is there but cannot be loaded"
echo "$stamp" >"$folder/stamp"
say "ready: $(du -sh "$folder" | cut -f1)"
