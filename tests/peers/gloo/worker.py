"""What bench_cluster's workers exchange, by gloo's all_reduce over buckets of so
many bytes, or its barrier: for each number on the standard input so many steps,
and the seconds of one.

    worker.py WORKERS sum|barrier BYTES BUCKET
"""
import os
import sys
import tempfile
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def take_step(barrier, block, bucket):
    if barrier:
        dist.barrier()
        return
    works = [dist.all_reduce(part, async_op=True)
             for part in block.split(bucket)]
    for work in works:
        work.wait()


def next_steps(rank, pipe):
    steps = torch.zeros(1, dtype=torch.int64)
    if rank == 0:
        line = pipe.readline()
        steps[0] = int(line) if line else 0
    dist.broadcast(steps, 0)
    return int(steps)


def run(rank, count, store, pids, what, size, bucket):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + store,
                            rank=rank, world_size=count)
    block = torch.zeros(size // 4)
    pids[rank] = os.getpid()
    dist.barrier()
    pipe = os.fdopen(0) if rank == 0 else None
    if rank == 0:
        print("ready", *pids[:], flush=True)
    while steps := next_steps(rank, pipe):
        begin = time.monotonic()
        for _ in range(steps):
            take_step(what == "barrier", block, bucket // 4)
        dist.barrier()
        if rank == 0:
            print("%.9f" % ((time.monotonic() - begin) / steps), flush=True)
    dist.destroy_process_group()


def main():
    count, what = int(sys.argv[1]), sys.argv[2]
    size, bucket = int(sys.argv[3]), int(sys.argv[4])
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "store")
        context = mp.get_context("fork")
        pids = context.Array("i", count)
        others = [context.Process(
            target=run, args=(r, count, store, pids, what, size, bucket),
            daemon=True) for r in range(1, count)]
        for process in others:
            process.start()
        run(0, count, store, pids, what, size, bucket)
        for process in others:
            process.join()


if __name__ == "__main__":
    main()
