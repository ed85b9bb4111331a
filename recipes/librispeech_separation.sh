#!/usr/bin/env bash
# Readers who speak at once (LibriSpeech): the four tables of Hershey et al. (2016) by a network of one BLSTM layer of
# 128 units, two seeds, sized for a little over an hour on two cores. `base` is trained for half of it, the others less.
# Prints "Separation: readers, on two cores" of docs/RESULTS.md; `dvc exp show` has the runs, .scratch/ their scores.
set -euo pipefail
cd "$(dirname "$0")/.."
KEPT=.scratch/librispeech_separation # outside of what a run writes
SHARED=(-S 'seeds=[0,1]' -S separator.layers=1 -S separator.hidden=128 -S separator.k=20 -S separator.batch=2
  -S separator.lr=1e-3 -S 'separator.frames=[100,400]' -S separator.epochs=4 -S separator.steps=500)
. recipes/_separation.sh

# Tables 1 and 4: oracle NMF with 256 bases per reader, and models of two readers and of three.
run separate base -S mixtures.three=100 -S separate.bases=256 -S +separators.speech.epochs=27 \
  -S '+separators.three={mixtures: mixtures, sources: 3}' "$@"
rm -rf "$KEPT/model"
cp -R data/separators/speech/seed-0 "$KEPT/model"

# Table 2: dimensions and activation of the embedding, all trained alike; the logistic one from the weights of its tanh.
MODELS=()
for k in 5 10 20 40 60; do
  MODELS+=(-S "+separators.k$k={mixtures: mixtures, sources: 2, k: $k}")
done
run separate embedding "${ONLY[@]}" "${MODELS[@]}" "$@"
rm -rf "$KEPT/k40"
cp -R data/separators/k40/seed-0 "$KEPT/k40"
run separate logistic "${ONLY[@]}" \
  -S "+separators.logistic={mixtures: mixtures, sources: 2, k: 40, activation: logistic, start: $KEPT/k40}" "$@"

# Table 3: `base`, trained further on other pairs.
for pairs in balanced female; do
  run separate "$pairs" "${ONLY[@]}" -S "mixtures.pairs=$pairs" \
    -S "+separators.$pairs={mixtures: mixtures, sources: 2, start: $KEPT/model}" "$@"
done

python stages/separation_tables.py "$KEPT"/{base,embedding,logistic,balanced,female}.csv
