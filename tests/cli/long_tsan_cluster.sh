# Whole clusters under TSan, and libzmq with them: built from Debian's source with
# -fsanitize=thread, into the folder of the build, once. By hand:
#
#   cmake --preset tsan && cmake --build --preset tsan --target ptlc
#   ctest --test-dir build-tsan -R long_tsan_cluster --output-on-failure
#
# support/net/tsan_zmq.supp says what is not looked at, and why.
. "$(dirname "$0")/lib.sh"
[[ "${SANITIZED:-}" == *thread* ]] || exit 77
model=$(dirname "$0")/cluster/lenet.ptl
zmq=$(dirname "$PTLC")/../tsan-zmq

# The source of the package that is installed, without CURVE.
build_zmq() (
  mkdir -p "$zmq/lists/partial" "$zmq/parts"
  cd "$zmq"
  cat >parts/source.sources <<END
Types: deb-src
URIs: http://deb.debian.org/debian
Suites: $(. /etc/os-release && echo "$VERSION_CODENAME")
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
  apt=(apt-get -q -o Dir::Etc::sourcelist=/dev/null
    -o "Dir::Etc::sourceparts=$PWD/parts" -o "Dir::State::lists=$PWD/lists")
  "${apt[@]}" update && "${apt[@]}" source --download-only zeromq3 || exit 1
  mkdir -p source && tar -C source --strip-components=1 -xf ./*.orig.tar.gz &&
    tar -C source -xf ./*.debian.tar.xz || exit 1
  grep -v '^#' source/debian/patches/series | while read -r patch; do
    patch -s -d source -p1 <"source/debian/patches/$patch"
  done
  cmake -S source -B build -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_CXX_FLAGS="-fsanitize=thread -fno-omit-frame-pointer" \
    -DCMAKE_SHARED_LINKER_FLAGS=-fsanitize=thread -DBUILD_TESTS=OFF \
    -DBUILD_STATIC=OFF -DENABLE_CPACK=OFF -DWITH_PERF_TOOL=OFF \
    -DENABLE_CURVE=OFF -DWITH_DOCS=OFF && cmake --build build -j2
)
[ -e "$zmq/build/lib/libzmq.so.5" ] || build_zmq >"$work/zmq" 2>&1 || {
  tail -n 20 "$work/zmq" >&2
  fail "libzmq was not built"
}
export LD_LIBRARY_PATH=$zmq/build/lib
ldd "$PTLC" | grep -q "$zmq" || fail "ptlc takes another libzmq"
supp=$SOURCE/tests/support/net/tsan_zmq.supp

# clean PS WORKERS OPTION...: nothing is reported, and all end well.
clean() {
  local ps=$1 workers=$2
  shift 2
  rm -f "$work"/report.*
  TSAN_OPTIONS="suppressions=$supp log_path=$work/report exitcode=66" \
    timeout 600 "$PTLC" launch "$model" --log json \
    --set "digits.root=$SOURCE/examples/data" --threads 2 --steps 200 \
    --local "ps=$ps,worker=$workers" --set "cluster.ps=$ps" \
    --set "cluster.worker=$workers" --out "$work/run" "$@" \
    >"$work/out" 2>"$work/err" </dev/null || {
    cat "$work"/report.* "$work/err" >&2
    fail "ps=$ps worker=$workers $*"
  }
  expect_text "$work/out" '"event":"end","steps":2'
}

clean 1 2
clean 2 2 --set cluster.placement=parameter_server --set cluster.strict=true
clean 0 2 --set cluster.placement=allreduce --set cluster.slots=worker
clean 1 2 --set cluster.slots=worker --set cluster.compress=bf16
# Without states a step begins before its values are there.
model=$SOURCE/examples/digits_mlp.ptl
clean 1 2 --set 'cluster.bucket=8 KiB'
# Workers that do not wait have no states to add up in each step.
clean 1 2 --set cluster.sync=async --set cluster.locking=false
clean 2 3 --set cluster.aggregate=apply_each --set cluster.ordered=false \
  --set cluster.locking=false
