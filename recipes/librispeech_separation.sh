#!/usr/bin/env bash
# Readers who speak at once (LibriSpeech): the four tables of Hershey et al. (2016), in four runs that leave params.yaml
# as it was. SIZE=small is sized for an hour on two cores, SIZE=paper, the paper's network of 2 x 600 units, for a GPU.
# Prints "Separation: readers" of docs/RESULTS.md; `dvc exp show` has the runs, .scratch/ their scores.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
SIZE=${SIZE:-small}
case $SIZE in
  small)
    NETWORK=(-S 'seeds=[0,1]' -S separator.layers=1 -S separator.hidden=128 -S separator.batch=2
      -S separator.lr=3e-3 -S separator.epochs=40 -S separator.steps=100)
    ;;
  paper)
    NETWORK=(-S 'seeds=[0]' -S separator.layers=2 -S separator.hidden=600 -S separator.batch=16
      -S separator.lr=1e-3 -S separator.epochs=100 -S separator.steps=1000)
    ;;
  *) echo "error: SIZE=$SIZE: choose one of small, paper" >&2; exit 2 ;;
esac
KEPT=.scratch/librispeech_separation-$SIZE # outside of what a run writes
mkdir -p "$KEPT"
cp params.yaml "$KEPT/params.yaml"
trap 'cp "$KEPT/params.yaml" params.yaml' EXIT

run() { # name, then the models and what is theirs
  cp "$KEPT/params.yaml" params.yaml
  dvc exp run separate \
    -S mixtures.corpus=speakers \
    -S "mixtures.root=\"$DATA/librispeech-mini\"" \
    -S mixtures.two=100 \
    -S speakers.dataset=librispeech \
    -S separator.k=40 \
    -S separator.weights=magnitude \
    "${NETWORK[@]}" \
    -S '~separators.trio' \
    -S '~separators.duo' \
    "${@:2}"
  cp metrics/separation.csv "$KEPT/$1.csv"
}
ONLY=(-S '~separators.speech' -S mixtures.three=0 -S separate.bases=0)

# Tables 1 and 4: oracle NMF with 256 bases per reader, and models of two readers and of three.
run base -S mixtures.three=100 -S separate.bases=256 -S separate.iterations=100 \
  -S '+separators.three={mixtures: mixtures, sources: 3}' "$@"
rm -rf "$KEPT/model"
cp -R data/separators/speech/seed-0 "$KEPT/model"

# Table 2: dimensions and activation of the embedding.
MODELS=()
for k in 5 10 20 60; do
  MODELS+=(-S "+separators.k$k={mixtures: mixtures, sources: 2, k: $k}")
done
run embedding "${ONLY[@]}" "${MODELS[@]}" \
  -S '+separators.logistic={mixtures: mixtures, sources: 2, activation: logistic}' "$@"

# Table 3: the same network, trained further on other pairs.
for pairs in balanced female; do
  run "$pairs" "${ONLY[@]}" -S "mixtures.pairs=$pairs" \
    -S "+separators.$pairs={mixtures: mixtures, sources: 2, start: $KEPT/model}" "$@"
done

python stages/separation_tables.py "$KEPT"/{base,embedding,balanced,female}.csv
