#!/usr/bin/env bash
# Spoken digits (FSDD): embeddings that need no training, with every reducer and clusterer.
# Prints "Digits: untrained embeddings" of docs/RESULTS.md: `make table` when it is done.
# It took 223 s on two shared CPU cores when each reducer and clusterer was a stage of its own (docs/LOG.md).
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
. recipes/_without.sh

dvc exp run evaluate "${NO_TRAINING[@]}" \
  -S data.dataset=fsdd \
  -S "data.root=\"$DATA/fsdd\"" \
  -S reduce.scale=none \
  -S data.label=digit \
  -S data.clip_seconds=1.0 \
  "$@"
