# shellcheck shell=bash disable=SC2034
# Sourced by recipes that run set after set and compare cells over their tables. KEPT: folder for the table of each run;
# WHAT: what runs, as overrides. params.yaml is left as it was.
DATA=${DATA:-../shared/data}
mkdir -p "$KEPT"
. recipes/_without.sh
cp params.yaml "$KEPT/params.yaml"
trap 'cp "$KEPT/params.yaml" params.yaml' EXIT
FSDD=(-S data.dataset=fsdd -S "data.root=\"$DATA/fsdd\"")
READERS=(-S data.dataset=librispeech -S "data.root=\"$DATA/librispeech-mini/test-other\"")

run() { # name of the table, then the set
  cp "$KEPT/params.yaml" params.yaml
  dvc exp run evaluate "${WHAT[@]}" -S 'reducers=[none,pca]' "${@:2}"
  cp metrics/table.csv "$KEPT/$1.csv"
}
