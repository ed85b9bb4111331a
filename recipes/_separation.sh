# Sourced by the recipes of separation: readers of librispeech-mini, mixed as WSJ0-2mix, by runs that leave params.yaml as
# it was. KEPT: folder for the scores of each run. SHARED: parameters that all runs have.
DATA=${DATA:-../shared/data}
mkdir -p "$KEPT"
cp params.yaml "$KEPT/params.yaml"
trap 'cp "$KEPT/params.yaml" params.yaml' EXIT
ONLY=(-S '~separators.speech' -S mixtures.three=0 -S separate.bases=0)

run() { # stage, name, then the models and what is theirs
  cp "$KEPT/params.yaml" params.yaml
  dvc exp run "$1" \
    -S mixtures.corpus=speakers \
    -S "mixtures.root=\"$DATA/librispeech-mini\"" \
    -S mixtures.two=100 \
    -S speakers.dataset=librispeech \
    -S separator.weights=magnitude \
    -S separate.iterations=100 \
    "${SHARED[@]}" \
    -S '~separators.trio' \
    -S '~separators.duo' \
    "${@:3}"
  [ "$1" != separate ] || cp metrics/separation.csv "$KEPT/$2.csv"
}
