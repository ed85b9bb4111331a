#!/usr/bin/env bash
# What it costs to choose a cell without labels, by several rules, on the sets at hand: frozen encoders alone, every cell
# of the grid. Prints the table of docs/CHOICE.md. About half an hour on two cores; .scratch/choice keeps the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
KEPT=.scratch/choice
. recipes/_grids.sh
WHAT=("${NO_TRAINING[@]}" -S 'clusterers=[kmeans,agglomerative,spectral,gmm,dbscan,consensus]')

run scenes "$@"
for label in digit speaker; do
  run "words-$label" "${FSDD[@]}" -S k=10 -S "data.label=$label" "$@"
  run "speakers-$label" "${FSDD[@]}" -S k=6 -S "data.label=$label" "$@"
done
for label in speaker sex; do
  run "readers-$label" "${READERS[@]}" -S k=10 -S "data.label=$label" "$@"
done

python stages/choice_rules.py scenes:scene="$KEPT/scenes.csv" \
  words:{digit="$KEPT/words-digit.csv",speaker="$KEPT/words-speaker.csv"} \
  speakers:{digit="$KEPT/speakers-digit.csv",speaker="$KEPT/speakers-speaker.csv"} \
  readers:{speaker="$KEPT/readers-speaker.csv",sex="$KEPT/readers-sex.csv"}
