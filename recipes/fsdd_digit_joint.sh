#!/usr/bin/env bash
# Spoken digits (FSDD): SPICE with its third stage, on the encoders of the ablation's baseline.
# Prints "Digits: SPICE's third stage" of docs/RESULTS.md: `make table` when it is done.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-../shared/data}
. recipes/_words.sh

dvc exp run evaluate "${BASELINE[@]}" \
  -S spice.stage=joint \
  -S spice.confidence=0.95 \
  -S spice.balance=0.5 \
  -S spice.joint_start=fresh \
  -S spice.joint_epochs=30 \
  -S spice.joint_lr=0.03 \
  "$@"
