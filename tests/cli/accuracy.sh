# The examples reach the accuracy the README states. LeNet has one of its five
# epochs here, with a floor of its own: long_lenet.sh has them all.
. "$(dirname "$0")/lib.sh"
expect_status 0 "$PTLC" run "$SOURCE/examples/linear_regression.ptl" \
  --log json --out "$work/plane"
expect_status 0 "$PTLC" run "$SOURCE/examples/digits_mlp.ptl" --log json \
  --out "$work/digits"
at_least "$(last_value "$work/out" eval accuracy)" 0.96 "digits accuracy"
expect_status 0 "$PTLC" run "$SOURCE/examples/digits_lstm.ptl" --log json \
  --out "$work/lstm"
at_least "$(last_value "$work/out" eval accuracy)" 0.96 "the LSTM's accuracy"
[ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || exit 77
expect_status 0 "$PTLC" run "$SOURCE/examples/fashion_mlp.ptl" --log json \
  --out "$work/fashion"
at_least "$(last_value "$work/out" eval accuracy)" 0.88 "Fashion-MNIST accuracy"
expect_status 0 "$PTLC" run "$SOURCE/examples/fashion_lenet.ptl" --log json \
  --epochs 1 --out "$work/lenet"
at_least "$(last_value "$work/out" eval accuracy)" 0.86 "LeNet's accuracy"
