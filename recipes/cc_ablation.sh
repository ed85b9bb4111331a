#!/usr/bin/env bash
# Scenes: Contrastive Clustering from random weights, as in its paper: with one of its heads, with views that are not
# transformed; a run per row. Prints "Scenes: ablation of CC" of docs/RESULTS.md: `python stages/ablation.py cc` when
# `dvc queue status` has no run left. 5 trainings of three seeds each.
set -euo pipefail
cd "$(dirname "$0")/.."
. recipes/_scenes.sh
CC=("${SCENES[@]}" -S '++methods.cc=null' -S cc.epochs=150) # 1,050 steps of 64 clips

queue() { dvc exp run evaluate --queue "${CC[@]}" "$@"; }

queue "$@"
for change in \
  cc.heads=instance \
  cc.heads=cluster \
  cc.transformed=1 \
  cc.transformed=0; do
  queue -S "$change" "$@"
done
dvc queue start
