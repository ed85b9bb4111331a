#!/usr/bin/env bash
# Each set with the one word that says what is to be heard, encoders and methods that are trained on it alone, three
# seeds: spoken digits, the same clips by speaker, readers, scenes. Prints "Trained on the recordings alone, by kind" of
# docs/RESULTS.md: each run ends with its table; the last lines say what the choice without labels loses.
# .scratch/trained keeps the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
KEPT=.scratch/trained
. recipes/_grids.sh
WHAT=(-S 'encoders=[logmel_stats]' -S 'clusterers=[kmeans,agglomerative,spectral,gmm,turtle,consensus]')

by_kind "$@"
