#!/usr/bin/env bash
# Speakers (FSDD): SimCLR, MoCo and BYOL-A trained on short windows of the clips, and every deep method.
# Prints "Speakers" of docs/RESULTS.md: `make table` when it is done.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
. recipes/_all.sh

dvc exp run evaluate "${ALL[@]}" \
  -S data.dataset=fsdd \
  -S "data.root=\"$DATA/fsdd\"" \
  -S reduce.scale=none \
  -S data.label=speaker \
  -S data.clip_seconds=1.0 \
  -S augment.width=12 \
  -S 'augment.weak=[crop]' \
  -S 'augment.strong=[crop,gain,time_mask]' \
  -S 'augment.pool=[2,1]' \
  -S 'reducers=[none]' \
  -S 'clusterers=[kmeans,agglomerative,spectral]' \
  -S simclr.epochs=20 \
  -S simclr.batch=128 \
  -S simclr.views=16 \
  -S moco.epochs=20 \
  -S moco.batch=128 \
  -S moco.views=16 \
  -S methods.temi=byol \
  -S 'byol.ops=[crop,gain,time_mask]' \
  -S byol.epochs=20 \
  -S byol.batch=128 \
  -S byol.views=16 \
  -S deepcluster.epochs=5 \
  -S deepcluster.reassign=2 \
  -S deepcluster.batch=128 \
  -S scan.epochs=6 \
  -S scan.neighbours=50 \
  -S spice.epochs=6 \
  -S temi.epochs=40 \
  -S temi.batch=256 \
  "$@"
