#!/usr/bin/env bash
# Readers (LibriSpeech): embeddings that need no training, with every reducer and clusterer.
# Prints "Readers: untrained embeddings" of docs/RESULTS.md: `make table` when it is done.
# It took 74 s on two shared CPU cores when each reducer and clusterer was a stage of its own (docs/LOG.md).
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
. recipes/_without.sh

dvc exp run evaluate "${NO_TRAINING[@]}" \
  -S data.dataset=librispeech \
  -S "data.root=\"$DATA/librispeech-mini/test-other\"" \
  -S reduce.scale=none \
  -S data.label=speaker \
  "$@"
