#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Debian package of the sources: make.sh PLACE leaves PLACE/station_VERSION_ARCH.deb. Of a git work tree it takes what is committed,
# elsewhere everything but build directories; PLACE/source is made anew each time. What is quiet went well.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
place=$(cd "$1" && pwd)
rm -rf "$place/source"
rm -f "$place"/station*_*
mkdir "$place/source"
if git -C "$source" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	git -C "$source" archive HEAD | tar -x -C "$place/source"
else
	tar -C "$source" --exclude './build*' --exclude __pycache__ -c . | tar -x -C "$place/source"
fi
cp -r "$place/source/station/package/debian" "$place/source/debian"
cd "$place/source"
dpkg-buildpackage -b -us -uc >"$place/build.log" 2>&1 || { tail -50 "$place/build.log" >&2; exit 1; }
rm -rf "$place/source"
ls "$place"/station_*.deb
