"""PTL's side of products and operators: graphs in textual form, in a folder
that goes with the run. Those in tests/bench/graphs have the same shape."""


def product(batch, m, n, k, form):
    front, at, axis = ("%d, " % batch, "z, ", "z:%d, " % batch) \
        if batch > 1 else ("", "", "")
    a = (k, m, "k, i") if form == "tn" else (m, k, "i, k")
    b = (n, k, "j, k") if form == "nt" else (k, n, "k, j")
    return (
        "input a: real[%s%d, %d] generic f32;\n" % (front, a[0], a[1]) +
        "input b: real[%s%d, %d] generic f32;\n" % (front, b[0], b[1]) +
        "comp c[%si:%d, j:%d | k:0..%d] = sum a[%s%s] * b[%s%s];\n"
        % (axis, m, n, k, at, a[2], at, b[2]) +
        "output c = c;\n")


def conv(batch, channels, size):
    """A convolution 3x3; its derivatives come from `wrt`."""
    image = "%d, %d, %d, %d" % (batch, channels, size, size)
    axes = "n:%d, o:%d, p:%d, q:%d" % (batch, channels, size, size)
    return (
        "input x: real[%s] param f32;\n" % image +
        "input w: real[%d, %d, 3, 3] param f32;\n" % (channels, channels) +
        "input dy: real[%s] generic f32;\n" % image +
        "comp y[%s | c:0..%d, r:0..3, s:0..3] = "
        "sum x[n, c, p + r - 1, q + s - 1 else 0.0] * w[o, c, r, s];\n"
        % (axes, channels) +
        "comp loss[| %s] = sum y[n, o, p, q] * dy[n, o, p, q];\n"
        % axes.replace(":", ":0..") +
        "output y = y;\noutput loss = loss;\n")


def pointwise(rows, columns):
    return (
        "input x: real[{0}, {1}] generic f32;\n"
        "input y: real[{0}, {1}] generic f32;\n"
        "comp z[i:{0}, j:{1}] = x[i, j] * 0.5 + y[i, j] * x[i, j];\n"
        "output z = z;\n").format(rows, columns)


def softmax(rows, columns):
    """As the library writes it: exp(x - lse x)."""
    return (
        "input x: real[{0}, {1}] generic f32;\n"
        "comp l[i:{0} | j:0..{1}] = lse x[i, j];\n"
        "comp p[i:{0}, j:{1}] = exp(x[i, j] - l[i]);\n"
        "output p = p;\n").format(rows, columns)


def layer_norm(rows, columns):
    return (
        "input x: real[{0}, {1}] generic f32;\n"
        "input g: real[{1}] generic f32;\n"
        "input b: real[{1}] generic f32;\n"
        "comp s[i:{0} | j:0..{1}] = sum x[i, j];\n"
        "comp mu[i:{0}] = s[i] / {1}.0;\n"
        "comp q[i:{0} | j:0..{1}] = sum (x[i, j] - mu[i])^2.0;\n"
        "comp v[i:{0}] = q[i] / {1}.0;\n"
        "comp y[i:{0}, j:{1}] = "
        "g[j] * (x[i, j] - mu[i]) / sqrt(v[i] + 0.00001) + b[j];\n"
        "output y = y;\n").format(rows, columns)


def embedding(rows, columns, words):
    return (
        "input e: real[{2}, {1}] generic f32;\n"
        "input t: int({2})[{0}] data i32;\n"
        "comp y[i:{0}, j:{1}] = e[t[i], j];\n"
        "output y = y;\n").format(rows, columns, words)


def adamw(count):
    """One update of the library's adamw, with its correction of bias."""
    return (
        "input w: real[{0}] param f32;\n"
        "input m: real[{0}] slot f32;\n"
        "input v: real[{0}] slot f32;\n"
        "input g: real[{0}] generic f32;\n"
        "input step: int scalar i32;\n"
        "comp m1[i:{0}] = 0.9 * m[i] + (1.0 - 0.9) * g[i];\n"
        "comp v1[i:{0}] = 0.999 * v[i] + (1.0 - 0.999) * g[i] * g[i];\n"
        "comp w1[i:{0}] = w[i] - 0.001 * ((m1[i] / "
        "(1.0 - 0.9^real(step[] + 1))) / "
        "(sqrt(v1[i] / (1.0 - 0.999^real(step[] + 1))) + 0.00000001) "
        "+ 0.01 * w[i]);\n"
        "update m1 = m1 into m;\n"
        "update v1 = v1 into v;\n"
        "update w1 = w1 into w;\n").format(count)
