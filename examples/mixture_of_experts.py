"""A mixture of experts: a gate decides for each example how much each expert is heard (Jacobs et al. 1991)."""

import numpy as np

import minigraph as mg
from minigraph.costs import Value
from minigraph.layers import Concat, Dense, Softmax, Square, Sum

EXPERTS = 3
rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (1500, 1))
t = np.select([x < -1, x < 1], [x + 3, -2 * x], x - 3)  # three laws, each in its place

g = mg.Graph("mixture of experts", seed=0)
place, truth = g.input("x", 1), g.input("t", 1)
gate = place >> Dense(16, "tanh", name="gate neurons") >> Dense(EXPERTS, name="votes") >> Softmax(name="gate")
experts = [Dense(1, name=f"expert {k}")(place) for k in range(EXPERTS)]  # each can say one straight line
said = Concat(name="said")(*experts)
answer = Sum(name="answer")(gate * said)
g.output(answer)
# every expert is judged alone, and as far as it is heard: so they compete, and each gets a law of its own
g.cost(Value(), gate * Square(name="mistakes")(said - truth), name="cost")
print(g)

data = {"x": x, "t": t}
history = mg.fit(g, data, epochs=40, batch_size=30, optimizer=mg.Adam(0.02), progress=False)
print(f"cost {history.cost[0]:.3f} -> {history.cost[-1]:.4f}")

for value in (-2.0, 0.0, 2.0):
    heard = mg.predict(g, x=[value], until="gate")
    expert = experts[heard.argmax()].layer
    w, b = expert.w.value[0, 0], expert.b.value[0]
    print(f"x = {value:+.0f}: gate {heard.round(2)}, expert {heard.argmax()} says {w:+.2f} x {b:+.2f}")
print(f"answer at x = 1.5: {mg.predict(g, x=[1.5]):.3f}, where the third law says -1.5")

run = g.forward(x=x[:200], t=t[:200]).backward()
print(mg.check(g, x=x[:5], t=t[:5]))
print(f"drawn in {g.draw('experts.svg')} and {run.draw('experts_flow.svg')}")
