"""The table and the JSON."""
import json

from bars import ONEDNN_MOST, fastest, machine_share, misses, onednn_share

DISTURBED = 1.3  # the machine's own rate, slowest round over fastest

HEAD = "%-28s %2s %10s %8s %6s  %-22s %10s %6s %6s  %s"
ROW = "%-28s %2d %10s %8s %6s  %-22s %10s %6s %6s  %s"


def time_text(seconds):
    if seconds < 1e-3:
        return "%.1f us" % (seconds * 1e6)
    return "%.2f ms" % (seconds * 1e3)


def rate_text(record):
    amount = record["flops"] or record["bytes"]
    if not amount:
        return ""
    return "%.1f" % (amount / record["ptl"]["seconds"] * 1e-9)


def ratio_text(value):
    return "" if value is None else "%.2f" % value


def print_head():
    print(HEAD % ("work", "th", "PTL", "G/s", "share", "fastest peer", "",
                  "ratio", "oneDNN", ""))


def remark(record):
    words = []
    if record["machine_spread"] > DISTURBED:
        words.append("~%.1f" % record["machine_spread"])
    if record["misses"]:
        words.append("MISS " + "; ".join(record["misses"]))
    return " ".join(words)


def print_row(record):
    first = fastest(record)
    peer, peer_time, ratio = "-", "", None
    if first:
        peer = "%s %s" % (first[0], record["peers"][first[0]]["variant"])
        peer_time = time_text(first[1])
        ratio = record["ptl"]["seconds"] / first[1]
    record["misses"] = misses(record)
    print(ROW % (record["work"], record["threads"],
                 time_text(record["ptl"]["seconds"]), rate_text(record),
                 ratio_text(machine_share(record)), peer, peer_time,
                 ratio_text(ratio), ratio_text(onednn_share(record)),
                 remark(record)), flush=True)


LEGEND = """
PTL: median of the rounds. G/s: GFLOP or GB a second. share: of the FMA peak
(products, conv) or of STREAM's triad (operators), measured in turn with the
work. ratio: PTL's time over the fastest peer's. oneDNN: PTL's speed over
oneDNN's. ~N: the machine itself varied by a factor of N meanwhile, so somebody
else was at work: do not trust the row."""


def print_summary(records, extra):
    """`extra`: records of memory and start."""
    if records:
        print(LEGEND)
    shares = [onednn_share(r) for r in records
              if r["group"] == "products" and "onednn" in r["peers"]]
    if shares:
        good = sum(s >= ONEDNN_MOST for s in shares)
        print("products at %.2f of oneDNN or more: %d of %d%s" % (
            ONEDNN_MOST, good, len(shares),
            "" if 2 * good > len(shares) else "  MISS most"))
    print("misses: %d" % sum(len(r["misses"]) for r in records + extra))


def write_json(path, machine, records, extra, failures):
    with open(path, "w") as f:
        json.dump({"machine": machine, "records": records, "failures": failures,
                   **extra}, f, indent=1)
        f.write("\n")
