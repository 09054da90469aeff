"""PTL and its peers side by side: see tests/bench/README.md."""
import argparse
import fnmatch
import platform
import sys
import tempfile

import memory
import report
import startup
from rounds import Measurement, Turn
from works import all_works
from workers import PEER_NAMES, Workers, command_of


def read_options():
    p = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    p.add_argument("--only", metavar="WORK,...",
                   help="groups, names or patterns of names (--list)")
    p.add_argument("--threads", default="1,2", metavar="N,...")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--seconds", type=float, default=0.06,
                   help="of each turn")
    p.add_argument("--quick", action="store_true",
                   help="few works, few rounds")
    p.add_argument("--peers", metavar="NAME,...",
                   help="default: those installed of " + ", ".join(PEER_NAMES))
    p.add_argument("--no-peers", action="store_true")
    p.add_argument("--json", metavar="FILE")
    p.add_argument("--list", action="store_true", help="names the works")
    options = p.parse_args()
    options.threads = [int(t) for t in options.threads.split(",")]
    if options.quick:
        options.rounds, options.seconds = 3, 0.03
    return options


WHOLE = ["memory", "start"]  # measured of whole programs, not in turns


def chosen(options):
    """The works, and which of WHOLE."""
    works = all_works()
    if not options.only:
        if options.quick:
            return [w for w in works if w.quick], []
        return works, WHOLE
    wanted = options.only.split(",")
    works = [w for w in works if any(
        w.group == x or fnmatch.fnmatchcase(w.name, x) for x in wanted)]
    whole = [x for x in WHOLE if x in wanted]
    if not works and not whole:
        sys.exit("bench: no work is called \"%s\"" % options.only)
    return works, whole


def peers_of(options):
    if options.no_peers:
        return []
    wanted = options.peers.split(",") if options.peers else PEER_NAMES
    there = [n for n in wanted if command_of(n)]
    for name in wanted:
        if name not in there:
            print("%s is not installed: scripts/setup --peers" % name)
    return there


def machine_rates(workers, threads):
    """FMA peak in FLOP/s; copy, add and triad in bytes/s, in both ways."""
    worker = workers.get("machine", threads)
    rates = {}
    for kind in ("fma", "copy", "add", "triad"):
        answer = worker.ask("open", kind)
        for variant in answer["variants"]:
            turn = Turn(worker, variant)
            for _ in range(3):
                turn.run(0.1)
            name = kind if kind == variant else kind + " " + variant
            rates[name] = (answer["flops"] or answer["bytes"]) / turn.median()
    return rates


def print_machine(threads, rates):
    print("%d thread%s: " % (threads, "s" if threads > 1 else "") + ", ".join(
        "%s %.1f" % (n, r * 1e-9) for n, r in rates.items()) + " G/s")


def cpu_name():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def list_works(works, whole):
    for work in works:
        print("%-10s %s" % (work.group, work.name))
    for name in whole:
        print(name)


def take_turns(works, options, workers, folder, failures):
    """Measures and prints; the records."""
    records = []
    if works:
        report.print_head()
    for work in works:
        for threads in options.threads:
            record = Measurement(work, threads, workers, options, folder,
                                 failures).measure()
            if record:
                records.append(record)
                report.print_row(record)
    return records


def main():
    options = read_options()
    works, whole = chosen(options)
    if options.list:
        list_works(works, whole)
        return 0
    workers = Workers(peers_of(options))
    failures, extra = [], {}
    print("%s; peers: %s" % (cpu_name(), ", ".join(workers.peers) or "none"))
    machine = {"cpu": cpu_name()}
    for threads in options.threads if works else []:
        machine[threads] = machine_rates(workers, threads)
        print_machine(threads, machine[threads])
    with tempfile.TemporaryDirectory() as folder:
        records = take_turns(works, options, workers, folder, failures)
        workers.end()
        if "memory" in whole:
            extra["memory"] = memory.run(options, workers.peers, folder,
                                         failures)
        if "start" in whole:
            extra["start"] = startup.run(folder, failures)
    report.print_summary(records, sum(extra.values(), []))
    for failure in failures:
        print("FAILED " + failure)
    if options.json:
        report.write_json(options.json, machine, records, extra, failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
