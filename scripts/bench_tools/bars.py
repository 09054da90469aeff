"""What is asked of PTL, and what falls short of it."""

ONEDNN, ONEDNN_MOST = 0.90, 0.95  # of oneDNN's speed
FMA_LARGE = 0.88                  # of the FMA peak, 1024 and 2048, one thread
FMA_CONV = 0.70
STREAM = 0.80
STREAMED = ("pointwise", "softmax", "layer norm", "adamw")
STEP = {"mlp step": 0.6, "lenet step": 0.6, "gpt step": 1.0,
        "lstm step": 0.6, "residual step": 1.0}  # of the fastest peer's time


def fastest(record):
    """(name, seconds) of the fastest peer, or None."""
    peers = [(p["seconds"], n) for n, p in record["peers"].items()]
    return min(peers)[::-1] if peers else None


def machine_share(record):
    """Of the FMA peak, or of STREAM's triad; None where neither says much."""
    amount = {"operators": record["bytes"], "steps": 0}.get(
        record["group"], record["flops"])
    if not amount:
        return None
    return amount / record["ptl"]["seconds"] / record["machine_rate"]


def onednn_share(record):
    peer = record["peers"].get("onednn")
    return peer and peer["seconds"] / record["ptl"]["seconds"]


def misses(record):
    """Sentences, one for each bar that is not reached."""
    out = []
    work, threads = record["work"], record["threads"]

    def floor(what, value, bar):
        if value is not None and value < bar:
            out.append("%s %.2f < %.2f" % (what, value, bar))

    if record["group"] == "products":
        floor("of oneDNN", onednn_share(record), ONEDNN)
        if work in ("1024 cubed", "2048 cubed") and threads == 1:
            floor("of FMA peak", machine_share(record), FMA_LARGE)
    if record["group"] == "conv":
        floor("of FMA peak", machine_share(record), FMA_CONV)
    if work in STREAMED:
        floor("of STREAM", machine_share(record), STREAM)
    first = fastest(record)
    if work in STEP and first:
        ratio = record["ptl"]["seconds"] / first[1]
        if ratio > STEP[work]:
            out.append("%.2f x %s > %.2f" % (ratio, first[0], STEP[work]))
    return out
