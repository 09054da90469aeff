# Products by cuBLASLt (--cublas), a stand-in for it on the virtual device: the
# losses of a run are those without it, as near as roundings; what is not large
# or refused stays with PTL's kernels; without it, too old, or where it fails:
# one clear sentence and status 3, and nothing is left behind.
. "$(dirname "$0")/lib.sh"
export PTL_CUDA_DRIVER="$VIRTUAL_CUDA" PTL_CUDA_PTX=1
export PTL_CUBLASLT="$FAKE_CUBLASLT_LIBRARY" FAKE_CUBLASLT_LOG="$work/calls"
mlp=$work/mlp.ptl
sed 's/hidden = 256/hidden = 1024/; s/batch = 32/batch = 64/' \
  "$SOURCE/examples/digits_mlp.ptl" >"$mlp"
data="digits.root=$SOURCE/examples/data"

# train NAME OPTION...: ten steps, log in $work/NAME.lines.
train() {
  local name=$1
  shift
  : >"$work/calls"
  expect_status 0 "$PTLC" run "$mlp" --set "$data" --steps 10 --log json \
    --log-every 1 --device cuda --out "$work/$name" "$@"
  comparable "$work/out" >"$work/$name.lines"
  ! grep -q 'fake cuBLASLt' "$work/err" || fail "$(grep fake "$work/err")"
}
calls() { grep -c "^matmul${1-}" "$work/calls" || true; }

# Ten steps with two products each: the first layer's and its gradient's. The
# objects of the run before lie in the cache.
train without
[ "$(calls)" = 0 ] || fail "the library was called though nobody asked for it"
train with --cublas --profile
expect_text "$work/err" 'cuBLASLt computes 2 products of train (64 records)'
expect_text "$work/err" 'contract.net.f1.dw (cuBLASLt)'
[ "$(calls)" = 20 ] || fail "$(calls) products of 20"
[ "$(calls ' NT f32 m 64 n 1024 k 64')" = 10 ] || fail "$(cat "$work/calls")"
[ "$(calls ' TN f32 m 1024 n 64 k 64')" = 10 ] || fail "$(cat "$work/calls")"
expect_text "$work/calls" 'alive 0'
losses_agree without with
train again
cmp "$work/without.lines" "$work/again.lines" || fail "without it, bits differ"

train without64 --real f64
train with64 --cublas --real f64
[ "$(calls ' .. f64')" = 20 ] || fail "$(calls ' .. f64') products of 20 in f64"
losses_agree without64 with64

# A test block, judged by the oracle.
cat >"$work/test.ptl" <<'PTL'
ptl 1;
test "a large product" {
  p[i, k, t]: real[128, 65, 2] = sin(1.0 * i + 3 * k + t);
  a[i, k] = max(t) p[i, k, t];
  q[k, j, t]: real[65, 130, 2] = cos(2.0 * k + j - t);
  b[k, j] = max(t) q[k, j, t];
  c[i, j] = sum(k) a[i, k] * b[k, j];
  expect close(c[3, 5], sum(k) a[3, k] * b[k, 5], 1e-9);
}
PTL
: >"$work/calls"
expect_status 0 "$PTLC" test "$work/test.ptl" --device cuda --cublas
[ "$(calls)" = 1 ] || fail "the test block's product is not the library's"
expect_text "$work/calls" 'alive 0'

# Commands without such products take the option as well.
expect_status 0 "$PTLC" eval "$mlp" --set "$data" --from "$work/with" \
  --device cuda --cublas

# Two devices have a handle each.
PTL_VIRTUAL_DEVICES=2 train shards --shards 2 --set train.batch=128
PTL_VIRTUAL_DEVICES=2 train devices --device cuda:0,1 --cublas \
  --set train.batch=128
[ "$(calls)" = 40 ] || fail "$(calls) products of 40 on two devices"
expect_text "$work/calls" 'alive 0'
losses_agree shards devices

# What the library has no algorithm for, PTL computes.
refusals="refuse none"
[ -z "${SANITIZED:-}" ] || refusals=refuse
for refusal in $refusals; do
  FAKE_CUBLASLT=$refusal train $refusal --cublas
  [ "$(calls)" = 0 ] || fail "$refusal: products that were refused"
  expect_text "$work/err" 'warning: cuBLASLt refuses 2 products of train'
  expect_text "$work/err" '"contract.net.f1.dw"'
  expect_text "$work/calls" 'alive 0'
  losses_agree without $refusal
done

# refused WORDS: it ends with 3 and one sentence, and leaves no run folder.
refused() {
  expect_status 3 "$PTLC" run "$mlp" --set "$data" --steps 1 --device cuda \
    --cublas --out "$work/refused"
  expect_text "$work/err" "ptlc: error: $1"
  [ ! -e "$work/refused" ] || fail "a run that did not begin left a folder"
}
PTL_CUBLASLT=$work/none refused \
  "PTL_CUBLASLT names \"$work/none\", which cannot be opened"
PTL_CUBLASLT=$FAKE_NVRTC_LIBRARY refused \
  'cuBLASLt is too old: it has no cublasLtGetVersion()'
FAKE_CUBLASLT=version refused \
  'cuBLASLt 11.8 is too old: at least 12.0 is wanted'
FAKE_CUBLASLT=create refused \
  'cuda:0: cannot begin: cuBLASLt says the library was not initialized'
FAKE_CUBLASLT=heuristic refused 'cuda:0: cannot compute "contract.'

# A product that fails on the way; what was made for it is undone.
: >"$work/calls"
FAKE_CUBLASLT=matmul expect_status 3 "$PTLC" run "$mlp" --set "$data" \
  --steps 1 --device cuda --cublas --out "$work/failed"
expect_text "$work/err" 'cannot compute "contract.'
expect_text "$work/err" 'cuBLASLt says the function failed to launch on the GPU'
expect_text "$work/calls" 'alive 0'
