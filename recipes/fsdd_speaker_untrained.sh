#!/usr/bin/env bash
# Speakers (FSDD): embeddings that need no training, with every reducer and clusterer.
# Prints "Speakers: untrained embeddings" of docs/RESULTS.md: `make table` when it is done.
# It took 111 s on two shared CPU cores after fsdd_digit_untrained.sh, when reductions were stages of their own
# that both shared (docs/LOG.md).
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
. recipes/_without.sh

dvc exp run evaluate "${NO_TRAINING[@]}" \
  -S data.dataset=fsdd \
  -S "data.root=\"$DATA/fsdd\"" \
  -S reduce.scale=none \
  -S data.label=speaker \
  -S data.clip_seconds=1.0 \
  "$@"
