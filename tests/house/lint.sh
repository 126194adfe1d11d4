#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Static analysis of what the build directory compiles, and the house's rules: ./dev lint
set -eu
build=$1
python3 tests/house/house.py . "$build/station/cmd/station"
files=$(git ls-files 'station/*.c' 'certs/*.c' 'db/*.c' 'drivers/*.c' 'ui/*.c' | grep -v '^tests/')
echo "$files" | xargs -P "$(nproc)" -n 8 clang-tidy -p "$build" --quiet 2>/dev/null
