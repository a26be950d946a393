#!/bin/sh
# agentbench-image.sh OUT.tar: a root file system with what AgentBench's OS images have, from Debian's packages.
# Needs mmdebstrap (`sudo apt install mmdebstrap uidmap`) and a Debian mirror; root, or a plain user with subuids.
# Then: [collect.sandbox] image = "OUT.tar". SUITE, MIRROR and PACKAGES may be set; SOURCE_DATE_EPOCH fixes the times.
# Its packages: AgentBench data/os_interaction/res/dockerfiles (default, packages, ubuntu), and what a shell needs there.
set -eu
out=${1:?"usage: $0 OUT.tar"}
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
packages=${PACKAGES:-python3,python3-pip,git,vim,curl,wget,zip,unzip,tree,bc,cron,file,less,procps,psmisc,gawk,sudo,\
iproute2,net-tools,lsof,locales,ca-certificates,gcc,libc6-dev}

command -v mmdebstrap >/dev/null || {
    echo "trajmill: no mmdebstrap. Run: sudo apt install mmdebstrap uidmap" >&2
    exit 2
}
mmdebstrap --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --customize-hook='echo sandbox > "$1/etc/hostname"' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
    "$suite" "$out" "$mirror"
ls -l "$out"
