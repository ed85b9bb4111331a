#!/usr/bin/env bash
# Spoken digits (FSDD): which setting matters. SimCLR of 30 epochs, k-means and SPICE on it; one change per run.
# Prints "Digits: ablation" of docs/RESULTS.md: `dvc exp show` compares spice.agreement, and after
# `dvc exp apply NAME`, `make table` prints the figures of one run. 15 trainings of three seeds each.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-$(dirname "$PWD")/shared/data} # absolute, as a queued run has a folder of its own
. recipes/_words.sh

queue() { dvc exp run evaluate --queue "${BASELINE[@]}" "$@"; }

queue "$@"
for change in \
  simclr.epochs=100 \
  simclr.batch=128 \
  simclr.backbone=audiontt \
  spice.heads=1 \
  augment.length=crop \
  augment.centre=none \
  augment.trim=0 \
  augment.trim_jitter=0 \
  augment.dynamics=0 \
  'augment.strong=[crop,stretch,warp,tilt,filter,fader,noise]' \
  'augment.strong=[crop,stretch,warp,fader,noise,time_mask,band_mask]' \
  'augment.strong=[crop,stretch,tilt,filter,fader,noise,time_mask,band_mask]' \
  'augment.strong=[crop,stretch,fader,noise,time_mask,band_mask]' \
  'augment.strong=[warp,tilt,filter,fader,noise,time_mask,band_mask]'; do
  queue -S "$change" "$@"
done
dvc queue start
