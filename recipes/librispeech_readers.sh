#!/usr/bin/env bash
# Readers (LibriSpeech): SimCLR, MoCo and BYOL-A trained on windows of the clips, and every deep method.
# Prints "Readers" of docs/RESULTS.md: `make table` when it is done.
# As 100 clips are one or two batches, the methods get about as many steps as on scenes.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
. recipes/_all.sh

dvc exp run evaluate "${ALL[@]}" \
  -S data.dataset=librispeech \
  -S "data.root=\"$DATA/librispeech-mini/test-other\"" \
  -S data.label=speaker \
  -S augment.width=96 \
  -S 'augment.weak=[crop]' \
  -S 'augment.strong=[crop,gain,time_mask]' \
  -S 'augment.pool=[2,1]' \
  -S reduce.scale=standardise \
  -S 'reducers=[none]' \
  -S 'clusterers=[kmeans,agglomerative,spectral]' \
  -S simclr.epochs=100 \
  -S simclr.views=16 \
  -S moco.epochs=100 \
  -S moco.views=16 \
  -S methods.temi=byol \
  -S 'byol.ops=[crop,gain,time_mask]' \
  -S byol.epochs=100 \
  -S byol.views=16 \
  -S deepcluster.epochs=45 \
  -S scan.epochs=90 \
  -S scan.batch=100 \
  -S spice.epochs=54 \
  -S temi.epochs=450 \
  "$@"
