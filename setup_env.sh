# shellcheck shell=bash
# Sourced by run_all.sh and run_tests.sh. `set_up run` and `set_up dev` make .venv, or do nothing when it is up to date.
# This finds a Python; the rest is setup_env.py, which that Python runs.

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P) || exit 2
# The python to run the project with. shellcheck disable=SC2034
PY=$ROOT/.venv/bin/python

set_up() { # run|dev
    local found code
    "$PY" -I "$ROOT/setup_env.py" "$1" </dev/null >/dev/null 2>&1 && return
    found=$(find_python) || exit 2
    # In the background and waited for, so that a trap runs at once and not when the set-up ends.
    "$found" -I "$ROOT/setup_env.py" "$1" "$found" </dev/null &
    CHILD=$!
    trap 'end_child 129' HUP
    trap 'end_child 130' INT
    trap 'end_child 143' TERM
    wait "$CHILD" || code=$?
    trap - HUP INT TERM
    [ -z "${code-}" ] || exit "$code"
}

end_child() { # exit code
    kill "$CHILD" 2>/dev/null
    wait "$CHILD"
    exit "$1"
}

# Candidates are judged by running them: a pyenv shim also exists for a version that is not there.
find_python() { # -> its name; or one line on stderr
    local name version tried='' no_venv=''
    set -- python3.12 python3.11 python3
    [ -z "${PYTHON:-}" ] || set -- "$PYTHON"
    for name; do
        version=$("$name" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' </dev/null 2>/dev/null) ||
            if command -v "$name" >/dev/null; then version='does not run'; else version='not found'; fi
        case $version in
            3.11 | 3.12)
                if "$name" -I -c 'import venv, ensurepip' </dev/null 2>/dev/null; then
                    echo "$name"
                    return
                fi
                no_venv=${no_venv:-$name} version="$version without venv"
                ;;
        esac
        tried="$tried${tried:+, }$name: $version"
    done
    if [ -n "$no_venv" ]; then
        tried="$no_venv has no venv and ensurepip modules ($tried). Install them (Debian, Ubuntu: apt install"
        tried="$tried python3-venv, or $no_venv-venv) or name another Python 3.11 or 3.12"
    else
        tried="Python 3.11 or 3.12 is needed ($tried). Install one or name it"
    fi
    echo "klevel set-up failed: $tried: PYTHON=/path/to/python3.12 $0" >&2
    return 1
}
