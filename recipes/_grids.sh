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

by_kind() { # what all runs have
  run reader -S kind=voices "${READERS[@]}" -S data.label=speaker "$@"
  run scene -S kind=sounds "$@"
  run speaker -S kind=voices "${FSDD[@]}" -S data.label=speaker "$@"
  run digit -S kind=words "${FSDD[@]}" -S data.label=digit "$@"
  python stages/sets.py digits="$KEPT/digit.csv" speakers="$KEPT/speaker.csv" readers="$KEPT/reader.csv" \
    scenes="$KEPT/scene.csv"
  python stages/choice_rules.py words:digit="$KEPT/digit.csv" voices:speaker="$KEPT/speaker.csv" \
    readers:reader="$KEPT/reader.csv" scenes:scene="$KEPT/scene.csv"
}
