#!/usr/bin/env bash
# Readers (LibriSpeech): k-means on SimCLR by the length of windows, augmentations and scaling, a run per row.
# Prints "Readers: windows and augmentations" of docs/RESULTS.md: `dvc exp show`, then `dvc exp apply NAME` and
# `make table`.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-$(dirname "$PWD")/shared/data} # absolute, as a queued run has a folder of its own
. recipes/_without.sh
VOICE='[crop,gain,time_mask]'
SCENES='[crop,stretch,mixup,fader,noise,time_mask,band_mask]'

queue() { # width, strong, scale
  dvc exp run evaluate --queue "${NO_METHODS[@]}" \
    -S data.dataset=librispeech \
    -S "data.root=\"$DATA/librispeech-mini/test-other\"" \
    -S data.label=speaker \
    -S "augment.width=$1" \
    -S 'augment.weak=[crop]' \
    -S "augment.strong=$2" \
    -S 'augment.pool=[2,1]' \
    -S "reduce.scale=$3" \
    -S 'encoders=[logmel_stats]' \
    -S 'pretexts=[simclr]' \
    -S 'reducers=[none]' \
    -S 'clusterers=[kmeans]' \
    -S simclr.epochs=100 \
    -S simclr.views=16 \
    "${@:4}"
}

for scale in standardise l2; do
  queue 96 "$VOICE" "$scale" "$@"
done
for width in 12 24 48 96; do
  queue "$width" "$VOICE" none "$@"
done
for width in 24 96; do
  queue "$width" "$SCENES" none "$@"
done
dvc queue start
