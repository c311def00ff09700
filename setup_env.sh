# shellcheck shell=bash
# Sourced by run_all.sh and run_tests.sh. `set_up run` and `set_up dev` make .venv, or do nothing when it is up to date.
#
# What lies in .venv:
#   .klevel-run, .klevel-dev  stamps: what is installed (dev holds all that run holds). Written last.
#   .klevel-unfinished        pip is at work, or was when the machine died: such a .venv is thrown away and made again.
# A .venv with neither was made by hand: it is completed in place, never thrown away.

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P) || exit 2
VENV=$ROOT/.venv
# The python to run the project with. shellcheck disable=SC2034
PY=$VENV/bin/python
UNFINISHED=$VENV/.klevel-unfinished
NEED_MB=3000 # torch for the CPU with all the rest takes half of it, and pip unpacks beside it

FOUND=''    # the Python that .venv is made with
CHILD=''    # the process that works for the set-up right now
LOG=''      # what it says
BUILDING='' # yes once .venv is being changed by this process
NEW=''      # yes when .venv did not exist before

set_up() { # run|dev
    is_set_up "$1" && return
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    find_python
    take_lock
    is_set_up "$1" || build "$1" # another terminal may have done it while this one waited
    exec 9<&-
    trap - EXIT HUP INT TERM
}

fail() { # message
    printf 'klevel set-up failed: %s\n' "$*" >&2
    exit 2
}

# ---- is there anything to do?

is_set_up() { # run|dev
    local now
    [ ! -e "$UNFINISHED" ] && is_wanted "$(version_of "$PY")" && now=$(stamp) || return 1
    [ "$now" = "$(cat "$VENV/.klevel-dev" 2>/dev/null)" ] || [ "$now" = "$(cat "$VENV/.klevel-$1" 2>/dev/null)" ]
}

# What .venv depends on: the two files, its Python, its place (scripts in it name the place).
stamp() {
    local version
    version=$(version_of "$PY") || return 1
    printf '%s\n' "$ROOT" "$version"
    cksum <"$ROOT/pyproject.toml" && cksum <"$ROOT/constraints.txt"
}

# 3.11 or 3.12; and what PYTHON says, when it says something: so PYTHON=python3.12 ./run_tests.sh tests on 3.12.
is_wanted() { # version
    is_supported "$1" && { [ -z "${PYTHON:-}" ] || [ "$1" = "$(version_of "$PYTHON")" ]; }
}

version_of() { # python -> "3.12"; fails when it does not run
    "$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' </dev/null 2>/dev/null
}

# ---- which Python?

# Candidates are judged by running them: a pyenv shim also exists for a version that is not there.
find_python() {
    local name version tried='' no_venv=''
    set -- python3.12 python3.11 python3
    [ -z "${PYTHON:-}" ] || set -- "$PYTHON"
    for name; do
        if ! version=$(version_of "$name"); then
            if command -v "$name" >/dev/null; then version='does not run'; else version='not found'; fi
        elif is_supported "$version"; then
            if "$name" -I -c 'import venv, ensurepip' </dev/null 2>/dev/null; then
                FOUND=$name
                return
            fi
            no_venv=${no_venv:-$name}
            version="$version without venv"
        fi
        tried="$tried${tried:+, }$name: $version"
    done
    [ -z "$no_venv" ] ||
        fail "$no_venv has no venv and ensurepip modules ($tried). Install them (Debian, Ubuntu: apt install" \
            "python$(version_of "$no_venv")-venv) or name another Python 3.11 or 3.12: PYTHON=/path/to/python3.12 $0"
    fail "Python 3.11 or 3.12 is needed ($tried). Install one or name it: PYTHON=/path/to/python3.12 $0"
}

is_supported() { # version
    case $1 in 3.11 | 3.12) ;; *) return 1 ;; esac
}

# ---- one set-up at a time

# A lock of the kernel on this file: it goes when its holders are gone, even by kill -9, and a pip that outlived its
# script still holds it. Python takes it (flock(1) is not on a Mac) for descriptor 9, which stays open here.
take_lock() {
    local lock='
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1] == "try" else 0))
except BlockingIOError:
    sys.exit(1)
except OSError:
    pass  # a file system without locks: go on without one'
    exec 9<"$ROOT/setup_env.sh"
    "$FOUND" -I -c "$lock" try && return
    echo "klevel: another set-up is at work in $VENV, waiting for it"
    start "$FOUND" -I -c "$lock" wait
}

# ---- making it

build() { # run|dev
    local what=.
    [ "$1" = run ] || what='.[dev]'
    throw_away_useless_venv
    [ -e "$VENV" ] || NEW=yes
    [ -z "$NEW" ] || check_disk
    LOG=$(mktemp "${TMPDIR:-/tmp}/klevel-setup.XXXXXX") || fail "cannot write a log to ${TMPDIR:-/tmp}: is it full?"

    if [ -n "$NEW" ]; then
        echo "klevel: making $VENV with $FOUND, once; some minutes (log: $LOG)"
    else
        echo "klevel: updating $VENV (log: $LOG)"
    fi
    BUILDING=yes
    { mkdir -p "$VENV" && : >"$UNFINISHED"; } 2>/dev/null || fail "cannot write to $VENV"
    if [ -n "$NEW" ]; then
        start "$FOUND" -I -m venv "$VENV" || fail "$FOUND -m venv $VENV: $(reason)"
    fi
    # setuptools comes first and the project is built without isolation: so the build, too, uses the pinned version.
    pip_install setuptools || fail "$(reason)"
    pip_install --no-build-isolation -e "$what" || fail "$(reason)"

    { stamp >"$VENV/.klevel-$1" && rm "$UNFINISHED"; } || fail "cannot write to $VENV"
    BUILDING=''
    rm -f "$LOG"
}

throw_away_useless_venv() {
    local version
    [ -e "$VENV" ] || [ -L "$VENV" ] || return 0
    if [ ! -e "$UNFINISHED" ] && version=$(version_of "$PY"); then
        if is_wanted "$version"; then return; fi
        [ -e "$VENV/.klevel-run" ] || [ -e "$VENV/.klevel-dev" ] ||
            fail "$VENV was made by hand with Python $version and does not fit ${PYTHON:-Python 3.11 or 3.12}: remove it"
    fi
    remove_venv || fail "cannot remove $VENV, left behind by an earlier set-up"
}

# Its python goes first: were this cut short, the rest could be taken for a .venv made by hand.
remove_venv() {
    [ -L "$VENV" ] || rm -f "$PY"
    rm -rf "$VENV" 2>/dev/null || { sleep 1 && rm -rf "$VENV"; } # a process just ended may still have written a file
}

check_disk() {
    local free_kb # the last column but two; read from the right: names before and after may hold spaces
    free_kb=$(df -Pk "$ROOT" 2>/dev/null | sed -n 's/.* \([0-9][0-9]*\)  *[0-9-][0-9]*%.*/\1/p')
    case $free_kb in '' | *[!0-9]*) return ;; esac
    [ "$free_kb" -ge $((NEED_MB * 1024)) ] ||
        fail "the disk is too full: $ROOT has $((free_kb / 1024)) MB free, $NEED_MB MB are needed"
}

pip_install() { # arguments
    : >"$LOG" # one log for each call: clean_up reads there how far the last one came
    start in_root "$PY" -I -m pip install --no-input --disable-pip-version-check --progress-bar off -c constraints.txt "$@"
}

# PIP_USER=0: a user's own setting would make pip refuse to install into .venv.
in_root() { # command
    cd "$ROOT" && PIP_USER=0 exec "$@"
}

# In the background and waited for, so that a trap runs at once and not when the command ends; and as a group of
# processes (set -m), so that the trap can end what the command started as well.
start() { # command
    local code=0
    set -m
    "$@" >>"${LOG:-/dev/null}" 2>&1 </dev/null &
    CHILD=$!
    set +m
    wait "$CHILD" || code=$?
    CHILD=''
    return "$code"
}

# ---- when it fails

reason() { # one line from the log; pip's words differ between its versions, so only what they share is looked for
    local line index
    index=$(sed -n 's/^Looking in indexes: *//p' "$LOG" | tail -n 1)
    if said 'No space left on device|Errno 28|Disk quota exceeded'; then
        line="the disk is full: about $NEED_MB MB are needed in $ROOT, and room for the downloads in ${TMPDIR:-/tmp}"
    elif said "$NETWORK"; then
        line="pip cannot reach its package index ${index:-PyPI} ($(last "$NETWORK")); check the network, the proxy or PIP_INDEX_URL"
    elif said 'ResolutionImpossible|No matching distribution|not a supported wheel|requires a different Python'; then
        line="package index ${index:-PyPI} lacks a pinned version for this machine and its Python ($(last "$PIN"));"
        line="$line change constraints.txt, or PIP_INDEX_URL"
    else
        line=$(last '^ *(ERROR|Error|error)')
    fi
    printf '%s; full log: %s' "$line" "$LOG"
}

# Retry(total=0: pip's last try. Earlier ones may have been healed by the next.
NETWORK='Retry\(total=0|Max retries exceeded|[Rr]ead timed out|HTTP error [45]|Could not fetch URL|Cannot connect to proxy'
PIN='\(constraint\)|No matching distribution|not a supported wheel|requires a different Python'

said() { # pattern
    grep -qE "$1" "$LOG"
}

last() { # pattern -> the last line that has it (the last line at all if none has), without what only pip understands
    { grep -E "$1" "$LOG" || tail -n 1 "$LOG"; } | tail -n 1 |
        sed 's/^ *[A-Z]*: *//; s/^Retrying (.*) after //; s/<[^>]*>: //; s/^ *The user requested (constraint) //' | cut -c 1-300
}

# Leaves no half .venv. One that existed before stays when pip had not yet begun to change it.
clean_up() {
    local code=$?
    trap '' HUP INT TERM
    if [ -n "$CHILD" ]; then
        kill -- "-$CHILD"
        wait "$CHILD"
    fi 2>/dev/null
    if [ -n "$BUILDING" ]; then
        if [ -n "$NEW" ] || grep -qE '^ *(Installing collected|Attempting uninstall)' "$LOG"; then
            remove_venv
        else
            rm -f "$UNFINISHED"
        fi
        [ "$code" -eq 2 ] || { echo "klevel set-up interrupted" >&2; rm -f "$LOG"; }
    fi
    exit "$code"
}
