#!/usr/bin/env bash
# Each set with the one word that says what is to be heard, encoders that are trained on it alone and every deep method,
# three seeds: readers, scenes, spoken digits by speaker and by digit. Prints "Trained on the recordings alone, by kind"
# of docs/RESULTS.md: the last lines are all rows, and what the choice without labels loses. Hours of two cores; where
# it is killed, the next call goes on. .scratch/trained keeps the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
KEPT=.scratch/trained
. recipes/_grids.sh
. recipes/_all.sh
WHAT=("${ALL[@]}" -S 'encoders=[logmel_stats]' -S 'clusterers=[kmeans,agglomerative,spectral,gmm,turtle,consensus]'
  -S '++pairs.cmsc_dcca={one: simclr, other: byol}')

by_kind "$@"
