"""An LSTM by hand: one matrix for inputs, bias and state; examples as columns, so that a gate lies in one piece."""

from __future__ import annotations

import numpy as np

from . import Entry


def enter(work):
    net, m = work.net, work.batch
    T, k, n, q = net.T, net.k, net.n, 3 * net.n
    x, labels = work.data()
    t = np.eye(net.classes, dtype="float32")[labels].T.copy()
    start = work.start()
    wide = k + 1 + n
    size = 4 * n * wide
    new = lambda *shape: np.zeros(shape, "float32")  # noqa: E731
    params, grad = new(size + net.classes * (n + 1)), new(size + net.classes * (n + 1))
    w, grad_w = (flat[:size].reshape(4 * n, wide) for flat in (params, grad))
    v, grad_v = (flat[size : size + net.classes * n].reshape(net.classes, n) for flat in (params, grad))
    b, grad_b = (flat[size + net.classes * n :] for flat in (params, grad))
    order = np.r_[q : 4 * n, :q]  # gates o, i, f, g: the sigmoids are neighbors, and so are those that ε goes to
    w[...] = np.hstack([start["lstm.w"], start["lstm.b"][:, None], start["lstm.u"]])[order]
    v[...], b[...] = start["out.w"], start["out.b"]

    sees, c, tanh_c = new(T + 1, wide, m), new(T + 1, n, m), new(T, n, m)
    sees[:, k] = 1
    h, inputs, x_in = sees[:, k + 1 :], sees[:T, :k], x.transpose(1, 2, 0)
    gates, slopes, deltas, through = new(T, 4 * n, m), new(T, 4 * n, m), new(T, 4 * n, m), new(T, n, m)
    o, i, f, g = gates.reshape(T, 4, n, m).swapaxes(0, 1)
    slope_o, slope_i, slope_f, slope_g = slopes.reshape(T, 4, n, m).swapaxes(0, 1)
    halves = np.ones((4 * n, 1), "float32")
    halves[:q] = 0.5
    halved, u, eta, epsilon, product = new(4 * n, wide), new(4 * n, n), new(n, m), new(n, m), new(n, m)
    ahead = [
        (sees[s], gates[s], gates[s, :q], f[s], c[s], c[s + 1], i[s], g[s], tanh_c[s], o[s], h[s + 1]) for s in range(T)
    ]
    three = lambda array, s: array[s, n:].reshape(3, n, m)  # noqa: E731
    back = [
        (through[s], three(slopes, s), three(deltas, s), slope_o[s], deltas[s, :n], f[s], deltas[s])
        for s in range(T - 1, -1, -1)
    ]
    all_deltas, all_sees = new(4 * n, T, m), new(wide, T, m)
    flat_deltas, flat_seesT = all_deltas.reshape(4 * n, T * m), all_sees.reshape(wide, T * m).T
    in_order, seen_in_order = deltas.swapaxes(0, 1), sees[:T].swapaxes(0, 1)
    z, row, last, ones = new(net.classes, m), new(1, m), h[T], np.ones(m, "float32")
    column_b, uT, u_now = b[:, None], u.T, w[:, k + 1 :]
    lastT, vT, sigmoids, sigmoid_slopes, before = last.T, v.T, gates[:, :q], slopes[:, :q], c[:T]
    rate, one, half = (np.float32(number) for number in (work.lr / m, 1, 0.5))
    dot, add, multiply, subtract, tanh, copyto = np.dot, np.add, np.multiply, np.subtract, np.tanh, np.copyto
    exp, divide, most, total = np.exp, np.divide, np.maximum.reduce, np.add.reduce

    def step():
        copyto(inputs, x_in)
        copyto(u, u_now)
        multiply(w, halves, halved)  # σ(z) = ½ + ½ tanh(½ z)
        for seen, z_, sigma, f_, c_, c_next, i_, g_, tanh_, o_, h_next in ahead:
            dot(halved, seen, z_)
            tanh(z_, z_)
            multiply(sigma, half, sigma)
            add(sigma, half, sigma)
            multiply(f_, c_, c_next)
            multiply(i_, g_, tanh_)
            add(c_next, tanh_, c_next)
            tanh(c_next, tanh_)
            multiply(o_, tanh_, h_next)
        dot(v, last, z)
        add(z, column_b, z)
        most(z, 0, None, row, True)
        subtract(z, row, z)
        exp(z, z)
        total(z, 0, None, row, True)
        divide(z, row, z)
        subtract(z, t, z)
        dot(z, ones, grad_b)
        dot(z, lastT, grad_v)
        dot(vT, z, eta)
        subtract(one, sigmoids, sigmoid_slopes)
        multiply(sigmoid_slopes, sigmoids, sigmoid_slopes)
        multiply(slope_i, g, slope_i)
        multiply(slope_f, before, slope_f)
        multiply(slope_o, tanh_c, slope_o)
        multiply(g, g, slope_g)
        subtract(one, slope_g, slope_g)
        multiply(slope_g, i, slope_g)
        multiply(tanh_c, tanh_c, through)
        subtract(one, through, through)
        multiply(through, o, through)
        epsilon.fill(0)
        for through_, slope3, delta3, slope1, delta1, f_, delta in back:
            multiply(eta, through_, product)
            add(epsilon, product, epsilon)
            multiply(slope3, epsilon, delta3)
            multiply(slope1, eta, delta1)
            multiply(epsilon, f_, epsilon)
            dot(uT, delta, eta)
        copyto(all_deltas, in_order)
        copyto(all_sees, seen_in_order)
        dot(flat_deltas, flat_seesT, grad_w)
        multiply(grad, rate, grad)
        subtract(params, grad, params)

    def weights():
        now = np.empty_like(w)
        now[order] = w
        return {"lstm.w": now[:, :k], "lstm.b": now[:, k], "lstm.u": now[:, k + 1 :], "out.w": v, "out.b": b}

    return Entry(step, weights)
