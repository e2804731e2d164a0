#!/bin/sh
# Puts the exporters that the parity tests run into .deps/exporters: torch, torchvision, timm,
# transformers, anomalib 2 and 1, YOLOX. A minute and 2.4 GB; nothing is done when it is there.
#
#   scripts/exporters.sh     or `make exporters`
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
folder=$(pwd)/.deps/exporters
wanted=models/train/exporters/requirements.txt
uv_version=0.13.8
yolox_version=0.3.0
yolox_sha256=1b8ee68846434408c40074f0806259fe3b9387181e562dbc435ea666533d8d08
anomalib1_version=1.1.3

say() { echo "exporters: $*"; }

fail() {
    echo "exporters: $1" >&2
    exit 1
}

# What is installed is named by this script and the list it installs.
stamp=$(cat "$0" "$wanted" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python must be 3.11 or later and have venv; name another one: PYTHON=python3.12 make exporters"

rm -rf "$folder"
$python -m venv "$folder"
pip="$folder/bin/pip --quiet --disable-pip-version-check"
uv="$folder/bin/uv pip install --quiet --no-cache --python $folder/bin/python"
say "fetching torch, anomalib and others from the Python package index into .deps/exporters (1 GB)"
$pip install "uv==$uv_version"
$uv --no-deps --compile-bytecode --requirement "$wanted" || fail "the packages of $wanted could not be installed"

site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# The torch of the index is made for GPUs and does not load without their libraries, of which nothing
# is called where there is no GPU: empty ones stand in for 2.2 GB. Only its CUDA runtime is the real
# one, which says that there is no GPU.
torch=$site/torch
rm -rf "$torch/include" "$torch/bin/ptxas" "$torch"/bin/protoc* "$torch"/lib/libtorch_cuda_linalg.so "$torch"/lib/libcaffe2_nvrtc.so
stub=$folder/stub
mkdir "$stub"
# Lines of `version symbol`, with an empty version where the library has none.
nm -D --undefined-only "$torch"/lib/*.so |
    sed -nE 's/^ +U ((cu|nccl|nv)[A-Za-z0-9_]+)(@(.*))?$/\4 \1/p' | sort -u >"$stub/symbols"
for name in $(readelf -d "$torch"/lib/*.so | grep -oE '\[lib(cu|nccl|nv)[^]]*\]' | tr -d '[]' | sort -u); do
    case $name in
    libcudart.so.*) continue ;;
    libnvshmem_host.so.*) version=NVSHMEM ;;
    *) version=$name ;;
    esac
    grep -q "^$version " "$stub/symbols" || version=
    sed -nE "s/^$version (.*)/int \1(void) { return 1; }/p" "$stub/symbols" >"$stub/empty.c"
    echo "$version { global: *; };" >"$stub/versions"
    cc -shared -fPIC -o "$torch/lib/$name" -Wl,-soname,"$name" -Wl,--version-script="$stub/versions" "$stub/empty.c" ||
        fail "no empty $name could be made; is there a C compiler?"
done
rm -rf "$stub"

# Old packages whose own lists of dependencies no longer fit; only their code is taken.
$uv --no-deps --target "$folder/anomalib1" "anomalib==$anomalib1_version" || fail "anomalib $anomalib1_version could not be fetched"
rm -rf "$folder/download"
$pip download --no-deps --no-binary=:all: --no-build-isolation --dest "$folder/download" "yolox==$yolox_version" ||
    fail "yolox $yolox_version could not be fetched"
archive=$folder/download/yolox-$yolox_version.tar.gz
echo "$yolox_sha256  $archive" | sha256sum --check --status || fail "$archive is not the file this was tested with"
tar -xzf "$archive" -C "$folder/download"
cp -r "$folder/download/yolox-$yolox_version/yolox" "$site/"
rm -rf "$folder/download"

"$folder/bin/python" -c 'import torch, torchvision, timm, transformers, yolox, onnx, pycocotools' ||
    fail "the packages are there but cannot be imported"
echo "$stamp" >"$folder/stamp"
say "ready: $(du -sh "$folder" | cut -f1)"
