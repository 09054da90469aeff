# --shards: what runs cut into shards have in common with runs that are not,
# and which bits follow from the number of shards alone.
. "$(dirname "$0")/lib.sh"
digits=$SOURCE/examples/digits_mlp.ptl

# run NAME OPTION...: ten steps of the digits, log and folder under NAME.
run() {
  local name=$1
  shift
  expect_status 0 "$PTLC" run "$digits" --steps 10 --log json \
    --out "$work/$name" "$@"
  cp "$work/out" "$work/$name.json"
  comparable "$work/$name.json" >"$work/$name.lines"
}

# same NAME NAME: equal lines and equal tensors, in bits.
same() {
  cmp "$work/$1.lines" "$work/$2.lines" || fail "$1 and $2 differ"
  cmp "$work/$1/step-10/model.safetensors" \
    "$work/$2/step-10/model.safetensors" || fail "tensors of $1 and $2 differ"
}

run whole
run one --shards 1
losses_agree whole one

# Dropout draws by the row of the whole batch: without coupling the shards come
# to the same, but for rounding. A batch of 5 leaves two shards of 7 without
# rows, and so does the last batch of an epoch.
for n in 2 3 4 7; do
  run "n$n" --shards "$n"
  expect_text "$work/n$n.json" "\"shards\":$n,"
  losses_agree whole "n$n"
done
run small --set train.batch=5
run cut --set train.batch=5 --shards 7
losses_agree small cut

# Threads do not show.
run n3_alone --shards 3 --threads 1
run n3_two --shards 3 --threads 2
same n3 n3_alone
same n3 n3_two

# Going on is the same as never stopping, and another number of shards is not.
run first --shards 3 --steps 4
expect_status 0 "$PTLC" run "$digits" --steps 10 --log json --shards 3 \
  --resume "$work/first"
cat "$work/out" >>"$work/first.json"
comparable "$work/first.json" | grep -v '"event":"eval","step":4,' \
  >"$work/first.lines"
same n3 first
cmp -s "$work/n3/step-10/model.safetensors" \
  "$work/n4/step-10/model.safetensors" && fail "3 and 4 shards in one's bits"

expect_status 2 "$PTLC" run "$digits" --shards 0
expect_text "$work/err" "--shards must be at least 1"
expect_status 2 "$PTLC" run "$digits" --replay x
expect_text "$work/err" "--replay"

# One order of reductions on every machine holds for shards as well.
run avx2 --shards 3 --portable-bits --cpu avx2
run portable --shards 3 --portable-bits --cpu portable
same avx2 portable
losses_agree whole avx2

# LeNet: without coupling as unsharded; with batch norm each shard has
# statistics of its own, so nothing is as before, and still no thread shows.
images=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
[ -e "$images" ] || exit 77
lenet=$SOURCE/examples/fashion_lenet.ptl
small="--set train.width=4 --set train.batch=22 --threads 1"
sed -E 's/nn.relu\((c[12])\(/nn.relu(n\1(\1(/; s/\)\), k = 2/))), k = 2/
  s/^model lenet.*/&\n  use nc1 = nn.batch_norm();\n  use nc2 = nn.batch_norm();/' \
  "$lenet" >"$work/normed.ptl"
for file in "$lenet" "$work/normed.ptl"; do
  digits=$file
  name=$(basename "$file" .ptl)
  # shellcheck disable=SC2086
  for n in 1 2 3 4; do
    run "$name$n" --shards $n $small
  done
  # shellcheck disable=SC2086
  run "$name-threads" --shards 3 $small --threads 2
  same "${name}3" "$name-threads"
done
for n in 2 3 4; do
  losses_agree fashion_lenet1 fashion_lenet$n
  cmp -s "$work/normed1.lines" "$work/normed$n.lines" &&
    fail "$n shards have one's statistics"
done
expect_status 0 "$PTLC" check --plan "$work/normed.ptl"
expect_text "$work/out" "is taken over the rows, in net.nc1.mu, net.nc2.mu"
