"""Peak memory of training steps: what PTL says before, what it takes, what
PyTorch takes."""
import os
import re
import subprocess

from works import MODELS, training
from workers import BIN, Worker, WorkerError, command_of, environment

STEPS = 5
EXACT, OF_PYTORCH = 0.05, 0.8  # the bars
UNITS = {"": 1, "Ki": 2 ** 10, "Mi": 2 ** 20, "Gi": 2 ** 30}


def said_before(model):
    """`ptlc check --summary`, in bytes."""
    out = subprocess.run(
        [os.path.join(BIN, "ptlc"), "check", "--summary",
         os.path.join(MODELS, model)],
        text=True, stdout=subprocess.PIPE, check=True).stdout
    number, unit = re.search(r"peak memory +([0-9.]+) (\w*)B", out).groups()
    return float(number) * UNITS[unit]


def growth(name, line, variant, threads):
    """Of a fresh process, its allocator as it comes."""
    env = None if name == "ptl" else environment(threads, tuned=False)
    worker = Worker(name, command_of(name), threads, env)
    try:
        worker.ask("open", *line)
        answer = worker.ask("memory", variant, STEPS)
        return answer["now"] - answer["before"]
    finally:
        worker.end()


def measure(work, threads, peers, folder):
    record = {"work": work.name, "threads": threads,
              "said": said_before(work.model),
              "taken": growth("ptl", work.ptl_line(folder), "ptl", threads)}
    if "torch" in peers:
        record["torch"] = growth("torch", work.peer_line(), "eager", threads)
    record["misses"] = misses(record)
    return record


def misses(record):
    out = []
    off = record["taken"] / record["said"] - 1
    if abs(off) > EXACT:
        out.append("%+.0f %% off" % (100 * off))
    if "torch" in record and record["taken"] > OF_PYTORCH * record["torch"]:
        out.append("%.2f x torch > %.2f" % (
            record["taken"] / record["torch"], OF_PYTORCH))
    return out


def run(options, peers, folder, failures):
    print("\n%-16s %2s %12s %12s %12s %6s" % (
        "peak memory, MiB", "th", "said before", "taken", "torch", "ratio"))
    records = []
    for work in training():
        for threads in options.threads:
            try:
                r = measure(work, threads, peers, folder)
            except (WorkerError, subprocess.CalledProcessError) as wrong:
                failures.append("memory of %s: %s" % (work.name, wrong))
                continue
            records.append(r)
            mib = ["%.2f" % (r[k] / 2 ** 20) if k in r else "-"
                   for k in ("said", "taken", "torch")]
            ratio = "%.2f" % (r["taken"] / r["torch"]) if "torch" in r else "-"
            print("%-16s %2d %12s %12s %12s %6s  %s" % (
                work.name, threads, *mib, ratio,
                "MISS " + "; ".join(r["misses"]) if r["misses"] else ""))
    return records
