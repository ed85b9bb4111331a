#!/usr/bin/env bash
# Spoken digits (FSDD): SimCLR, MoCo and BYOL-A trained on the clips, and every deep method on SimCLR.
# Prints "Digits" of docs/RESULTS.md: `make table` when it is done.
# SimCLR takes 344 to 613 s per seed on one thread (two shared CPU cores), the rest is in docs/RESULTS.md.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
. recipes/_all.sh
. recipes/_words.sh

dvc exp run evaluate "${ALL[@]}" "${WORDS[@]}" \
  -S 'augment.strong=[crop,stretch,warp,tilt,filter,fader,noise]' \
  -S 'reducers=[none,pca]' \
  -S 'clusterers=[kmeans,agglomerative,spectral]' \
  -S methods.temi=simclr \
  -S simclr.epochs=100 \
  -S moco.backbone=grid \
  -S moco.epochs=100 \
  -S moco.batch=128 \
  -S moco.views=16 \
  -S 'byol.ops=[crop,stretch,warp,tilt,filter,fader,noise]' \
  -S byol.backbone=grid \
  -S byol.epochs=60 \
  -S byol.batch=128 \
  -S byol.views=16 \
  -S deepcluster.epochs=10 \
  -S deepcluster.reassign=2 \
  -S deepcluster.batch=128 \
  -S deepcluster.lr=0.01 \
  -S scan.epochs=14 \
  -S scan.neighbours=50 \
  -S spice.epochs=15 \
  -S temi.epochs=60 \
  -S temi.batch=256 \
  -S temi.lr=0.002 \
  -S temi.neighbours=50 \
  "$@"
