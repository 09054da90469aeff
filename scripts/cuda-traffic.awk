# Reports of the virtual device (PTL_VIRTUAL_REPORT) as a table. `program` is
# its name; `each`: a line for each kernel, not for each kind.
BEGIN {
  FS = ","
  if (each == "")
    printf "| %-24s | %-8s | kernels | loaded | of those shifted | stored | conflicts |\n", program, "kind"
  order = "map turn gather rows reduce combine contract scatter fill stack"
}

function value(name,   i, pair) {
  for (i = 1; i <= NF; i++) {
    split($i, pair, ":")
    if (pair[1] == "\"" name "\"")
      return pair[2] + 0
  }
  print "no " name " in the report" >"/dev/stderr"
  exit 1
}

function ratio(actual, ideal) {
  return ideal ? sprintf("%.3f", actual / ideal) : "-"
}

{
  match($1, /k[0-9]+_[a-z]+/)
  name = substr($1, RSTART)
  sub(/"$/, "", name)
  kind = name
  sub(/^k[0-9]+_/, "", kind)
  sub(/_.*/, "", kind)
  row = each == "" ? kind : name
  if (!(row in count)) {
    rows[++row_count] = row
    if (each == "" && index(" " order " ", " " row " ") == 0) {
      print "no such kind of kernel: " row >"/dev/stderr"
      exit 1
    }
  }
  count[row]++
  load[row] += value("load_sectors")
  load_ideal[row] += value("load_sectors_ideal")
  load_shift[row] += value("load_sectors_shifted")
  store[row] += value("store_sectors")
  store_ideal[row] += value("store_sectors_ideal")
  store_shift[row] += value("store_sectors_shifted")
  shared[row] += value("shared_accesses")
  conflicts[row] += value("bank_conflicts")
}

END {
  for (i = 1; i <= row_count; i++) {
    r = rows[i]
    printf "%-20s %-34s %3d  loads %9d %6s (shifted %6s)  stores %8d %6s (shifted %s)  shared %8d conflicts %s\n", program, r, count[r], load_ideal[r], ratio(load[r], load_ideal[r]), ratio(load_shift[r], load_ideal[r]), store_ideal[r], ratio(store[r], store_ideal[r]), ratio(store_shift[r], store_ideal[r]), shared[r], ratio(conflicts[r], shared[r])
  }
}
