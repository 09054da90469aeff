# Every whole program is right without its data at hand, and the page's own
# program, LeNet with a cluster block, trains as it is written.
. "$(dirname "$0")/lib.sh"
page="$SOURCE/tests/golden/ast/program.ptl"
count=0
for file in "$SOURCE"/examples/*.ptl "$SOURCE"/tests/bench/models/*.ptl \
  "$page"; do
  expect_status 0 "$PTLC" check "$file"
  count=$((count + 1))
done
[ "$count" -ge 11 ] || fail "only $count programs found"

# fell LOG: the mean loss of the last ten steps is below the first ten's.
fell() {
  grep '"event":"step"' "$1" | sed -E 's/.*"loss":([^,]*),.*/\1/' | awk '
    NR <= 10 { first += $1 } { last[NR % 10] = $1 }
    END {
      for (i in last) sum += last[i]
      exit !(NR >= 20 && sum < 0.9 * first)
    }' || fail "the loss did not fall: $1"
}

# A small GPT on the text that comes with PTL.
expect_status 0 "$PTLC" run "$SOURCE/examples/gpt_nano.ptl" --log json \
  --set train.dim=32 --set train.depth=2 --set train.lr=3e-3 --steps 40 \
  --out "$work/gpt"
fell "$work/out"

# Its data is what scripts/tokens makes.
"$SOURCE/scripts/tokens" "$SOURCE/LICENSE" "$work/licence.npy.gz"
zcat "$work/licence.npy.gz" >"$work/made"
zcat "$SOURCE/examples/data/licence.npy.gz" | cmp - "$work/made" ||
  fail "licence.npy.gz is not what scripts/tokens makes"

[ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || exit 77
expect_status 0 "$PTLC" run "$page" --log json --steps 40 --out "$work/page"
fell "$work/out"
