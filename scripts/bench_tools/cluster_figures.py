"""The figures of scripts/bench-cluster, in the order of the design's list."""


class Figure:
    """`works`: options of bench_cluster by the name in the table. `ratio` of the
    seconds of a step by that name, in one round. `waits`: the name of a work
    whose steps wait as long as those of the first took in this round.
    `peer_work`: workers, what, bytes and bucket, for Open MPI and gloo."""

    def __init__(self, number, what, at, bar, works, ratio, reason,
                 peer_work=None, waits=None):
        self.number, self.what, self.at, self.bar = number, what, at, bar
        self.works, self.ratio, self.reason = works, ratio, reason
        self.peer_work, self.waits = peer_work, waits

    def holds(self, ratio):
        return ratio >= self.bar if self.at == "at least" else ratio <= self.bar


def quotient(over, under):
    return lambda s: s[over] / s[under]


MIB = 1 << 20
BUCKET = 25 * MIB  # the default
RESNET_BYTES = 102228128
HERE = "via=shared"  # as processes of one machine do
LARGE = ["tensors=64x%d" % MIB]
FEW_KIB = ["tensors=512x4096", HERE]
TINY = ["tensors=512x256", HERE]
RESNET = ["tensors=resnet50"]

figures = [
    Figure(1, "64 tensors of 1 MiB over tcp: an exchange beside the same "
           "messages by libzmq alone, bytes per second",
           "at least", 0.9,
           {"libzmq": ["kind=raw"] + LARGE, "ours": LARGE},
           quotient("libzmq", "ours"),
           "an exchange is more than its messages: gradients are checked at "
           "both ends, added up and applied, values copied; libzmq alone looks "
           "at no byte. Messages alone: build/bin/bench_net",
           [2, "sum", 64 * MIB, BUCKET]),
    Figure(2, "512 tensors of 4 KiB: fused beside a message for each",
           "at least", 5,
           {"each": FEW_KIB + ["bucket=4096"], "ours": FEW_KIB},
           quotient("each", "ours"),
           "what is left is the bytes' own way",
           [2, "sum", 512 * 4096, BUCKET]),
    Figure(3, "512 tensors of 256 B: fused beside a message for each",
           "at least", 10,
           {"each": TINY + ["bucket=256"], "ours": TINY},
           quotient("each", "ours"),
           "what is left is a round trip and its wake-ups",
           [2, "sum", 512 * 256, BUCKET]),
    Figure(4, "64 tensors of 1 MiB: an exchange in shared memory beside ipc "
           "sockets",
           "at least", 3,
           {"ipc": LARGE + ["via=ipc"], "ours": LARGE + [HERE]},
           quotient("ipc", "ours"),
           "sums, the update and copies into the model are in both",
           [2, "sum", 64 * MIB, BUCKET]),
    Figure(5, "an explicit barrier of two workers beside raw round trips of "
           "two at once",
           "at most", 2.2,
           {"libzmq": ["kind=ping"], "ours": ["kind=barrier"]},
           quotient("ours", "libzmq"),
           "the machines read, check and answer between the same wake-ups",
           [2, "barrier", 4, 4]),
    Figure(6, "161 tensors of 102 MB and 4 workers: the original's schedule, "
           "over tcp, beside ours",
           "at least", 5,
           {"original": RESNET + ["workers=4", "bucket=1",
                                  "slice=%d" % (1 << 30), "original=1",
                                  "ordered=0"],
            "ours": RESNET + ["workers=4", HERE]},
           quotient("original", "ours"),
           "what is left is memory: each byte of four models is added up and "
           "copied into them",
           [4, "sum", RESNET_BYTES, BUCKET]),
    Figure(7, "161 tensors of 102 MB: exposed of an exchange beside a backward "
           "pass of its own length",
           "at most", 0.25,
           {"serial": RESNET + [HERE], "ours": RESNET + [HERE]},
           lambda s: max(0, s["ours"] - s["serial"]) / s["serial"],
           "the last bucket has nothing left to hide behind",
           waits="ours"),
    Figure(8, "64 tensors of 1 MiB: `ordered` beside unordered",
           "at most", 1.15,
           {"unordered": LARGE + [HERE, "ordered=0"], "ours": LARGE + [HERE]},
           quotient("ours", "unordered"),
           "sums wait for the first worker"),
]
