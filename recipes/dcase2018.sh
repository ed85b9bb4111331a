#!/usr/bin/env bash
# Domestic activities (DCASE 2018 task 5): the reference report's Table 3.1, encoders that need no training here by
# reducers and clusterers, and beyond it SPICE on SimCLR and TEMI on PaSST, as the report plans.
# Its run ends with "Domestic activities" of docs/RESULTS.md, the report's figures beside ours; `make table` has ours.
# The corpus lies in $DATA/dcase2018; an empty folder is filled (46 GB to fetch, 93 GB unpacked). One microphone has
# 18,246 clips, for which PaSST and wav2vec 2.0 need a GPU or days of a core; `-S dcase2018_task5.balance=100` takes 100
# clips per class.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}

dvc exp run evaluate \
  -S data.dataset=dcase2018_task5 \
  -S "data.root=\"$DATA/dcase2018\"" \
  -S data.label=scene \
  -S data.clip_seconds=10.0 \
  -S 'encoders=[byol_a,byol_a_random,passt,wav2vec2]' \
  -S 'pretexts=[simclr]' \
  -S 'reducers=[none,pca,tsne]' \
  -S 'clusterers=[agglomerative,dbscan,kmeans,meanshift]' \
  -S methods.spice=simclr \
  -S methods.temi=passt \
  -S '~methods.scan' \
  "$@"
