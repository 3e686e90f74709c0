#!/usr/bin/env bash
# Installs the detector as a systemd service, one instance for each bed. README.md beside this file tells the rest.
#
#   install.sh install [--prefix DIR] [SOURCE]   SOURCE is a checkout (by default the one around this file) or a wheel
#   install.sh enable BED SOURCE_ID              watch a bed, now and after every boot
#   install.sh disable BED                       watch it no more; its configuration and journal stay
#   install.sh enable-page                       serve the bedside page, now and after every boot
#   install.sh disable-page                      serve it no more; its configuration, alarms and trends stay
#   install.sh uninstall [--purge]               --purge: the configurations, journals and alarms, too
#
# PYTHON names another interpreter than /usr/bin/python3.
set -euo pipefail
umask 022 # whatever root's is: the services run as users of their own and must read all this

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-/usr/bin/python3}
units=/etc/systemd/system
configs=/etc/seizure-detector
service=seizure-detector@.service
timer=seizure-detector@.timer
page=seizure-detector-page.service
page_config=/etc/seizure-detector-page/page.toml
states=/var/lib/private/seizure-detector
group=seizure-review # of the beds' journals and clips, which the page reads

main() {
  case ${1-} in
    install) shift; require_root; require_systemd; install_release "$@" ;;
    enable) shift; require_root; require_systemd; enable_bed "$@" ;;
    disable) shift; require_root; require_systemd; disable_bed "$@" ;;
    enable-page) shift; require_root; require_systemd; enable_page "$@" ;;
    disable-page) shift; require_root; require_systemd; disable_page "$@" ;;
    uninstall) shift; require_root; require_systemd; uninstall "$@" ;;
    -h | --help | help) usage ;;
    *) usage >&2; exit 64 ;;
  esac
}

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$here/install.sh"; }

fail() { # EXIT_CODE MESSAGE
  echo "install.sh: $2" >&2
  exit "$1"
}

require_root() { [[ $EUID -eq 0 ]] || fail 77 "run as user $(id -un), expected root: it writes to $units; use sudo"; }

require_systemd() {
  [[ -d /run/systemd/system ]] || fail 69 "systemd does not run this machine; without it start 'seizure-detector run' yourself"
  local version
  version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  [[ $version -ge 248 ]] || fail 69 "systemd is $version, expected 248 or newer: older ones ignore some of the hardening"
}

require_python() {
  [[ -x $python ]] || fail 69 "there is no $python; install Python 3.11 or newer, or name one: PYTHON=... install.sh install"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail 69 "$python is $("$python" --version), expected 3.11 or newer; name another one: PYTHON=... install.sh install"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail 69 "$python cannot make virtual environments; install them: apt install python3-venv"
  case $(realpath "$python") in
    /root/* | /home/*) fail 69 "$python lies in a home folder, which the services cannot see; expected the system's Python" ;;
  esac
}

# Each installation is a folder of its own, and `current` leads to one: an upgrade that fails changes nothing, and beds
# that run go on with the files that they began with.
install_release() {
  local prefix=/opt/seizure-detector source=${here%/*} release
  while [[ $# -gt 0 ]]; do
    case $1 in
      --prefix) [[ ${2-} == /* ]] || fail 64 "--prefix ${2-}: expected an absolute path"; prefix=${2%/}; shift 2 ;;
      -*) fail 64 "unknown option $1; the only one is --prefix DIR" ;;
      *) source=$1; shift ;;
    esac
  done
  [[ $prefix =~ ^/[A-Za-z0-9/._-]+$ ]] || fail 64 "--prefix $prefix: expected letters, digits and / . _ - only"
  local files=${source%%[*} # what is in brackets are extras
  [[ -f $files/pyproject.toml || $files == *.whl && -f $files ]] ||
    fail 66 "$source is neither a checkout nor a wheel of seizure-detector"
  require_python
  [[ ! -f $units/$service || $(installed_prefix) == "$prefix" ]] ||
    fail 64 "it is installed in $(installed_prefix) and not in $prefix; uninstall it there first"
  release=$prefix/releases/$(date -u +%Y%m%d-%H%M%S)
  mkdir -p "$prefix/releases"
  mkdir "$release"
  # shellcheck disable=SC2064  # the folder's name as it is now
  trap "rm -rf '$release'; echo 'install.sh: nothing has been changed' >&2" EXIT
  echo "installing into $release (0.1 GB to download, 0.3 GB to unpack) ..."
  "$python" -m venv "$release"
  "$release/bin/python" -m pip install --quiet --disable-pip-version-check "$source"
  echo "trying its model ..."
  (cd / && "$release/bin/python" - <<'TRY') || fail 70 "the installed program does not run its own model"
import pylsl
from detector.config import make_config
from detector.loading import load

load(make_config({"bed": {"name": "try"}, "source": {"source_id": "try"}}))
TRY
  install -D --mode=644 --target-directory="$release/share/seizure-detector" "$here"/{README.md,lsl_api.cfg,"$service","$timer","$page"}
  install --mode=755 "$here/install.sh" "$release/share/seizure-detector/"
  trap - EXIT
  groupadd --system --force "$group"
  install -d --mode=700 "${states%/*}" && install -d "$states" # as systemd makes them: root's, and each bed's own below
  ln -sfn "releases/${release##*/}" "$prefix/current.new"
  mv -T "$prefix/current.new" "$prefix/current"
  mkdir -p "$configs"
  local unit
  for unit in "$service" "$page"; do
    sed "s|/opt/seizure-detector|$prefix|g" "$here/$unit" >"$units/$unit.new"
    mv "$units/$unit.new" "$units/$unit"
  done
  install --mode=644 "$here/$timer" "$units/$timer"
  systemctl daemon-reload
  remove_old_releases "$prefix"
  echo "installed: $("$prefix/current/bin/seizure-detector" --version) in $prefix"
  local running
  running=$(systemctl list-units --plain --no-legend 'seizure-detector@*.service' "$page" | cut -d' ' -f1)
  [[ -z $running ]] || printf 'these go on with the version before until they are restarted:\n%s\n' "$running"
}

installed_prefix() { sed -n 's|^ExecStart=\(.*\)/current/bin/.*|\1|p' "$units/$service"; }

remove_old_releases() { # PREFIX; all that are neither current nor run by anybody
  local folder
  for folder in "$1"/releases/*; do
    [[ $folder == "$(realpath "$1/current")" ]] || grep -qsaF "$folder/" /proc/[0-9]*/cmdline || rm -rf "$folder"
  done
}

enable_bed() {
  [[ $# -eq 2 ]] || fail 64 "expected: install.sh enable BED SOURCE_ID ('seizure-detector discover' lists the streams)"
  local bed=$1 source_id=$2 config=$configs/$1.toml unit=seizure-detector@$1.service
  # 27: the service's user is called bed-<bed>, and Linux takes 31 letters.
  [[ $bed =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,26}$ ]] ||
    fail 64 "bed '$bed': expected 1 to 27 letters, digits, '_' or '-', beginning with a letter or digit"
  [[ -n $source_id && $source_id != *[\'\"\\[:cntrl:]]* ]] ||
    fail 64 "source_id '$source_id': expected text without quotes, backslashes and control characters"
  [[ -f $units/$service ]] || fail 69 "nothing is installed yet; do: install.sh install"
  if [[ -e $config ]]; then
    echo "$config is there already and is kept as it is"
    grep -qF "\"$source_id\"" "$config" || echo "install.sh: it does not name the source_id '$source_id'" >&2
  else
    cat >"$config" <<CONFIG
# Every other key, with its unit, range and reason, is in default.toml of the package (seizure-detector's detector folder).
[bed]
name = "$bed"

[source]
source_id = "$source_id"

[files]
group_can_read = true # the group $group, which only the bedside page is in: it shows the EEG of events

[outlets]
detail = true # the thresholds, which the bedside page draws, and each event with its times
CONFIG
  fi
  systemctl enable --quiet "$unit"
  if ! systemctl start "$unit"; then
    journalctl --unit="$unit" --lines=5 --output=cat --no-pager >&2
    fail 78 "bed $bed does not start; mend $config (it is tried again every minute, or now: systemctl restart $unit)"
  fi
  echo "bed $bed is on; what it sees: systemctl status $unit"
  # shellcheck disable=SC2046  # paths of drop-ins, one word each
  grep -qs '^IPAddress' $(systemctl show --property=DropInPaths --value "$unit") /dev/null ||
    echo "only streams of this machine are let in; README.md beside install.sh says how to add the LSL network"
}

disable_bed() {
  [[ $# -eq 1 ]] || fail 64 "expected: install.sh disable BED"
  [[ -e $configs/$1.toml ]] || fail 66 "there is no bed '$1'; the beds are: $(beds)"
  systemctl disable --quiet --now "seizure-detector@$1.service"
  systemctl stop "seizure-detector@$1.timer"
}

enable_page() {
  [[ $# -eq 0 ]] || fail 64 "expected: install.sh enable-page"
  [[ -f $units/$page ]] || fail 69 "nothing is installed yet; do: install.sh install"
  "$(installed_prefix)/current/bin/python" -c 'import starlette, uvicorn' 2>/dev/null ||
    fail 69 "it is installed without its page; do: install.sh install \"\$PWD[page]\""
  if [[ ! -e $page_config ]]; then
    mkdir -p "${page_config%/*}"
    cat >"$page_config" <<CONFIG
# Every key, with its unit, range and reason, is in page.toml of the package (seizure-detector's detector/page folder).
[server]
host = "127.0.0.1"
port = 8765

[review]
folder = "$states"
CONFIG
  fi
  systemctl enable --quiet "$page"
  if ! systemctl start "$page"; then
    journalctl --unit="$page" --lines=5 --output=cat --no-pager >&2
    fail 78 "the page does not start; mend $page_config (it is tried again by itself)"
  fi
  echo "the page is on; where it is: systemctl status $page"
}

disable_page() {
  [[ $# -eq 0 ]] || fail 64 "expected: install.sh disable-page"
  systemctl disable --quiet --now "$page"
}

beds() { find "$configs" -name '*.toml' -printf '%f\n' 2>/dev/null | sed 's/\.toml$//' | sort | paste -sd' '; }

uninstall() {
  local purge='' prefix unit
  [[ ${1-} != --purge ]] || { purge=yes; shift; }
  [[ $# -eq 0 ]] || fail 64 "expected: install.sh uninstall [--purge]"
  if [[ -f $units/$service ]]; then
    prefix=$(installed_prefix)
    while read -r unit; do
      systemctl disable --quiet --now "$unit"
      systemctl stop "${unit%.service}.timer"
    done < <({
      systemctl list-units --all --plain --no-legend 'seizure-detector@*.service' | cut -d' ' -f1
      find "$units" -path '*.wants/seizure-detector@*.service' -printf '%f\n'
    } | sort -u)
    [[ ! -f $units/$page ]] || systemctl disable --quiet --now "$page"
    rm -f "$units/$service" "$units/$timer" "$units/$page"
    systemctl daemon-reload
    systemctl reset-failed 'seizure-detector@*' 2>/dev/null || true # there may be none
    rm -rf "$prefix/releases" "$prefix/current"
    rmdir --ignore-fail-on-non-empty "$prefix"
    echo "uninstalled from $prefix"
  else
    echo "nothing is installed"
  fi
  if [[ -n $purge ]]; then
    rm -rf "$configs" "${page_config%/*}" /var/lib/{,private/}seizure-detector{,-page} "$units"/seizure-detector@*.d "$units/$page.d"
    ! getent group "$group" >/dev/null || groupdel "$group"
    echo "configurations and journals are gone"
  else
    echo "kept: $configs, ${page_config%/*} and what is in /var/lib/seizure-detector and /var/lib/seizure-detector-page"
  fi
}

main "$@"
