#!/usr/bin/env bash
# Everything worth knowing on a GPU, in one run of at most eight minutes on arrays made here:
#
#     bash benchmarks/gpu.sh              # on a GPU
#     SMALL=1 bash benchmarks/gpu.sh      # the same path on the CPU, three to four minutes on two cores
#
# Run it in the repository root. It prints Markdown tables and writes the same rows as CSV files into $OUT (default:
# benchmarks/results/<device>), row by row, so that a part that is cut short keeps what it has. It needs torch,
# scikit-learn, threadpoolctl, safetensors, tqdm, pandas and pydantic; wheels in benchmarks/wheels/ are installed for this run
# alone, for a machine that reaches no package index.
#
# Other variables: DEVICE (cuda or cpu), WORKERS of the DataLoader that is the peer, THREADS, PYTHON.
set -euo pipefail

LIMIT=475 # seconds for all; the rest of the eight minutes is for ending what is cut off
python=${PYTHON:-python3}
here=benchmarks
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
export TQDM_DISABLE=1 # progress bars would hide the tables

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if compgen -G "$here/wheels/*.whl" >/dev/null; then
    "$python" -m pip install --quiet --no-index --no-deps --target "$scratch/site" "$here"/wheels/*.whl
    export PYTHONPATH="$scratch/site:$PYTHONPATH"
fi

IFS=$'\t' read -r found name torch cores < <("$python" -c '
import os, torch
there = torch.cuda.is_available()
name = torch.cuda.get_device_name() if there else "CPU"
print("cuda" if there else "cpu", name, torch.__version__, len(os.sched_getaffinity(0)), sep="\t")')
DEVICE=${DEVICE:-$found}
[ "$DEVICE" = cuda ] || name=CPU
SMALL=${SMALL:-}
if [ "$DEVICE" = cpu ] && [ -z "$SMALL" ]; then
    echo "error: torch finds no CUDA device here; SMALL=1 runs everything on the CPU with small sizes" >&2
    exit 2
fi
WORKERS=${WORKERS:-$((cores < 8 ? cores : 8))}
OUT=${OUT:-$here/results/${name// /_}}
mkdir -p "$OUT"
printf 'device,torch,cores,workers,small\n%s,%s,%s,%s,%s\n' \
    "$name" "$torch" "$cores" "$WORKERS" "${SMALL:-0}" | tee "$OUT/device.csv"

# Sizes. On the GPU each table is to take about a minute or less. The loops decide: our side should take a tenth of
# their time. One core of an ordinary server makes a strong view in 3.7 ms (401 frames), 2.3 ms (101) or 1.6 ms (101,
# pooled, as for the methods), and BYOL's in 0.5 to 0.9 ms; so 8 workers make 2,000 to 5,000 views per second.
# - TEMI's step: its loop launches about 10,000 kernels for 50 heads, 0.1 s: 25 steps, and fewer heads once more: 10 s.
# - Views: 4 turns of 4,096 clips, two views each: 15 s.
# - The pretexts' steps: 9 epochs of 8 steps of 256 clips by each side: 15 s per encoder, BYOL 5 s.
# - The methods' steps: 9 epochs of 1,024 clips: SPICE's loop takes 60 steps of 15 ms per epoch, the others' up to 1 s;
#   DEC's and IDEC's 48 steps of some ms, and k-means of 20 restarts per fit. About 60 s; SPICE, SCAN and DeepCluster,
#   26 s of it, come first, in case the rest is cut off.
# - Separation: 7 turns of the loss, 20 fits of 10 to 30 steps, a network of 2 x 600 units 20 ms per step; its loop makes
#   mixtures in 1.5 ms each. k-means of a minute by scikit-learn takes 2 s of one core, in segments 4 s.
# - Fits, one epoch: TEMI's of 30,000 clips, its loop 58 steps, 6 s; the others' of 10,000, after 4 s to make the clips:
#   SimCLR's and MoCo's loops 6 s each, BYOL's 2 s; SPICE's 624 steps, 7 s; SCAN's 6 s; DeepCluster's 5 s. Fits of the
#   other methods would not fit in.
temi=(--k 50 --n 10000 --d 768 --batch 512 --steps 20 --sizes 3000 30000)
temi_heads=(--heads 50 16)
pretext=(--batch 256 --clips 4096 --frames 401 --steps 8 --turns 3 --step-turns 2)
pretext_fits=(--batch 256 --frames 101 --sizes 3000 10000)
methods=(--clips 1024 --batch 128 --turns 2 --sizes 3000 10000)
methods_fits=(--methods spice scan deepcluster)
affinity=(--frames 100 400 --batch 8 32)
separation=(--networks small paper --batch 16 --steps 10)
masks=(--noise 0.5 --turns 2)
THREADS=${THREADS:-$WORKERS}
if [ -n "$SMALL" ]; then
    # Imports, BYOL's step at its defaults, and the profiler's records are most of this.
    temi=(--k 10 --n 200 --d 64 --batch 16 --steps 3 --profiled 1 --sizes 100 200)
    temi_heads=(--heads 50 4)
    pretext=(--batch 4 --clips 32 --frames 101 --steps 1 --turns 1 --step-turns 1)
    pretext_fits=(--batch 4 --frames 101 --sizes 4 8)
    methods=(--clips 100 --batch 50 --frames 61 --heads 2 --turns 1 --sizes 100 150)
    affinity=(--frames 20 --batch 2 --turns 1)
    separation=(--networks small --batch 2 --steps 1 --turns 1)
    masks=(--noise 0.5 --turns 1 --only global)
    THREADS=1
fi

allotted=0 parts=() failed=0

# part SECONDS NAME SCRIPT ARGUMENT... runs a benchmark; the seconds that it leaves are the next one's.
part() {
    allotted=$((allotted + $1))
    local name=$2 start=$SECONDS status=0 left
    left=$((allotted - SECONDS))
    shift 2
    printf '\n## %s\n\n`%s`, at most %d s\n' "$name" "$*" "$left"
    if ((left <= 0)); then
        status=124 # as timeout(1)
    else
        timeout --kill-after 2 "$left" "$python" "$here/$1" "${@:2}" || status=$?
    fi
    case $status in
        0) parts+=("| $name | $((SECONDS - start)) | done |") ;;
        124 | 137) parts+=("| $name | $((SECONDS - start)) | cut short |") failed=1 ;;
        *) parts+=("| $name | $((SECONDS - start)) | failed: $status |") failed=1 ;;
    esac
}

run=(--devices "$DEVICE" --threads "$THREADS" --out "$OUT")
loader=(--workers "$WORKERS")

# The most worth knowing first. The seconds add up to LIMIT; the first ones pay for loading torch.
part 60 "TEMI's step" temi.py --tables steps "${temi[@]}" "${temi_heads[@]}" "${run[@]}"
part 45 "Views" pretext.py --tables views "${pretext[@]}" "${loader[@]}" "${run[@]}"
part 65 "The pretexts' steps" pretext.py --tables steps "${pretext[@]}" "${loader[@]}" "${run[@]}"
part 80 "The methods' steps" methods.py --tables steps "${methods[@]}" "${loader[@]}" "${run[@]}"
part 45 "The steps of separation" separation.py "${separation[@]}" "${loader[@]}" "${run[@]}"
part 20 "The loss of separation" affinity.py "${affinity[@]}" "${run[@]}"
part 30 "The masks of separation" masks.py "${masks[@]}" --device "$DEVICE" --threads "$THREADS" --out "$OUT"
part 30 "Fits of TEMI" temi.py --tables fits "${temi[@]}" "${temi_heads[@]}" "${run[@]}"
part 45 "Fits of pretexts" pretext.py --tables fits "${pretext_fits[@]}" "${loader[@]}" "${run[@]}"
part 55 "Fits of methods" methods.py --tables fits "${methods[@]}" "${methods_fits[@]}" "${loader[@]}" "${run[@]}"
((allotted == LIMIT)) || { echo "error: the parts have $allotted s, not $LIMIT" >&2 && failed=1; }

printf '\n| part | seconds | |\n|---|---|---|\n'
printf '%s\n' "${parts[@]}"
printf '\n%d s in all, on %s. CSV files:\n' "$SECONDS" "$name"
printf '%s\n' "$OUT"/*.csv
exit "$failed"
