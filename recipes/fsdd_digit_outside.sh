#!/usr/bin/env bash
# Spoken digits (FSDD): statistics, scaling and mel scale varied, to compare with figures of other code.
# Prints "Digits: beside other code" of docs/RESULTS.md, a run per set of options: `dvc exp show`, then
# `dvc exp apply NAME` and `make table`.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-$(dirname "$PWD")/shared/data} # absolute, as a queued run has a folder of its own
. recipes/_without.sh

queue() {
  dvc exp run evaluate --queue "${NO_TRAINING[@]}" \
    -S data.dataset=fsdd \
    -S "data.root=\"$DATA/fsdd\"" \
    -S data.label=digit \
    -S data.clip_seconds=1.0 \
    -S 'reducers=[none]' \
    -S 'clusterers=[kmeans,agglomerative,spectral]' \
    "$@"
}

queue "$@"
queue -S 'logmel_stats.statistics=[mean,std]' "$@"
queue -S 'logmel_stats.statistics=[mean,std]' -S reduce.scale=standardise "$@"
queue -S 'logmel_stats.statistics=[mean,std]' -S logmel.mel_scale=htk "$@"
dvc queue start
