#!/usr/bin/env bash
# Each set with the one word that says what is to be heard, frozen encoders alone, three seeds: spoken digits, the same
# clips by speaker, readers, scenes. Prints "Pretrained encoders, by kind" of docs/RESULTS.md: each run ends with its
# table; the last lines say what the choice without labels loses. .scratch/kinds keeps the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
KEPT=.scratch/kinds
mkdir -p "$KEPT"
. recipes/_without.sh

run() { # name of the table, kind, then the set
  cp "$KEPT/params.yaml" params.yaml
  dvc exp run evaluate "${NO_TRAINING[@]}" -S "kind=$2" -S 'clusterers=[kmeans,agglomerative,spectral,gmm,turtle]' \
    -S 'reducers=[none,pca]' "${@:3}"
  cp metrics/table.csv "$KEPT/$1.csv"
}
cp params.yaml "$KEPT/params.yaml"
trap 'cp "$KEPT/params.yaml" params.yaml' EXIT
FSDD=(-S data.dataset=fsdd -S "data.root=\"$DATA/fsdd\"")
READERS=(-S data.dataset=librispeech -S "data.root=\"$DATA/librispeech-mini/test-other\"")

run digit words "${FSDD[@]}" -S data.label=digit "$@"
run speaker voices "${FSDD[@]}" -S data.label=speaker "$@"
run reader voices "${READERS[@]}" -S data.label=speaker "$@"
run scene sounds "$@"

python stages/choice_rules.py words:digit="$KEPT/digit.csv" voices:speaker="$KEPT/speaker.csv" \
  readers:reader="$KEPT/reader.csv" scenes:scene="$KEPT/scene.csv"
