#!/bin/sh
# Makes the virtual environment VENV with this project and everything it needs: install.sh VENV
#
#   PYTHON=/path/to/python   the interpreter; default: the first of CANDIDATES that fits
#   EXTRAS=learn,yolo        what to install beside the data half (pyproject.toml); default: dev
#   TORCH_INDEX=URL          a package index to take PyTorch from, such as one without CUDA
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
venv=$1
extras=${EXTRAS-dev}
# constraints.txt was tested with 3.11, so it comes first.
CANDIDATES="python3.11 python3.12 python3.13 python3.14 python3"

stop() {
    echo "setup: $1" >&2
    exit 2
}

# What keeps an interpreter from being used; nothing if it fits. $1: the interpreter, $2: newest minor
fault() {
    "$1" - "$2" 2>/dev/null <<'PYTHON' || echo "one that does not start"
import sys
version = ".".join(map(str, sys.version_info[:3]))
if not (3, 11) <= sys.version_info[:2] <= (3, int(sys.argv[1])):
    print("Python", version)
else:
    try:
        import ensurepip, venv
    except ImportError:
        print("Python %s without venv: apt install python%d.%d-venv" % ((version,) + sys.version_info[:2]))
PYTHON
}

# Sets `python`, or stops with one line that says what was found.
choose() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || stop "wanted an interpreter, PYTHON=$PYTHON is none"
        why=$(fault "$PYTHON" 99)
        [ -z "$why" ] || stop "wanted Python 3.11 or newer with venv, PYTHON=$PYTHON is $why"
        python=$PYTHON
        return
    fi
    python=$venv/bin/python # of an earlier installation
    [ ! -x "$python" ] || [ -n "$(fault "$python" 14)" ] || return 0
    found=
    for python in $CANDIDATES; do
        command -v "$python" >/dev/null || continue
        why=$(fault "$python" 14)
        [ -n "$why" ] || return 0
        found="$found${found:+; }$python is $why"
    done
    stop "wanted Python 3.11 to 3.14 with venv, looked for $CANDIDATES: ${found:-found none}; install\
 one (Debian, Ubuntu: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python"
}

# An environment of an earlier version: what its successors replace must go first, as they share
# folders (cv2, ultralytics).
clear_replaced() {
    for old in "$venv"/lib/python3*/site-packages/opencv_python-[0-8]*.dist-info \
        "$venv"/lib/python3*/site-packages/ultralytics-[0-9]*.dist-info; do
        [ ! -d "$old" ] || "$venv/bin/python" -m pip uninstall --yes \
            opencv-python opencv-python-headless ultralytics ultralytics-opencv-headless
    done
}

# Whether the extras bring PyTorch.
learns() {
    case ",$extras," in
    *,dev,* | *,all,* | *,learn,* | *,yolo,* | *,exports,*) ;;
    *) return 1 ;;
    esac
}

announce() {
    packages=$(grep -c == "$here/constraints.txt")
    if ! learns; then
        size="about 70 packages, 0.3 GB to download and 1 GB on disk; about a minute"
    elif [ -n "${TORCH_INDEX:-}" ]; then
        size="up to $packages packages, PyTorch from $TORCH_INDEX"
    else
        size="up to $packages packages, 3.3 GB to download and 7 GB on disk, most of it PyTorch with\
 CUDA (TORCH_INDEX=URL takes it from another index); about 5 minutes at 200 Mbit/s"
    fi
    echo "setup: $("$python" --version) ($(command -v "$python")) into $venv, extras: ${extras:-none}"
    echo "setup: $size"
}

install() {
    pip="$venv/bin/python -m pip --disable-pip-version-check"
    [ "$python" = "$venv/bin/python" ] || "$python" -m venv --clear "$venv"
    clear_replaced
    if learns && [ -n "${TORCH_INDEX:-}" ]; then
        $pip install -c "$here/constraints.txt" --no-deps --index-url "$TORCH_INDEX" torch torchvision
    fi
    $pip install -c "$here/constraints.txt" "$here/installation/opencv-python" \
        -e "$here${extras:+[$extras]}"
}

choose
announce
start=$(date +%s)
trap 'echo "setup: stopped after $(($(date +%s) - start)) s, see above; make setup starts again" >&2' EXIT
install
trap - EXIT
echo "setup: done after $(($(date +%s) - start)) s, $(du -sh "$venv" | cut -f1) in $venv"
