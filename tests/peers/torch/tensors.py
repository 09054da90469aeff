"""Writes what ptlc reads."""
import json
import struct


def write(path, tensors):
    """safetensors; integers as I32, the language's int."""
    header, body = {}, b""
    for name, t in tensors.items():
        t = t.detach().contiguous()
        kind, code = ("F64", "d") if t.is_floating_point() else ("I32", "i")
        raw = struct.pack("<%d%s" % (t.numel(), code), *t.flatten().tolist())
        header[name] = {"dtype": kind, "shape": list(t.shape),
                        "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)
