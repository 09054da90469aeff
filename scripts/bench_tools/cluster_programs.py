"""Programs that take turns for scripts/bench-cluster: each says "ready" and the
processes that are to be stopped while others have their turn, takes a number of
steps for each line, and answers with the seconds of one."""
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile

from workers import BIN, PEERS

PEER_NAMES = ["openmpi", "gloo"]
PATIENCE = 120  # seconds for an answer
MPI_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1",
               "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class Failed(Exception):
    pass


def has_torch():
    try:
        __import__("torch")
        return True
    except ImportError:
        return False


def is_there(name):
    if name == "gloo":
        return has_torch()
    return bool(shutil.which("mpirun.openmpi")) and \
        os.path.exists(os.path.join(BIN, "peer_openmpi"))


def peers_there():
    there = [n for n in PEER_NAMES if is_there(n)]
    for name in PEER_NAMES:
        if name not in there:
            print("%s is not installed: scripts/setup --peers" % name)
    return there


def command_of(name, work):
    """`work`: options of bench_cluster, for a peer what it takes itself."""
    words = [str(w) for w in work]
    if name == "gloo":
        return [sys.executable, os.path.join(PEERS, "gloo", "worker.py")] + \
            words
    if name == "openmpi":
        return ["mpirun.openmpi", "--oversubscribe", "-n", words[0],
                os.path.join(BIN, "peer_openmpi")] + words[1:]
    return [os.path.join(BIN, "bench_cluster")] + words


class Program:
    def __init__(self, name, command):
        self.name = name
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, env={**os.environ, **MPI_AS_ROOT})
        self.stopped = []
        words = self.answer().split()
        if words[:1] != ["ready"]:
            self.fail("said \"%s\"" % " ".join(words))
        self.stopped = [int(w) for w in words[1:]]
        self.signal(signal.SIGSTOP)

    def fail(self, what):
        self.process.kill()
        self.errors.seek(0)
        last = self.errors.read().strip().split("\n")[-1]
        raise Failed("%s: %s %s" % (self.name, what, last))

    def answer(self):
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.fail("no answer")
        return line.strip()

    def signal(self, number):
        for pid in self.stopped:
            os.kill(pid, number)

    def turn(self, steps, wait=0):
        """Seconds of a step; `wait`: of each, until all gradients are ready."""
        self.signal(signal.SIGCONT)
        try:
            self.process.stdin.write(
                "%d %d\n" % (steps, 1e6 * wait) if wait else "%d\n" % steps)
            self.process.stdin.flush()
        except BrokenPipeError:
            self.fail("has ended")
        seconds = float(self.answer())
        self.signal(signal.SIGSTOP)
        return seconds

    def end(self):
        try:
            self.signal(signal.SIGCONT)
        except ProcessLookupError:
            pass
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
