#!/usr/bin/env bash
# Sets up once with the developers' tools, then runs every check, also after one failed. See --help.
set -u

case ${1-} in
    -h | --help)
        cat <<'TEXT'
./run_tests.sh [--quick | pytest arguments]

Makes .venv with the developers' tools (once), then runs ruff check, ruff format --check, mypy and pytest.
Without arguments pytest runs all tests on two processes and wants methods and runners covered by 90 %.
With --quick it runs the first case of every test that takes moments, in about two minutes.
With arguments it gets just these: ./run_tests.sh tests/methods -k envelope

Exit code: 0 all passed, 1 some check failed (the last line says which), 2 the set-up failed.
TEXT
        exit
        ;;
esac

# shellcheck source=setup_env.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/setup_env.sh" || exit 2
set_up dev
cd "$ROOT" || exit 2

failed=''
check() { # name, arguments of python
    local name=$1
    shift
    echo "== $name"
    "$PY" "$@" || failed="$failed${failed:+, }$name"
}

# worksteal: each process takes one half of the files, in order, so that what the tests of a file share is made once
[ "$*" != --quick ] || set -- -n 2 --dist worksteal --quick
[ $# -gt 0 ] || set -- -n 2 --dist worksteal --cov=methods --cov=runners --cov-report=term --cov-fail-under=90
check 'ruff check' -m ruff check .
check 'ruff format' -m ruff format --check .
check mypy -m mypy
check pytest -m pytest "$@"

if [ -n "$failed" ]; then
    echo "run_tests.sh: failed: $failed"
    exit 1
fi
echo "run_tests.sh: all passed"
