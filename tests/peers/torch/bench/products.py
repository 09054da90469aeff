"""The work `product` (tests/bench/worker/product.h) by torch.matmul."""
import torch

from serve import Work


class Product(Work):
    def __init__(self, settings):
        batch, m, n, k = (int(settings.get(x, 1))
                          for x in ("batch", "m", "n", "k"))
        self.form = settings.get("form", "nn")
        front = (batch,) if batch > 1 else ()
        self.inputs = {
            "a": front + ((k, m) if self.form == "tn" else (m, k)),
            "b": front + ((n, k) if self.form == "nt" else (k, n))}
        self.c = torch.empty(front + (m, n))

    def set(self, arrays):
        a, b = (torch.from_numpy(arrays[x]) for x in "ab")
        self.a = a.mT if self.form == "tn" else a
        self.b = b.mT if self.form == "nt" else b

    def run(self, variant):
        torch.matmul(self.a, self.b, out=self.c)

    def values(self, variant):
        return {"c": self.c.numpy()}


KINDS = {"product": Product}
