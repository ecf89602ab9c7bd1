#!/usr/bin/env bash
# surprise: `import iris` starts threads before anything is computed, and twice: numpy and scipy each bring an OpenBLAS of their own, and each starts one for every further processor.
# expected: An import starts no threads; at the most there is one library for linear algebra, and one set of threads.
# versions: scitools-iris 3.14.1, numpy 2.4.6, scipy 1.17.1
# seen: 2026-11-29
# matters: On a node with many processors each worker of a pool, and each short script of a job, starts all of them, and at first they wait busily. Where many processes share a node, set `OPENBLAS_NUM_THREADS=1` before Python starts.
# page: how_to/pipelines
# output:
#   OPENBLAS_NUM_THREADS=2: 1 thread, with numpy 2, with Iris 3
#   OPENBLAS_NUM_THREADS=1: 1 thread, with numpy 1, with Iris 1

set -euo pipefail

packages=(
  scitools-iris==3.14.1
  numpy==2.4.6
  scipy==1.17.1
  dask==2026.8.0
  netCDF4==1.7.5.1.post1
  cf-units==3.3.1
  cftime==1.6.6.1
  xxhash==3.8.2
)

if [[ $(nproc) == 1 ]]; then
  echo "could not be tried: OpenBLAS starts no threads where there is one processor" >&2
  exit 77
fi

expected=$(sed -n '/^# output:/,/^$/s/^#   //p' "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

install() {
  if command -v uv; then
    uv venv --python "${PYTHON:-python3}" venv && uv pip install --python venv/bin/python "${packages[@]}"
  else
    "${PYTHON:-python3}" -m venv venv && venv/bin/pip install --no-compile "${packages[@]}"
  fi
}
if ! install >install.log 2>&1; then
  cat install.log >&2
  echo "could not be tried: the packages were not installed" >&2
  exit 2
fi

cat >finding.py <<'PYTHON'
import os


def threads():
    return len(os.listdir("/proc/self/task"))


found = [threads()]
import numpy

found.append(threads())
import iris

found.append(threads())
most = os.environ["OPENBLAS_NUM_THREADS"]
print("OPENBLAS_NUM_THREADS={}: {} thread, with numpy {}, with Iris {}".format(most, *found))
PYTHON

if ! found=$(for most in 2 1; do OPENBLAS_NUM_THREADS=$most venv/bin/python -W ignore finding.py || exit; done 2>python.log); then
  cat python.log >&2
  found+=" (and Python failed)"
fi

if [[ $found != "$expected" ]]; then
  printf 'changed.\nexpected:\n%s\nfound:\n%s\n' "$expected" "$found" >&2
  exit 1
fi
printf '%s\n' "$found"
