"""What a cluster costs, side by side: see tests/bench/README.md."""
import argparse
import json
import statistics
import sys

from cluster_figures import figures
from cluster_programs import Failed, command_of, peers_there, Program
from main import cpu_name


def read_options():
    p = argparse.ArgumentParser(prog="scripts/bench-cluster",
                                description=__doc__)
    p.add_argument("--only", metavar="N,...", help="figures, by number")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--seconds", type=float, default=0.5, help="of each turn")
    p.add_argument("--quick", action="store_true", help="one round, of a step or two")
    p.add_argument("--no-peers", action="store_true")
    p.add_argument("--json", metavar="FILE")
    options = p.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.001
    return options


class Turns:
    """The programs of one figure, which take turns."""

    def __init__(self, commands, options):
        self.options = options
        self.programs, self.steps, self.seconds = {}, {}, {}
        try:
            for name, command in commands.items():
                self.add(name, command)
        except Failed:
            self.end()
            raise

    def add(self, name, command):
        program = self.programs[name] = Program(name, command)
        program.turn(2)  # its first steps touch all memory
        once = program.turn(1)
        self.steps[name] = max(1, round(self.options.seconds / once))
        self.seconds[name] = []

    def take(self, name, wait=0):
        self.seconds[name].append(
            self.programs[name].turn(self.steps[name], wait))

    def rounds(self, waits):
        names = [n for n in self.programs if n != waits]
        for i in range(self.options.rounds):
            turn = i % len(names)
            for name in names[turn:] + names[:turn]:
                self.take(name)
            if waits:
                self.take(waits, self.seconds[names[0]][-1])

    def median(self, name):
        return statistics.median(self.seconds[name])

    def end(self):
        for program in self.programs.values():
            program.end()


def commands_for(figure, peers):
    commands = {name: command_of(name, work)
                for name, work in figure.works.items()}
    for name in peers if figure.peer_work else []:
        commands[name] = command_of(name, figure.peer_work)
    return commands


def measure(figure, peers, options):
    turns = Turns(commands_for(figure, peers), options)
    try:
        turns.rounds(figure.waits)
    finally:
        turns.end()
    by_round = [figure.ratio({n: s[i] for n, s in turns.seconds.items()})
                for i in range(options.rounds)]
    ratio = statistics.median(by_round)
    return {"figure": figure.number, "what": figure.what,
            "bar": figure.bar, "at": figure.at, "ratio": ratio,
            "ratios": by_round, "held": figure.holds(ratio),
            "reason": None if figure.holds(ratio) else figure.reason,
            "seconds": {n: turns.median(n) for n in turns.programs}}


def text_of(seconds):
    return "%.3g ms" % (1e3 * seconds) if seconds >= 1e-3 else \
        "%.3g us" % (1e6 * seconds)


def print_record(r):
    print("%d %s" % (r["figure"], r["what"]))
    print("    %s  %.2f, bar: %s %.2f" % (
        "held" if r["held"] else "MISS", r["ratio"], r["at"], r["bar"]))
    if r["reason"]:
        print("    reason: " + r["reason"])
    print("    " + "; ".join("%s %s" % (n, text_of(s))
                             for n, s in r["seconds"].items()))
    sys.stdout.flush()


def main():
    options = read_options()
    wanted = [int(n) for n in options.only.split(",")] if options.only \
        else [f.number for f in figures]
    peers = [] if options.no_peers else peers_there()
    print("%s; peers: %s; medians of %d rounds in turn" % (
        cpu_name(), ", ".join(peers) or "none", options.rounds))
    records, failures = [], []
    for figure in figures:
        if figure.number not in wanted:
            continue
        try:
            records.append(measure(figure, peers, options))
            print_record(records[-1])
        except Failed as e:
            failures.append("figure %d: %s" % (figure.number, e))
            print("FAILED " + failures[-1])
    print("%d of %d held; misses: %s" % (
        sum(r["held"] for r in records), len(records),
        ", ".join(str(r["figure"]) for r in records if not r["held"])
        or "none"))
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"cpu": cpu_name(), "peers": peers,
                       "rounds": options.rounds, "figures": records,
                       "failures": failures}, f, indent=1)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
