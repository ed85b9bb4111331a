#!/usr/bin/env bash
# Speakers (FSDD): k-means on SimCLR by the length of windows and the augmentations, a run per row.
# Prints "Speakers: windows and augmentations" of docs/RESULTS.md: `dvc exp show`, then `dvc exp apply NAME` and
# `make table`. A training of 12 epochs takes 23 s (docs/LOG.md).
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-$(dirname "$PWD")/shared/data} # absolute, as a queued run has a folder of its own
. recipes/_without.sh
VOICE='[crop,gain,time_mask]'
SCENES='[crop,stretch,mixup,fader,noise,time_mask,band_mask]'

queue() { # width, strong
  dvc exp run evaluate --queue "${NO_METHODS[@]}" \
    -S data.dataset=fsdd \
    -S "data.root=\"$DATA/fsdd\"" \
    -S reduce.scale=none \
    -S data.label=speaker \
    -S data.clip_seconds=1.0 \
    -S "augment.width=$1" \
    -S 'augment.weak=[crop]' \
    -S "augment.strong=$2" \
    -S 'augment.pool=[2,1]' \
    -S 'encoders=[logmel_stats]' \
    -S 'pretexts=[simclr]' \
    -S 'reducers=[none]' \
    -S 'clusterers=[kmeans]' \
    -S simclr.epochs=12 \
    -S simclr.batch=128 \
    -S simclr.views=8 \
    "${@:3}"
}

for width in 8 12 24 48; do
  queue "$width" "$VOICE" "$@"
done
queue 12 "$SCENES" "$@"
dvc queue start
