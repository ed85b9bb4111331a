#!/usr/bin/env bash
# Each set with the one word that says what is to be heard, frozen encoders alone, three seeds: readers, scenes, spoken
# digits by speaker and by digit. Prints "Pretrained encoders, by kind" of docs/RESULTS.md: the last lines are the best
# and the chosen cell of each set, and what the choice without labels loses. .scratch/kinds keeps the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
KEPT=.scratch/kinds
. recipes/_grids.sh
WHAT=("${NO_TRAINING[@]}" -S 'clusterers=[kmeans,agglomerative,spectral,gmm,turtle,consensus]')

by_kind "$@"
