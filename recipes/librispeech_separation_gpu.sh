#!/usr/bin/env bash
# Readers who speak at once (LibriSpeech): tables 1, 3 and 4 of Hershey et al. (2016) by the paper's network of 2 x 600
# units. It needs a GPU for five minutes, then two cores for a quarter of an hour; where the GPU is elsewhere, train
# there by `python recipes/separation_on_gpu.py data/mixtures/mixtures MODELS` after a first run has made the mixtures,
# and run this again with the folder MODELS. Prints "Separation: readers, on a GPU" of docs/RESULTS.md.
set -euo pipefail
cd "$(dirname "$0")/.."
KEPT=.scratch/librispeech_separation_gpu
MODELS=${MODELS:-$KEPT/models}
SHARED=(-S 'seeds=[0]' -S separator.layers=2 -S separator.hidden=600 -S separator.k=20 -S separator.dropout=0.3)
. recipes/_separation.sh

if [ ! -d "$MODELS/female" ]; then
  run mixtures mixtures -S mixtures.three=100 "$@"
  python recipes/separation_on_gpu.py data/mixtures/mixtures "$MODELS" --device cuda
fi
run separate base -S mixtures.three=100 -S separate.bases=256 -S +separators.speech.epochs=0 \
  -S "+separators.speech.start=$MODELS/base" \
  -S "+separators.three={mixtures: mixtures, sources: 3, epochs: 0, start: $MODELS/three}" "$@"
for pairs in balanced female; do
  run separate "$pairs" "${ONLY[@]}" -S "mixtures.pairs=$pairs" \
    -S "+separators.$pairs={mixtures: mixtures, sources: 2, epochs: 0, start: $MODELS/$pairs}" "$@"
done

python stages/separation_tables.py "$KEPT"/{base,balanced,female}.csv
