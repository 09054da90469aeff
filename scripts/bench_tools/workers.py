"""The programs that take turns: PTL, the machine, the peers; each a process
that answers lines (tests/bench/worker/worker.h)."""
import json
import os
import select
import signal
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BIN = os.path.join(ROOT, "build", "bin")
PEERS = os.path.join(ROOT, "tests", "peers")

# What a peer's own documentation recommends: threads by number, large blocks
# kept by the allocator and on huge pages (PTL's memory has both).
PEER_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "THP_MEM_ALLOC_ENABLE": "1",
}
NOT_FOR_PEERS = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]


class WorkerError(Exception):
    pass


class Unsupported(WorkerError):
    """The peer has no such kind of work."""


def environment(threads, tuned=True):
    env = {k: v for k, v in os.environ.items() if k not in NOT_FOR_PEERS}
    env.update({"OMP_NUM_THREADS": str(threads),
                "MKL_NUM_THREADS": str(threads),
                "OPENBLAS_NUM_THREADS": str(threads)})
    if tuned:
        env.update(PEER_SETTINGS)
    return env


class Worker:
    """One process."""

    def __init__(self, name, command, threads, env=None):
        self.name, self.threads = name, threads
        self.process = subprocess.Popen(
            command + ["--threads", str(threads)], text=True, env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, *words, timeout=600):
        line = " ".join(str(w) for w in words)
        os.kill(self.process.pid, signal.SIGCONT)
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError("%s has ended" % self.name)
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        answer = self.process.stdout.readline() if ready else ""
        if not answer:
            self.process.kill()
            raise WorkerError("%s: no answer to \"%s\"" % (self.name, line))
        # Between turns nobody runs: OpenMP's and OpenBLAS's threads spin on
        # for tens of milliseconds, at the cost of whoever comes next.
        os.kill(self.process.pid, signal.SIGSTOP)
        answer = json.loads(answer)
        if "error" in answer:
            if answer["error"].startswith("no kind of work"):
                raise Unsupported(answer["error"])
            raise WorkerError("%s: %s" % (self.name, answer["error"]))
        return answer

    def end(self):
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


def command_of(name):
    """How a program is started; None: it is not installed."""
    if name == "ptl":
        return [os.path.join(BIN, "bench_work")]
    if name == "machine":
        return [os.path.join(BIN, "bench_machine")]
    if name in ("onednn", "openblas"):
        path = os.path.join(BIN, "peer_" + name)
        return [path] if os.path.exists(path) else None
    try:
        __import__(name)
    except ImportError:
        return None
    return [sys.executable, os.path.join(PEERS, name, "bench", "worker.py")]


PEER_NAMES = ["onednn", "openblas", "torch", "jax"]


class Workers:
    """Starts programs when they are first needed, one for each number of
    threads, and ends them all."""

    def __init__(self, peers):
        self.peers = peers
        self.running = {}

    def get(self, name, threads):
        key = (name, threads)
        if key not in self.running:
            own = name in ("ptl", "machine")
            self.running[key] = Worker(
                name, command_of(name), threads,
                None if own else environment(threads))
        return self.running[key]

    def drop(self, worker):
        """Forgets a program that failed; the next work gets a new one."""
        self.running.pop((worker.name, worker.threads), None)
        worker.process.kill()
        worker.process.wait()

    def end(self):
        for worker in self.running.values():
            worker.end()
