# shellcheck shell=bash disable=SC2034
# Sourced by ablations of one method on the embedded scenes: nothing else is trained; one cell of the grid has to stand
# beside it.
. recipes/_without.sh
SCENES=("${NO_TRAINING[@]}" -S 'encoders=[logmel_stats]' -S 'reducers=[none]' -S 'clusterers=[kmeans]')
