#!/bin/sh
# Brings what taktgate needs to build, to run and to be tested, on Debian 12 and 13 and Ubuntu 24.04.
# Only what is missing is installed; when nothing is, this takes a fraction of a second.
#
#   scripts/setup.sh     or `make setup`; `make demo` and `make test` call it first
#
# Left alone: Rust (only checked), and an ONNX Runtime named by ORT_DYLIB_PATH.
set -eu
cd "$(dirname "$0")/.."

# clang brings the matching libclang with it, and linux-libc-dev has the header of video4linux.
build_packages="g++ pkg-config clang linux-libc-dev
    libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev
    libopencv-calib3d-dev libopencv-features2d-dev libopencv-flann-dev
    libopencv-objdetect-dev libopencv-video-dev libopencv-videoio-dev"
# Aravis speaks to industrial cameras (the feature `genicam`); its package forgets libusb's headers.
camera_packages="libaravis-dev libusb-1.0-0-dev"
broker_packages="mosquitto mosquitto-clients"
# The first sets the clock of a station under test, and of nothing else; the others bring a GigE Vision
# camera that is not there, and `ip` for a network of its own.
test_packages="faketime aravis-tools iproute2"

ort_version=1.31.1
ort_folder=$(pwd -P)/.deps/onnxruntime/lib
ort_library=$ort_folder/libonnxruntime.so.$ort_version
case $(uname -m) in
x86_64)
    ort_platform=manylinux_2_28_x86_64
    ort_wheel_sha256=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
    ort_library_sha256=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
    ;;
aarch64)
    ort_platform=manylinux_2_28_aarch64
    ort_wheel_sha256=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3
    ort_library_sha256=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467
    ;;
*) ort_platform= ;;
esac

say() { echo "setup: $*"; }

fail() {
    echo "setup: $1" >&2
    shift
    for line; do echo "    $line" >&2; done
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

has_pip() { "$1" -m pip --version >/dev/null 2>&1; }

has_sha256() { # FILE SHA256
    [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status
}

# Rust: told about, never installed, because it belongs to the user and not to the machine.
check_rust() {
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    command -v cargo >/dev/null || fail "cargo is missing; install Rust $needed or later from https://rustup.rs:" \
        "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" \
        ". \"\$HOME/.cargo/env\""
    found=$(rustc --version 2>/dev/null | cut -d' ' -f2)
    [ -n "$found" ] || fail "cargo is there but rustc does not run; with rustup:" "rustup default stable"
    oldest=$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)
    [ "$oldest" = "$needed" ] || fail "Rust $found is too old, $needed or later is needed:" \
        "rustup update stable     # or install rustup from https://rustup.rs"
}

# Sets `ort_missing` to yes or no.
check_onnxruntime() {
    ort_missing=no
    case ${ORT_DYLIB_PATH:-} in
    '' | "$ort_folder"/*) ;;
    *)
        [ -f "$ORT_DYLIB_PATH" ] || fail "ORT_DYLIB_PATH names a file that is not there: $ORT_DYLIB_PATH" \
            "unset ORT_DYLIB_PATH     # ONNX Runtime is fetched then"
        say "ONNX Runtime is $ORT_DYLIB_PATH, as ORT_DYLIB_PATH says"
        return
        ;;
    esac
    [ -n "$ort_platform" ] || fail "there is no ONNX Runtime $ort_version wheel for $(uname -m); name your own library:" \
        "export ORT_DYLIB_PATH=/path/to/libonnxruntime.so"
    has_sha256 "$ort_library" "$ort_library_sha256" || ort_missing=yes
}

# Sets `missing` to the packages that are not installed.
check_packages() {
    wanted="$build_packages $camera_packages $broker_packages $test_packages"
    # pip fetches ONNX Runtime, so that the user's own package mirror is asked.
    if [ "$ort_missing" = yes ] && ! has_pip python3 && ! has_pip /usr/bin/python3; then
        wanted="$wanted ca-certificates python3-pip"
    fi
    # shellcheck disable=SC2086,SC2016 # a list of words; dpkg's fields, not the shell's
    installed=$(dpkg-query --show --showformat='${Package}=${db:Status-Status}\n' $wanted 2>/dev/null) || :
    missing=
    for package in $wanted; do
        case "
$installed
" in
        *"
$package=installed
"*) ;;
        *) missing="$missing $package" ;;
        esac
    done
}

install_packages() {
    options="-y --no-install-recommends"
    by_hand="apt-get update && apt-get install $options$missing"
    say "packages are missing: OpenCV, Aravis and clang build taktgate, mosquitto is the MQTT broker of its tests and demo:"
    echo "$missing" | fold -s -w 100 | sed 's/^ */    /'
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        fail "that needs root, and there is no sudo. Run this as root, then try again:" "$by_hand"
    fi
    say "installing them: some 400 packages and 300 MB on a bare machine, two minutes"
    # A broken third-party source must not stop this; what is then missing, the installation says.
    as_root apt-get update -qq || say "apt-get update complained; going on"
    # shellcheck disable=SC2086 # lists of words
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -o DPkg::Lock::Timeout=300 $options $missing >/dev/null ||
        fail "the packages could not be installed. Run this as root, then try again (Ubuntu: \`universe\` must be on):" "$by_hand"
    case "$missing " in
    *" mosquitto "*) stop_broker ;;
    esac
}

# The tests and the demo start brokers of their own; the service of a package that only we wanted
# must not stay. `systemctl enable --now mosquitto` brings it back.
stop_broker() {
    say "switching off the mosquitto service that came with the package"
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable --now mosquitto.service >/dev/null 2>&1 || say "could not: systemctl disable --now mosquitto"
    else
        as_root service mosquitto stop >/dev/null 2>&1 || :
        as_root update-rc.d mosquitto disable >/dev/null 2>&1 || :
    fi
}

install_onnxruntime() {
    python=python3
    has_pip $python || python=/usr/bin/python3
    say "fetching ONNX Runtime $ort_version (24 MB) from the Python package index into .deps/onnxruntime"
    rm -rf .deps/download
    mkdir -p .deps/download "$ort_folder"
    $python -m pip --disable-pip-version-check download --quiet --dest .deps/download --no-deps \
        --only-binary=:all: --implementation cp --python-version 3.11 --platform "$ort_platform" \
        "onnxruntime==$ort_version" || fail "pip could not fetch onnxruntime $ort_version; is the package index reachable? Or:" \
        "export ORT_DYLIB_PATH=/path/to/libonnxruntime.so     # 1.24 or later"
    wheel=$(echo .deps/download/*.whl)
    has_sha256 "$wheel" "$ort_wheel_sha256" || fail "$wheel is not the wheel this was tested with" \
        "expected sha256 $ort_wheel_sha256" "found           $(sha256sum "$wheel" | cut -d' ' -f1)"
    $python - "$wheel" "$ort_folder" "$ort_version" <<'PYTHON'
import pathlib, sys, zipfile

wheel, folder, version = sys.argv[1:]
with zipfile.ZipFile(wheel) as files:
    for name in (f"capi/libonnxruntime.so.{version}", "LICENSE", "ThirdPartyNotices.txt"):
        path = pathlib.Path(folder, pathlib.Path(name).name)
        path.write_bytes(files.read(f"onnxruntime/{name}"))
PYTHON
    has_sha256 "$ort_library" "$ort_library_sha256" || fail "$ort_library is damaged; is the disk full?"
    ln -sf "libonnxruntime.so.$ort_version" "$ort_folder/libonnxruntime.so.1"
    ln -sf libonnxruntime.so.1 "$ort_folder/libonnxruntime.so"
    rm -rf .deps/download
}

check_rust
check_onnxruntime
if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    check_packages
    [ -z "$missing" ] || install_packages
else
    say "no apt here, so packages are not checked. Needed: OpenCV 4 with headers (OPENCV_* in .cargo/config.toml)," \
        "clang with libclang, a C++ compiler, mosquitto, pip"
fi
[ "$ort_missing" = no ] || install_onnxruntime
say "everything is there"
