# frame.sh - what the scripts beside it put around an example, so that it is a
# program: the library, a test block, or a train block with its data and model.

library='ptl 1; import std.nn; import std.init; import std.loss; import std.metrics; import std.optim; import std.data;'
declares='^(ptl|import|fn|layer|optimizer|schedule|test|hyper|///) |^model [a-z_]+ *[({]|^(data|cluster)( [a-z_]+)? [{]'

# A test file of an example, so that a message counts the lines of the fence.
as_test() {
  if ! grep -q -E "$declares" "$1"; then
    echo "$library test \"$2\" {"
    cat "$1"
    echo "}"
  else
    grep -q '^import' "$1" || grep -q '^ptl' "$1" || echo "$library"
    cat "$1"
  fi
}

data='data points {
  train = data.csv(path = "points.csv", header = false, x = "0..2", y = "2");
  x[i]: real[2] = raw.x[i];
  y: real = raw.y;
}'
model='model plane(width: int = 4) {
  use f1 = nn.linear(out = width);
  use f2 = nn.linear(out = 1);
  fn (x: real[N, 2]) -> y: real[N] { h = f2(nn.relu(f1(x))); y[n] = h[n, 0]; }
}'

# The train block around an example: what it does not say itself.
as_program() {
  local file=$1 kind=$2
  echo "$library"
  if [ "$kind" = data ]; then cat "$file"; else echo "$data"; fi
  echo "$model"
  [ "$kind" = cluster ] && cat "$file"
  echo "train {"
  [ "$kind" = train ] || file=/dev/null
  grep -q '^hyper' "$file" && grep '^hyper' "$file"
  grep -q '^model' "$file" || echo "model net = plane();"
  grep -q '^data' "$file" || echo "data points;"
  grep -v '^hyper' "$file"
  grep -q '^loss' "$file" || echo "loss = loss.mse(net(x), y);"
  grep -q '^optimizer' "$file" || echo "optimizer = optim.sgd(lr = 0.1);"
  grep -q '^batch' "$file" || echo "batch = 4;"
  echo "}"
}
