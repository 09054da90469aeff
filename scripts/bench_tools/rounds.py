"""One work: opened everywhere, compared, then timed in turns."""
import math
import time

from workers import PEER_NAMES, Unsupported, WorkerError

PAUSE = 0.005  # lets the threads of the last one fall asleep


def fill_of(tensor):
    """Where a model's parameters lie: near what they are initialised to."""
    name, dims = tensor["name"], tensor["dims"]
    if "/" in name or name.endswith("mean_run"):
        return 0, 0
    if name.endswith("var_run"):
        return 1, 1
    if name.endswith("gamma"):
        return 0.9, 1.1
    if len(dims) > 1:
        bound = math.sqrt(3 / math.prod(dims[1:]))
        return -bound, bound
    return -0.05, 0.05


class Turn:
    """One program in one variant, and its times."""

    def __init__(self, worker, variant):
        self.worker, self.variant, self.times = worker, variant, []

    def run(self, seconds):
        time.sleep(PAUSE)
        answer = self.worker.ask("run", self.variant, seconds)
        self.times.append(answer["median"])
        return answer["median"]

    def median(self):
        return sorted(self.times)[len(self.times) // 2]


class Measurement:
    """`failures` collects what went wrong: the run goes on without it."""

    def __init__(self, work, threads, workers, options, folder, failures):
        self.work, self.threads, self.workers = work, threads, workers
        self.options, self.folder, self.failures = options, folder, failures
        self.peers = {}

    def fail(self, worker, wrong):
        self.failures.append("%s, %d threads: %s: %s" % (
            self.work.name, self.threads, worker.name, wrong))

    def open_ptl(self):
        self.ptl = self.workers.get("ptl", self.threads)
        try:
            answer = self.ptl.ask("open", *self.work.ptl_line(self.folder))
        except WorkerError as wrong:
            self.fail(self.ptl, wrong)
            self.workers.drop(self.ptl)
            return False
        self.fills = []
        if self.work.model:
            self.fills = [(t["name"],) + fill_of(t) for t in answer["tensors"]
                          if t["input"] and t["dtype"] == "f32"]
        self.fills += self.work.fills
        self.fill(self.ptl)
        return True

    def fill(self, worker):
        for pattern, low, high in self.fills:
            worker.ask("fill", pattern, repr(float(low)), repr(float(high)))

    def open_peer(self, name):
        worker = self.workers.get(name, self.threads)
        try:
            answer = worker.ask("open", *self.work.peer_line())
            self.fill(worker)
            self.peers[worker] = answer["variants"]
        except Unsupported:
            pass
        except WorkerError as wrong:
            self.fail(worker, wrong)
            self.workers.drop(worker)

    def compare(self):
        """Drops what disagrees with PTL, and says so."""
        if not self.peers:
            return
        from check import Comparison  # numpy is there if a peer is
        comparison = Comparison(self.ptl, self.work, self.folder)
        for worker in list(self.peers):
            for variant in list(self.peers[worker]):
                try:
                    wrong = comparison.disagreement(worker, variant)
                except WorkerError as e:
                    wrong = e
                if wrong:
                    self.fail(worker, "%s: %s" % (variant, wrong))
                    self.peers[worker].remove(variant)
            if not self.peers[worker]:
                del self.peers[worker]

    def best_variant(self, worker, variants):
        if len(variants) == 1:
            return Turn(worker, variants[0])
        turns = [Turn(worker, v) for v in variants]
        for _ in range(2):
            for turn in turns:
                turn.run(self.options.seconds / 2)
        best = min(turns, key=lambda t: min(t.times))
        return Turn(worker, best.variant)

    def machine_turns(self):
        """The machine's own rate, taking turns like everyone."""
        kinds = {"operators": ["triad"], "products": ["fma"]}
        worker = self.workers.get("machine", self.threads)
        turns = []
        for kind in kinds.get(self.work.group, ["fma"]):
            answer = worker.ask("open", kind)
            self.amount = answer["flops"] or answer["bytes"]
            turns.append(self.best_variant(worker, answer["variants"]))
        return turns

    def rounds(self):
        ours = Turn(self.ptl, "ptl")
        theirs = {w.name: self.best_variant(w, v)
                  for w, v in self.peers.items()}
        machine = self.machine_turns()[0]
        turns = [ours, machine] + list(theirs.values())
        for i in range(self.options.rounds):
            shift = i % len(turns)
            for turn in turns[shift:] + turns[:shift]:
                turn.run(self.options.seconds)
        return {
            "work": self.work.name, "group": self.work.group,
            "threads": self.threads,
            "flops": self.work.flops, "bytes": self.work.bytes,
            "machine_rate": self.amount / machine.median(),
            "machine_spread": max(machine.times) / min(machine.times),
            "ptl": {"seconds": ours.median(), "rounds": ours.times},
            "peers": {n: {"variant": t.variant, "seconds": t.median(),
                          "rounds": t.times} for n, t in theirs.items()},
        }

    def close(self):
        for worker in [self.ptl] + list(self.peers):
            try:
                worker.ask("close")
            except WorkerError as wrong:
                self.fail(worker, wrong)

    def measure(self):
        """The record, or None."""
        if not self.open_ptl():
            return None
        for name in PEER_NAMES:
            if name in self.workers.peers:
                self.open_peer(name)
        try:
            self.compare()
            return self.rounds()
        except WorkerError as wrong:
            self.failures.append("%s, %d threads: %s" % (
                self.work.name, self.threads, wrong))
            return None
        finally:
            self.close()
