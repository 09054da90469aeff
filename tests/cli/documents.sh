# Every block of PTL in the documents parses, as a file or as the body of a
# function.
. "$(dirname "$0")/lib.sh"

# parses WHAT: $work/block is PTL.
parses() {
  cp "$work/block" "$work/whole.ptl"
  "$PTLC" emit ast "$work/whole.ptl" >/dev/null 2>"$work/err" && return
  { echo 'fn f(x: real) -> y: real {'; cat "$work/block"; echo '}'; } \
    >"$work/body.ptl"
  "$PTLC" emit ast "$work/body.ptl" >/dev/null 2>&1 && return
  cat "$work/err" >&2
  fail "$1"
}

blocks=0
while read -r file; do
  count=$(grep -c '^```ptl' "$file" || true)
  for n in $(seq "$count"); do
    awk -v n="$n" '/^```ptl/ { k++; on = k == n; next } /^```/ { on = 0 } on' \
      "$file" >"$work/block"
    parses "block $n of $file"
    blocks=$((blocks + 1))
  done
done < <(find "$SOURCE" -name '*.md' -not -path '*/build*')
[ "$blocks" -ge 2 ] || fail "only $blocks blocks found"
