#!/usr/bin/env bash
# Run a command under a real systemd that sees one cgroup hierarchy, as it does on a hospital's machine, and these folders:
#
#   boot.sh SANDBOX CHECKOUT PACKAGES COMMAND [ARG ...]
#
# SANDBOX is systemd-sandbox; CHECKOUT and PACKAGES (a site-packages folder) appear as /mnt/checkout and /mnt/packages.
# On a machine with the older, mixed hierarchies systemd would ignore IPAddressDeny=, so it gets a pure one here; that
# one has no memory controller then.
set -euo pipefail

sandbox=$1 checkout=$2 packages=$3
shift 3
export SANDBOX=$sandbox CHECKOUT=$checkout PACKAGES=$packages

unified=/sys/fs/cgroup/unified own=
if [[ -d $unified ]]; then
  own=$unified/seizure-detector-tests-$$ # its own: systemd in a sandbox takes what it sees for the whole machine's
  mkdir "$own"
  echo $$ >"$own/cgroup.procs"
fi
leave() {
  [[ -n $own ]] || return 0
  echo $$ >"$unified/cgroup.procs"
  for _ in $(seq 50); do # the sandbox's processes are being killed
    find "$own" -depth -type d -exec rmdir {} + 2>/dev/null && return 0
    sleep 0.1
  done
}
trap leave EXIT

# shellcheck disable=SC2016  # for the inner shell to expand
unshare --mount --cgroup bash -euc '
mount --make-rprivate /
if [[ $(stat --file-system --format=%T /sys/fs/cgroup) != cgroup2fs ]]; then
  umount --recursive /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
mount -t tmpfs tmpfs /mnt
mkdir /mnt/checkout /mnt/packages
mount --bind "$CHECKOUT" /mnt/checkout
mount --bind "$PACKAGES" /mnt/packages
cd /
"$SANDBOX" --net -- "$@"
' boot "$@"
