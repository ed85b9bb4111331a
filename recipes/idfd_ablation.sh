#!/usr/bin/env bash
# Scenes: instance discrimination at two temperatures, with orthogonal and with decorrelated features (IDFO, IDFD), from
# random weights as in the paper; a run per row. Prints "Scenes: ablation of IDFD" of docs/RESULTS.md:
# `python stages/ablation.py idfd` when `dvc queue status` has no run left. 4 trainings of three seeds each.
set -euo pipefail
cd "$(dirname "$0")/.."
. recipes/_scenes.sh
IDFD=("${SCENES[@]}" -S '++methods.idfd=null' -S idfd.epochs=150) # 1,050 steps of 64 clips

queue() { dvc exp run evaluate --queue "${IDFD[@]}" "$@"; }

queue "$@"
queue -S idfd.variant=idfo "$@"
queue -S idfd.variant=id "$@"
queue -S idfd.variant=id -S idfd.temperature=0.07 "$@"
dvc queue start
