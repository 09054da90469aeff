# LeNet reaches 0.90 of the test images in its five epochs.
. "$(dirname "$0")/lib.sh"
[ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || exit 77
expect_status 0 "$PTLC" run "$SOURCE/examples/fashion_lenet.ptl" --log json \
  --out "$work/lenet"
at_least "$(last_value "$work/out" eval accuracy)" 0.90 "LeNet's accuracy"
