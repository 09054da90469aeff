# What kernels ask of memory on the virtual CUDA device, in small and odd sizes:
# pointwise kernels the sectors that their bytes fill, but for where a run of
# loads begins; products at most 1.25 times as many, and no bank of shared memory
# is asked twice.
. "$(dirname "$0")/lib.sh"
export PTL_CUDA_DRIVER="$VIRTUAL_CUDA" PTL_CUDA_PTX=1
traffic="$SOURCE/tests/bench/traffic"

# counts NAME FILE OPTION...: a line a kernel into $work/NAME: kind, name,
# sectors loaded, of them ideal, shifted; stored, ideal; conflicts.
counts() {
  local name=$1 file=$2
  shift 2
  PTL_VIRTUAL_REPORT="$work/$name.report" expect_status 0 "$PTLC" run "$file" \
    --device cuda --steps 1 --quiet --out "$work/$name.run" "$@"
  awk -v program="$name" -v form=counts -f "$SOURCE/scripts/cuda-traffic.awk" \
    "$work/$name.report" >"$work/$name"
}

# bounds NAME: holds them.
bounds() {
  awk '
    $1 == "contract" && $3 > 1.25 * $4 { print "loads of a product:", $0; bad = 1 }
    $1 == "contract" && $8 != 0 { print "conflicts of banks:", $0; bad = 1 }
    $1 == "map" && $3 - $5 != $4 { print "pointwise loads:", $0; bad = 1 }
    $1 == "map" && $6 != $7 { print "pointwise stores:", $0; bad = 1 }
    $1 == "contract" { products++ }
    $1 == "map" { maps++ }
    END { exit bad || products < 2 || maps < 2 }' "$work/$1" >&2 ||
    fail "$1: out of bounds"
}

product() {
  local name=product-$1x$2x$3-$4
  counts "$name" "$traffic/product.ptl" --real "$4" \
    --set train.rows="$1" --set train.inner="$2" --set train.columns="$3"
  bounds "$name"
}

# convolution NAME SETTING...
convolution() {
  local name=convolution-$1 sets=()
  shift
  for setting in "$@"; do sets+=(--set "train.$setting"); done
  counts "$name" "$traffic/convolution.ptl" "${sets[@]}"
  bounds "$name"
}

product 64 64 64 f32
product 33 250 70 f32
product 130 45 11 f32
product 64 64 64 f64
product 33 130 70 f64
convolution even rows=2 channels=8 side=10 out=16
convolution odd rows=2 channels=19 side=11 out=21 pad=0
convolution first rows=8 channels=3 side=32 out=32
convolution grey rows=2 channels=1 side=16 out=16
convolution stride rows=2 channels=32 side=12 out=32 stride=2
counts digits_mlp "$SOURCE/examples/digits_mlp.ptl"
bounds digits_mlp
