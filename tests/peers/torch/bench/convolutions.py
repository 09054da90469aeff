"""A convolution, forward and backward."""
import torch
import torch.nn.functional as F

from serve import Work


class Backward(Work):
    """Outputs and the gradients of all inputs for an adjoint `dy`."""

    variants = ["eager", "channels_last", "compile", "compile_last"]

    def __init__(self, settings):
        self.settings = {k: int(v) for k, v in settings.items()}
        self.inputs = self.shapes(**self.settings)
        self.forwards = {False: self.forward,
                         True: torch.compile(self.forward, dynamic=False)}
        self.ready = {}

    def set(self, arrays):
        self.arrays = arrays
        self.ready = {}

    def tensors(self, variant):
        if variant not in self.ready:
            last = variant.endswith("last")
            out = {}
            for name, a in self.arrays.items():
                t = torch.from_numpy(a.copy())
                if last and t.dim() == 4:
                    t = t.contiguous(memory_format=torch.channels_last)
                out[name] = t.requires_grad_(name != "dy")
            self.ready[variant] = out
        return self.ready[variant]

    def run(self, variant):
        t = self.tensors(variant)
        inputs = [x for n, x in t.items() if n != "dy"]
        self.y = self.forwards[variant.startswith("compile")](*inputs)
        self.grads = torch.autograd.grad(self.y, inputs, t["dy"])

    def values(self, variant):
        names = [n for n in self.inputs if n != "dy"]
        out = {"d" + n: g.contiguous().numpy()
               for n, g in zip(names, self.grads)}
        out["y"] = self.y.detach().contiguous().numpy()
        return out


class Conv(Backward):
    def shapes(self, batch, channels, size):
        image = (batch, channels, size, size)
        return {"x": image, "w": (channels, channels, 3, 3), "dy": image}

    def forward(self, x, w):
        return F.conv2d(x, w, padding=1)


KINDS = {"conv": Conv}
