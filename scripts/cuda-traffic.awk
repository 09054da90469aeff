# A report of the virtual CUDA device (PTL_VIRTUAL_REPORT) as rows of a table.
# `program`: its name. `form`: kinds (a row for each kind of kernel), kernels (a
# row for each), counts (plain numbers of each: kind, name, sectors loaded,
# ideal, shifted; stored, ideal; conflicts).
BEGIN {
  FS = ","
  known = " map turn gather rows reduce combine contract scatter fill stack "
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
  return ideal ? sprintf("%.2f", actual / ideal) : "-"
}

{
  match($1, /k[0-9]+_[A-Za-z0-9_]+/)
  name = substr($1, RSTART, RLENGTH)
  kind = name
  sub(/^k[0-9]+_/, "", kind)
  sub(/_.*/, "", kind)
  if (index(known, " " kind " ") == 0) {
    print "no kind of kernel: " name >"/dev/stderr"
    exit 1
  }
  if (form == "counts") {
    print kind, name, value("load_sectors"), value("load_sectors_ideal"), \
      value("load_sectors_shifted"), value("store_sectors"), \
      value("store_sectors_ideal"), value("bank_conflicts")
    next
  }
  row = form == "kernels" ? name : kind
  if (!(row in count))
    rows[++row_count] = row
  count[row]++
  load[row] += value("load_sectors")
  load_ideal[row] += value("load_sectors_ideal")
  shifted[row] += value("load_sectors_shifted")
  store[row] += value("store_sectors")
  store_ideal[row] += value("store_sectors_ideal")
  shared[row] += value("shared_accesses")
  conflicts[row] += value("bank_conflicts")
}

END {
  for (i = 1; i <= row_count; i++) {
    r = rows[i]
    printf "| %s | %s | %d | %d | %s | %s | %d | %s | %s |\n", program, r, \
      count[r], load[r], ratio(load[r], load_ideal[r]), \
      ratio(load[r] - shifted[r], load_ideal[r]), store[r], \
      ratio(store[r], store_ideal[r]), ratio(conflicts[r], shared[r])
  }
}
