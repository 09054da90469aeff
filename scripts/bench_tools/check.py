"""Do two programs compute the same? Compared before anything is timed, so
that nobody is measured doing something else."""
import os

import numpy as np

TOLERANCE = 1e-4  # of an output's norm
# After the first update a relu or a maximum may fall on the other side, in
# one element, by rounding alone: then only the loss is compared, and less.
LATER_STEPS, LATER_TOLERANCE = 3, 1e-3


def read_values(worker, variant, steps, folder):
    """Outputs by name, flat, after `steps` executions from equal inputs."""
    names = worker.ask("values", variant, steps, folder)["names"]
    return {name: np.fromfile(os.path.join(folder, "%d.f32" % i), np.float32)
            for i, name in enumerate(names)}


def group_of(name, whole_step):
    """An optimizer divides by the root of squared gradients, so where a
    gradient is rounding alone (a bias before a softmax, say) a step's sign is
    too. Of a training step its loss and, each taken as one long vector,
    parameters and slots are compared."""
    if not whole_step or name == "loss":
        return name
    return "slots " + name.rsplit("/", 1)[1] if "/" in name else "parameters"


def grouped(values, names, whole_step):
    parts = {}
    for name in names:
        parts.setdefault(group_of(name, whole_step), []).append(values[name])
    return {g: np.concatenate(v).astype(np.float64) for g, v in parts.items()}


def difference(ours, theirs, whole_step, tolerance):
    """None, or what differs. The peer's outputs must be among ours."""
    missing = [n for n in theirs if n not in ours]
    if missing or not theirs:
        return "outputs differ: " + ", ".join(missing or ["none"])
    names = sorted(theirs)
    if any(ours[n].size != theirs[n].size for n in names):
        return "sizes differ"
    a = grouped(ours, names, whole_step)
    b = grouped(theirs, names, whole_step)
    for group in a:
        scale = np.linalg.norm(b[group])
        apart = np.linalg.norm(a[group] - b[group])
        if not np.isfinite(apart) or apart > tolerance * scale:
            return "%s is %.2g of its norm apart" % (group, apart / scale)
    return None


class Comparison:
    """PTL's values of a work, read once, against any number of peers."""

    def __init__(self, ptl, work, folder):
        self.work, self.folder = work, folder
        self.whole_step = work.model is not None
        self.ours = read_values(ptl, "ptl", work.steps, folder)
        if self.whole_step:
            self.later = self.loss_later(ptl, "ptl")

    def loss_later(self, worker, variant):
        values = read_values(worker, variant, LATER_STEPS, self.folder)
        return {"loss": values["loss"]}

    def disagreement(self, worker, variant):
        theirs = read_values(worker, variant, self.work.steps, self.folder)
        wrong = difference(self.ours, theirs, self.whole_step, TOLERANCE)
        if wrong or not self.whole_step:
            return wrong
        return difference(self.later, self.loss_later(worker, variant), True,
                          LATER_TOLERANCE)
