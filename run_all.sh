#!/usr/bin/env bash
# Sets up once, runs a suite, draws. See --help.
set -u

usage() {
    cat <<'TEXT'
./run_all.sh [SUITE] [options]

Runs one suite of the benchmark from nothing to figures:
  1. makes .venv with the versions of constraints.txt (once; needs Python 3.11 or 3.12, a package index, 3 GB of disk)
  2. runs the trials of SUITE that are not there yet and collects them to results/SUITE/*.csv
  3. draws figures and tables into results/SUITE, which git ignores

Rows that are there stay, whatever part of the suite a call runs. The evidence that comes with klevel lies in
results/reference/SUITE, and no run writes there.

SUITE is a name from runners/suites or the path of a YAML file; it comes first. Without it: quick.
The options are those of `.venv/bin/klevel run`, for example
  --jobs N            trials at the same time         --device D     cpu, cuda, ...
  --set key=value     override a key of the suite     --limit N      only the first N trials
  --results DIR       results go to DIR/SUITE         --dry-run      say what would run, run and draw nothing
  --only METHOD       only the trials of this method  --with-reference  draw them together with results/reference/SUITE

  ./run_all.sh
  ./run_all.sh fashion --jobs 2 --set 'keep=[0.25]'

A second call reuses everything and runs only what is missing. An interrupted one goes on the same way.
Exit code: 0 all done, 1 some trial failed (the others are drawn), 2 the input or the set-up is wrong.
Environment: PYTHON names the Python that .venv is made with. pip's own settings hold as well; without a GPU,
PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu saves gigabytes of CUDA packages on Linux.
TEXT
}

for argument; do
    case $argument in -h | --help) usage; exit ;; esac
done
case ${1--} in
    -*) set -- quick "$@" ;;
    '') echo "run_all.sh: SUITE is empty: give a name from runners/suites or the path of a YAML file" >&2; exit 2 ;;
esac

# shellcheck source=setup_env.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/setup_env.sh" || exit 2
set_up run

# The caller's folder stays the current one, so that paths in the options mean what they say; a folder of that place
# that is called analysis or runners must not be taken for ours.
export PYTHONSAFEPATH=1 PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"

dry='' results='' reference='' rest=()
for argument; do
    case $argument in
        --with-reference) reference=yes; continue ;;
        --dry-run) dry=yes ;;
        --results | --results=*) results=given ;;
    esac
    rest+=("$argument")
done
set -- "${rest[@]}"
[ -n "$results" ] || [ "$PWD" -ef "$ROOT" ] || set -- "$@" --results "$ROOT/results"

# The run ends itself when this process is gone.
KLEVEL_PARENT_PID=$$ "$PY" -m runners run "$@"
code=$?
if [ "$code" -gt 1 ] || [ -n "$dry" ]; then exit "$code"; fi

folder=$("$PY" -m runners path "$@") || exit
if [ -n "$reference" ]; then
    set -- "$folder" "$ROOT/results/reference/$(basename -- "$folder")" --output "$folder"
else
    set -- "$folder"
fi
"$PY" -m runners draw "$@"
drawn=$?
[ "$code" -ne 0 ] || code=$drawn
exit "$code"
