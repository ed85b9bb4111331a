#!/usr/bin/env bash
# Each set with the one word that says what is to be heard, frozen encoders alone, three seeds: spoken digits, the same
# clips by speaker, readers, scenes. Prints "Pretrained encoders, by kind" of docs/RESULTS.md: each run ends with its
# table; the last lines say what the choice without labels loses. .scratch/kinds keeps the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
KEPT=.scratch/kinds
. recipes/_grids.sh
WHAT=("${NO_TRAINING[@]}" -S 'clusterers=[kmeans,agglomerative,spectral,gmm,turtle,consensus]')

by_kind "$@"
