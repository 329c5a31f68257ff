"""The page that steps through backpropagation, in a browser without a network: it shows what the run computed."""

import importlib.util
import json
import math
import re
import shutil

import numpy as np
import pytest
from chromium import CHROMIUM
from wirings import ROWS, wired

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.diagnose import Finding
from minigraph.errors import NotComputedError, RenderError, StaleError
from minigraph.layers import Add, BatchNorm, Concat, Conv2D, Dense, Flatten, Layer
from minigraph.render.explorer import explorer_html
from minigraph.render.page.arrays import Arrays, cut
from minigraph.render.page.equations import Equations, words_of

MISSING = [
    name
    for name, there in {
        "Graphviz (pygraphviz or dot)": importlib.util.find_spec("pygraphviz") or shutil.which("dot"),
        "playwright": importlib.util.find_spec("playwright"),
        "chromium-headless-shell": CHROMIUM,
    }.items()
    if not there
]
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
BARE = '<svg viewBox="0 0 9 9"><g id="graph0"></g></svg>'


# ---- runs ----


def towers(m=10, backward=True):
    """Two uses of one layer, a merge, a value used twice: every kind of figure."""
    g = mg.Graph("two towers", seed=0)
    left, right = g.input("left", 4), g.input("right", 4)
    tower = Dense(6, "sigmoid")
    u, v = g.add(tower, left, name="u"), g.add(tower, right, name="v")
    h = Concat()(u, v) >> Dense(6, ["sigmoid"] * 5 + ["tanh"], name="h")
    y = Add()(h, h) >> Dense(2, "sigmoid", name="out")
    g.cost(Quadratic(), y, target="t")
    rng = np.random.default_rng(3)
    for param in g.params.values():
        param.value = rng.normal(size=param.shape)
    x1, x2, t = rng.random((3, m, 4))
    run = g.forward(left=x1, right=x2, t=t[:, :2])
    return run.backward() if backward else run


def chain(name="chain"):
    g = mg.Sequential(
        3, Dense(4, "tanh", name="h"), Dense(2, "sigmoid", name="out"), cost=Quadratic(), name=name, seed=0
    )
    rng = np.random.default_rng(0)
    return g.forward(x=rng.random((5, 3)), t=rng.random((5, 2))).backward()


def pictures():
    """Inputs of all forms that a picture can have."""
    g = mg.Graph("pictures", seed=0)
    grey, color, flat = g.input("grey", (9, 10)), g.input("color", (3, 8, 9)), g.input("flat", 256)
    dense = flat >> Dense(3, name="dense")
    h = Concat()(grey >> Flatten(), color >> Conv2D(2, 3, name="conv") >> Flatten(), dense)
    g.cost(Quadratic(), h >> Dense(2))
    rng = np.random.default_rng(0)
    feeds = {node.name: rng.random((3, *node.shape)) for node in g.inputs}
    return g.forward(feeds).backward()


def page_of(run, **options):
    return explorer_html(run, svg=run.graph.picture().svg(), **options)


# ---- the browser ----


@pytest.fixture
def opened(browser, tmp_path):
    """Opens the text of a page, offline; whatever the browser complains of or asks of a network fails the test."""
    faults, pages = [], []

    def open_(text, address="", width=1280, height=800, **options):
        path = tmp_path / f"page{len(pages)}.html"
        path.write_text(text, encoding="utf-8")
        page = browser.new_page(offline=True, viewport={"width": width, "height": height}, **options)
        pages.append(page)
        page.set_default_timeout(5000)
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("console", lambda said: faults.append(f"console: {said.text}") if said.type == "error" else None)
        page.on("request", lambda request: faults.append(request.url) if request.url[:5] not in ("file:",) else None)
        page.goto(path.as_uri() + address)
        return page

    yield open_
    for page in pages:
        page.close()
    assert faults == []


READ = """figures => figures.map(figure => {
  const canvas = figure.querySelector("canvas"), said = document.getElementById("said"), lines = [];
  if (!canvas) return [figure.querySelector(".scalar, .missing").textContent];
  const press = key => canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  canvas.focus();
  for (press("Home"); lines.at(-1) !== said.textContent; press("ArrowRight")) lines.push(said.textContent);
  canvas.blur();
  return lines;
})"""


def number(text):
    return float(text.replace("−", "-").replace("∞", "inf"))


def array_of(lines, shape):
    """The numbers that the keyboard reads out, as an array."""
    found = np.full(shape, np.nan)
    for line in lines:
        index, value = re.fullmatch(r"(?:\[(.*)\] )?(.*)", line).groups()
        found[tuple(int(i) for i in index.split(", ")) if index else ...] = number(value)
    return found


def numbers(figure, shape):
    """All the numbers of a figure."""
    (lines,) = figure.evaluate_all(READ)
    return array_of(lines, shape)


def edge_ids(graph):
    return [f"e{edge.source.id}-{edge.target.id}-{edge.slot}" for edge in graph.edges]


def figures(page, name):
    return page.locator(f'figure[data-name="{name}"]')


def eventually(page, holds, what):
    """Wait for something to hold: what the page does later, the page's own policy lets no script wait for."""
    for _ in range(200):
        if holds():
            return
        page.wait_for_timeout(25)
    raise AssertionError(what)


def choose(page, name):
    """Look at a node by way of the search."""
    page.get_by_role("combobox", name="Find a node").fill(name)
    page.keyboard.press("Enter")
    assert page.locator("h2").inner_text() == name


TITLES = 'all => all.map(one => [one.dataset.name, one.querySelector("figcaption").children[1].textContent])'


# ---- the numbers ----


def rows(array, which):
    return np.mean(array, axis=0) if which is None else array[which]


def expected(run, name, which):
    """What the page is to show of a node, from the run's public face: (name of the figure, label) -> array."""
    at, found = run[name], {}
    layer = at.node.layer
    for param, letter in ((layer.w, "w"), (layer.b, "b")):
        whole = run.grad(param) if which is None else run.grad(param, per="example")[which]
        parts = run.grad(param, per="use")
        found[letter, {"w": "weights", "b": "biases"}[letter]] = param.value
        if len(parts) == 1:
            found[f"∂C/∂{letter}", "gradient"] = whole
        else:
            found[f"∂C/∂{letter}", "gradient, sum over 2 uses"] = run.grad(param)  # of the batch, whatever is chosen
            if which is None:
                found[f"∂C/∂{letter}", "gradient, this use's part"] = parts[name]
    for letter, label, array in (("z", "weighted input", at.z), ("a", "activation", at.a), ("δ", "error", at.delta)):
        found[letter, label] = rows(array, which)
    return found


@needs_browser
@pytest.mark.parametrize("which", [None, 7], ids=["mean", "example 7"])
def test_the_numbers_are_the_runs(opened, which):
    run = towers()
    page = opened(page_of(run))
    page.get_by_role("button", name="Last step").click()
    page.get_by_role("combobox", name="Numbers of").select_option(
        label="mean of all 10" if which is None else f"example {which}"
    )
    for name in ("u", "h", "out"):
        choose(page, name)
        drawn = page.locator("figure")
        titles = drawn.evaluate_all(TITLES)
        shown = dict(zip(map(tuple, titles), drawn.evaluate_all(READ), strict=True))
        for title, array in expected(run, name, which).items():
            found = array_of(shown[title], array.shape)
            np.testing.assert_allclose(found, array, rtol=1e-5, err_msg=f"{title} of {name}")
    choose(page, "quadratic")
    cost = run.cost if which is None else run["quadratic"].a[which]
    assert number(figures(page, "C").locator(".scalar").inner_text()) == pytest.approx(cost, rel=1e-5)


@needs_browser
def test_an_example_is_shown_unless_asked_otherwise(opened):
    run = towers()
    page = opened(page_of(run))
    page.keyboard.press("End")
    assert page.locator("#example").input_value() == "0"
    choose(page, "concat")
    sent = numbers(figures(page, "∂Cₓ/∂a").first, (12,))
    delta = run["h"].delta[0]
    np.testing.assert_allclose(sent, run.graph["h"].layer.w.value.T @ delta, rtol=1e-4)  # BP2, as it isn't for means
    page.get_by_role("combobox", name="Numbers of").select_option("-1")
    eventually(page, lambda: page.url.endswith("&example=mean"), "the address says what is shown")
    assert opened(page_of(run), "#step=3&example=mean").locator("#example").input_value() == "-1"
    assert opened(page_of(run), "#step=3&example=99").locator("#example").input_value() == "0"


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_signs_have_the_colors_that_drawings_of_neurons_have(opened, theme):
    run = chain()
    page = opened(page_of(run), "#step=3", color_scheme=theme)
    w = run.graph["h"].layer.w.value
    style = mg.style(theme)
    for k, ink in ((w.argmax(), style.positive), (w.argmin(), style.negative)):
        r, c = np.unravel_index(k, w.shape)
        pixel = figures(page, "w").locator("canvas").evaluate(PIXEL, [int(r), int(c), 4, 3])
        assert (pixel[0] < pixel[2]) == (int(ink[1:3], 16) < int(ink[5:7], 16)), ink


@needs_browser
def test_at_a_fork_the_parts_their_sum_and_the_scaled_sum_are_shown(opened):
    run = towers()
    page = opened(page_of(run), "#step=14&example=3")
    assert page.locator("h2").inner_text() == "h"
    errors = figures(page, "∂Cₓ/∂a")
    labels = [label for _, label in errors.evaluate_all(TITLES)]
    assert labels == ["from add, slot 0", "from add, slot 1", "their sum", "sent back to concat"]
    shown = errors.evaluate_all(READ)
    first, second, total, sent = (array_of(lines, len(lines)) for lines in shown)
    np.testing.assert_allclose(first, run.edge("h", "add", 0).grad[3], rtol=1e-5)
    np.testing.assert_allclose(second, run.edge("h", "add", 1).grad[3], rtol=1e-5)
    np.testing.assert_allclose(first + second, total, rtol=1e-4)
    np.testing.assert_allclose(sent, run.edge("concat", "h").grad[3], rtol=1e-5)
    slope, delta = numbers(figures(page, "σ′"), (6,)), numbers(figures(page, "δ"), (6,))
    np.testing.assert_allclose(total * slope, delta, rtol=1e-4)
    a = run["h"].a[3]
    np.testing.assert_allclose(slope, np.where(np.arange(6) < 5, a * (1 - a), 1 - a**2), rtol=1e-4)


@needs_browser
def test_the_pointer_reads_numbers_too(opened):
    run = chain()
    page = opened(page_of(run), "#step=3")
    figure = figures(page, "w")
    canvas, readout = figure.locator("canvas"), figure.locator(".readout")
    box = canvas.bounding_box()
    canvas.hover(position={"x": box["width"] * 2.5 / 3, "y": box["height"] * 1.5 / 4})
    index, value = readout.inner_text().split("] ")
    assert index == "[1, 2"
    assert number(value) == pytest.approx(run.graph["h"].layer.w.value[1, 2], rel=1e-5)
    page.mouse.move(5, 5)
    assert "‖·‖" in readout.inner_text()
    assert page.get_by_role("status").inner_text().startswith("Step 3")  # no chatter from the pointer


# ---- the steps ----


@needs_browser
def test_after_k_steps_back_exactly_the_last_k_errors_exist(opened):
    run = chain()
    page = opened(page_of(run))
    back = ["quadratic", "out", "h"]
    for step in range(1, 9):
        done = back[: max(step - 5, 0)]
        assert page.locator(".badge.there").count() == len(done)
        for node in run.graph.nodes:
            if node.name not in back:
                continue
            page.locator(f"#n{node.id}").dispatch_event("click")
            assert page.locator("h2").inner_text() == node.name
            drawn = page.locator("figure")
            names = [name for name, _ in drawn.evaluate_all(TITLES)]
            missing = [lines == ["not computed yet"] for lines in drawn.evaluate_all(READ)]
            forward = ["x", "t", "h", "out", "quadratic"].index(node.name) + 1
            for name, lacks in zip(names, missing, strict=True):
                if name in ("z", "C"):
                    assert lacks == (step < forward), (name, node.name, step)
                elif name not in ("a", "w", "b"):
                    assert lacks == (node.name not in done), (name, node.name, step)
        page.get_by_role("button", name="Next step").click(force=True)  # also where it does nothing


WAYS = {
    "buttons": lambda page, way: page.get_by_role("button", name="Next step" if way > 0 else "Step back").click(
        force=True
    ),
    "keys": lambda page, way: page.keyboard.press("ArrowRight" if way > 0 else "ArrowLeft"),
    "slider": lambda page, way: page.get_by_role("slider", name="Step", exact=True).press(
        "ArrowRight" if way > 0 else "ArrowLeft"
    ),
}


@needs_browser
@pytest.mark.parametrize("way", WAYS)
def test_to_the_end_and_back(opened, way):
    page = opened(page_of(chain()))
    seen = [page.locator("#where").inner_text()]
    for _ in range(9):  # two more than there are
        WAYS[way](page, 1)
        seen.append(page.locator("#where").inner_text())
    assert [text.partition(",")[0] for text in seen] == [
        "forward 1 of 5 x", "forward 2 of 5 t", "forward 3 of 5 h", "forward 4 of 5 out", "forward 5 of 5 quadratic",
        "backward 1 of 3 quadratic", "backward 2 of 3 out", *["backward 3 of 3 h"] * 3,
    ]  # fmt: skip
    for text in seen[6::-1]:
        WAYS[way](page, -1)
        assert page.locator("#where").inner_text() == text
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert page.locator("#where").inner_text() == seen[0]


@needs_browser
def test_the_active_node_and_its_edges_light_up(opened):
    run = towers(m=2)
    g = run.graph
    page = opened(page_of(run), "#step=14")  # back at h, between add, which has it twice, and concat

    def lit(kind):
        return sorted(page.locator(f"#stage .edge.{kind}").evaluate_all("all => all.map(line => line.id)"))

    h, add, concat = (g[name].id for name in ("h", "add", "concat"))
    assert lit("came") == [f"e{h}-{add}-0", f"e{h}-{add}-1"]
    assert lit("sent") == [f"e{concat}-{h}-0"]
    halo, box = page.locator("rect.back").bounding_box(), page.locator(f"#n{h}").bounding_box()
    assert halo["x"] < box["x"] < box["x"] + box["width"] < halo["x"] + halo["width"]
    page.keyboard.press("Home")
    assert page.locator("rect.ahead").count() == 1
    assert page.locator("#stage .node.faint").count() == len(g.nodes) - 1
    assert sorted(set(edge_ids(g)) - set(lit("faint"))) == [f"e{g['left'].id}-{g['u'].id}-0"]
    assert not lit("came")


@needs_browser
def test_each_step_names_its_equations(opened):
    page = opened(page_of(towers(m=2)))
    said = {}
    for step in range(1, 18):
        name = page.locator("h2").inner_text()
        way = page.locator("#where b").inner_text().split()[0]
        texts = "all => all.map(one => [one.children[0].textContent, one.children[1].textContent])"
        said[name, way] = list(map(tuple, page.locator(".equation").evaluate_all(texts)))
        assert f"Step {step} of 17" in page.get_by_role("status").inner_text()
        page.keyboard.press("ArrowRight")
    assert said["out", "forward"] == [("", "z4=w4aadd+b4"), ("", "a4=σ(z4)")]
    assert said["out", "backward"] == [
        ("BP1", "δ4=(∇a4Cx)⊙σ′(z4)"), ("BP3", "∂Cx∂b4=δ4"), ("BP4", "∂Cx∂w4=δ4(aadd)T"), ("BP2", "∂Cx∂aadd=(w4)Tδ4"),
    ]  # fmt: skip
    assert said["h", "backward"][0] == ("BP2", "δ3=(∑edges∂Cx∂a3edge)⊙σ′(z3)")
    assert [tag for tag, _ in said["u", "backward"]] == ["BP2", "BP3", "BP4"]
    assert said["add", "backward"] == said["concat", "forward"] == []
    assert page.locator("#where").inner_text().endswith("BP2, BP3, BP4")
    choose(page, "add")
    assert "error to each input = error" in page.locator("#equations pre").inner_text()


def test_the_words_of_a_layer_are_its_docstrings():
    class Mine(Layer):
        """Nothing much.

        a = x / 2,   error to the input = error / 2

        Prose.
        """

    class Silent(Layer):
        pass

    class Heir(Mine):
        pass

    assert words_of(Mine) == words_of(Heir) == "Nothing much.\n\na = x / 2,   error to the input = error / 2"
    assert words_of(Silent) == ""
    assert words_of(Conv2D).startswith("Neurons that see a window")
    assert "BP4" in words_of(Conv2D)
    for kind in vars(mg.layers).values():
        if (
            isinstance(kind, type)
            and issubclass(kind, Layer)
            and kind.__name__ not in {"Layer", "Neurons", "Input", "Cell", "Recurrent"}
        ):
            assert "=" in words_of(kind), kind


# ---- runs of all kinds ----

WALK = """() => {
  const names = [], slider = document.getElementById("slider");
  for (let i = 0; i < slider.max; i += 1) {
    names.push(document.querySelector("h2").textContent);
    document.getElementById("next").click();
  }
  return names;
}"""


@needs_browser
@pytest.mark.parametrize("name", ROWS)
def test_every_wiring_shows_every_step(opened, name):
    run = wired(name).forward().backward()
    page = opened(page_of(run), width=500)
    order = [view.node.name for view in run] + [node.name for node in run.swept_back().place]
    assert page.evaluate(WALK) == order
    assert page.locator(".badge.there").count() == len(run.swept_back().place)
    page.keyboard.press("Home")
    assert page.get_by_role("status").inner_text().startswith("Step 1 of")


def stopped():
    """A backward sweep interrupted at the node 'out'."""
    run = towers(backward=False)

    def stop(node, record):
        if node.name == "out":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.backward(observe=stop)
    return run


PARTIAL = {
    "forward only": (lambda: towers(backward=False), 10, "h", "not computed yet: this run has only gone forward"),
    "interrupted": (stopped, 12, "h", "not computed yet: the backward sweep was interrupted"),
    "no path": (towers, 17, "t", "there is none: no path leads from here to the cost"),
    "not asked": (towers, 17, "left", "not asked for: nothing trainable stands before"),
}


@needs_browser
@pytest.mark.parametrize("what", PARTIAL)
def test_what_there_is_no_error_of_says_why(opened, what):
    make, count, name, why = PARTIAL[what]
    page = opened(page_of(make()))
    page.keyboard.press("End")
    assert f"of {count}" in page.get_by_role("status").inner_text().partition(",")[0]
    choose(page, name)
    assert figures(page, "δ").locator(".missing").inner_text() == why
    assert ("run.backward()" in page.locator("#note").inner_text()) == (what == "forward only")


@needs_browser
def test_nodes_that_did_not_run_are_faint(opened):
    run = towers(backward=False)
    part = run.graph.forward(left=np.ones(4), right=np.zeros(4), until="concat")  # one example, without a batch axis
    page = opened(page_of(part), "#step=5")
    faint = page.locator("#stage .node.faint").evaluate_all("all => all.map(node => node.id)")
    assert set(faint) == {f"n{part.graph[name].id}" for name in ("h", "add", "out", "quadratic", "t")}
    lines = page.locator("#stage .edge.faint").evaluate_all("all => all.map(line => line.id)")
    assert set(lines) == set(edge_ids(part.graph)[4:])
    assert page.get_by_role("combobox", name="Numbers of").count() == 0
    np.testing.assert_allclose(numbers(figures(page, "a").last, (12,)), part["concat"].a, rtol=1e-5)
    choose(page, "out")
    assert figures(page, "a").locator(".missing").inner_text() == "not part of this run"


@needs_browser
def test_what_is_not_finite_and_what_is_tiny_is_shown_as_it_is(opened):
    g = mg.Sequential(2, Dense(3, "relu", name="h"), Dense(3, name="out"), cost=Quadratic(), seed=0)
    t = np.array([[np.nan, np.inf, 1.0], [0.0, 1e-200, -3e300]])
    with np.errstate(all="ignore"):
        run = g.forward(x=np.zeros((2, 2)), t=t).backward()
        page = opened(page_of(run), "#step=7&example=0")
    assert figures(page, "δ").locator(".odd").inner_text() == "2 of 3 not finite"
    np.testing.assert_array_equal(numbers(figures(page, "δ"), (3,)), [np.nan, -np.inf, -1.0])
    alarm = figures(page, "δ").locator("canvas").evaluate("c => [...c.getContext('2d').getImageData(4, 7, 1, 1).data]")
    assert alarm == [200, 0, 120, 255]
    page.get_by_role("combobox", name="Numbers of").select_option("1")
    np.testing.assert_allclose(numbers(figures(page, "δ"), (3,)), [0, -1e-200, 3e300], rtol=1e-5)


@needs_browser
def test_integers_have_no_mean_and_mixed_examples_no_gradient_of_their_own(opened):
    g = mg.Graph("mixed", seed=0)
    g.cost(SoftmaxCrossEntropy(), g.input("x", 3) >> BatchNorm(name="norm") >> Dense(4, name="out"), target="label")
    run = g.forward(x=np.eye(3), label=[0, 3, 1], training=True).backward()
    page = opened(page_of(run))
    page.keyboard.press("End")
    choose(page, "label")
    page.get_by_role("combobox", name="Numbers of").select_option("-1")
    assert figures(page, "a").locator(".missing").inner_text().startswith("choose an example")
    page.get_by_role("combobox", name="Numbers of").select_option("1")
    assert figures(page, "a").locator(".scalar").inner_text() == "3"
    page.keyboard.press("End")
    choose(page, "out")
    assert "mixes examples" in figures(page, "∂C/∂w").locator(".remark").inner_text()
    np.testing.assert_allclose(
        numbers(figures(page, "∂C/∂w"), (4, 3)), run.grad(g["out"].layer.w), rtol=1e-4, atol=1e-7
    )


def test_there_is_no_page_of_nothing_or_of_what_changed():
    run = chain()
    with pytest.raises(NotComputedError, match="forward"):
        explorer_html(mg.Run(run.graph), svg=BARE)
    with pytest.raises(RenderError, match="SVG"):
        explorer_html(run, svg="digraph {}")
    with pytest.raises(RenderError, match="finite"):
        explorer_html(run, svg=BARE, frames=[("1", {"e0-1-0": ("#000000", math.nan, "")})])
    run.graph["h"].layer.w.value[0, 0] += 1
    with pytest.raises(StaleError, match=r"h\.w"):
        explorer_html(run, svg=BARE)


# ---- pictures and sizes ----


PIXEL = """(canvas, [r, c, h, w]) => {
  const [x, y] = [(c + .5) * canvas.width / w, (r + .5) * canvas.height / h];
  return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
}"""


@needs_browser
def test_images_are_drawn_as_images(opened):
    run = pictures()
    page = opened(page_of(run))

    def pixel(figure, r, c, size):
        return figure.locator("canvas").evaluate(PIXEL, [r, c, *size])[:3]

    page.keyboard.press("End")
    page.get_by_role("combobox", name="Numbers of").select_option("1")
    for name, size in {"grey": (9, 10), "color": (8, 9), "flat": (16, 16)}.items():
        choose(page, name)
        image, figure = run[name].a[1], figures(page, "a")
        planes = image if name == "color" else np.stack([image.reshape(size)] * 3)
        for r, c in ((0, 0), (2, 5), (size[0] - 1, size[1] - 1)):
            assert pixel(figure, r, c, size) == pytest.approx(255 * planes[:, r, c], abs=1)
        figure.get_by_role("button", name="as image").click()
        assert pixel(figure, 2, 5, size) != pytest.approx(255 * planes[:, 2, 5], abs=1)
    choose(page, "dense")
    rows_as_images = figures(page, "w").get_by_role("button", name="rows as 16×16")
    assert rows_as_images.get_attribute("aria-pressed") == "true"
    wide = figures(page, "w").locator("canvas").bounding_box()
    rows_as_images.click()
    assert figures(page, "w").locator("canvas").bounding_box()["height"] != wide["height"]
    np.testing.assert_allclose(numbers(figures(page, "w"), (3, 256)), run.graph["dense"].layer.w.value, rtol=1e-5)


@needs_browser
def test_filters_and_channels_are_tiles_that_read_rightly(opened):
    run = pictures()
    page = opened(page_of(run))
    page.keyboard.press("End")
    choose(page, "conv")
    conv = run.graph["conv"].layer
    np.testing.assert_allclose(numbers(figures(page, "w"), (2, 3, 3, 3)), conv.w.value, rtol=1e-5)
    page.get_by_role("combobox", name="Numbers of").select_option("2")
    np.testing.assert_allclose(numbers(figures(page, "z"), (2, 6, 7)), run["conv"].z[2], rtol=1e-5)
    singles = run.grad(conv.w, per="example")[2]
    np.testing.assert_allclose(numbers(figures(page, "∂C/∂w"), (2, 3, 3, 3)), singles, rtol=1e-4, atol=1e-7)


def fifty(width):
    g = mg.Graph("fifty nodes", seed=0)
    h = g.input("x", width)
    for _ in range(23):
        h = Add()(h, h >> Dense(width, "tanh"))
    g.cost(Quadratic(), Dense(10)(h))
    assert len(g.nodes) == 50
    rng = np.random.default_rng(0)
    return g.forward(x=rng.random((20, width)), t=rng.random((20, 10))).backward()


@needs_browser
@pytest.mark.parametrize("width", [64, 256])
def test_fifty_nodes_take_less_than_two_megabytes(opened, width):
    run = fifty(width)
    text = page_of(run)
    assert len(text.encode()) < 2_000_000
    page = opened(text)
    kept = re.search(r"first (\d+) of 20", page.locator("#note").inner_text())
    assert int(kept[1]) >= 2
    choose(page, "dense")
    w = run.graph["dense"].layer.w.value
    whole = figures(page, "w").locator(".readout").inner_text()
    assert number(whole.split("‖·‖ ")[1]) == pytest.approx(np.linalg.norm(w), rel=6e-3)
    if width < 256:
        return
    said = re.search(r"256×256, as (\d+)×(\d+) means of (\d+)×(\d+)", figures(page, "w").locator(".size").inner_text())
    h, k = int(said[3]), int(said[4])
    figures(page, "w").locator("canvas").press("Home")
    first = page.get_by_role("status").inner_text()
    assert first.startswith(f"mean of [0–{h - 1}, 0–{k - 1}] ")
    assert number(first.split("] ")[1]) == pytest.approx(w[:h, :k].mean(), rel=1e-4)


@pytest.mark.parametrize("shape", [(2, 1, 7, 11), (1, 1, 1, 50), (2, 6, 5, 4), (1, 1, 3, 3), (1, 40, 1, 1)])
@pytest.mark.parametrize("room", [1, 7, 64, 10_000])
def test_cutting_keeps_the_means_of_blocks(shape, room):
    stack = np.random.default_rng(0).normal(size=shape)
    kept, (tall, wide) = cut(stack, room)
    assert kept[0].size <= room
    for index in np.ndindex(*kept.shape):
        r, t, i, j = index
        block = [
            stack[r, t, u, v]
            for u in range(i * tall, min((i + 1) * tall, shape[2]))
            for v in range(j * wide, min((j + 1) * wide, shape[3]))
        ]
        assert kept[index] == pytest.approx(sum(block) / len(block))
    if stack[0].size <= room:
        np.testing.assert_array_equal(kept, stack)


def test_the_same_numbers_are_kept_once():
    arrays = Arrays(3)
    x = np.random.default_rng(0).random((3, 4))
    assert arrays.examples(x) == arrays.examples(x.copy()) != arrays.whole(x)
    _, packed = arrays.packed(10_000)
    assert [(array["rows"], array["mean"]) for array in packed] == [(4, True), (1, False)]


# ---- names ----

HOSTILE = [
    "</script><script>pwned = 1</script>", "<img src=x onerror='pwned = 1'>", '"><svg onload="pwned = 1">',
    "{{script}}", "]]>", "<!--", "&lt;b&gt;", "a:b {d} | e", "two\nlines", "\u202eright to left", "nul\x00\ud800",
    "x" * 500, "", "δ 🎉", "<img src=x>", "<b>bold</b>",
]  # fmt: skip


OURS = {
    None, "b", "button", "canvas", "details", "div", "figcaption", "figure", "h3", "i", "math", "mfrac", "mi", "mn",
    "mo", "mrow", "msub", "msubsup", "msup", "mtext", "munder", "p", "pre", "section", "span", "summary",
}  # fmt: skip
"""What the panel is made of: a name that became an element would add to it."""

WATCH = "new MutationObserver(all => made.push(...all)).observe(panel, { childList: true, subtree: true })"
MADE = """() => {
  const added = made.flatMap(change => [...change.addedNodes]);
  const all = added.flatMap(one => [one, ...one.querySelectorAll?.("*") ?? []]);
  return [...new Set(all.map(one => one.localName ?? null))];
}"""


@needs_browser
def test_hostile_names_are_only_text(opened):
    g = mg.Graph(HOSTILE[0], seed=0)
    x = g.input("x", 2)
    for name in HOSTILE:  # side by side, so that none has a number for superscript
        g.add(Dense(2, "tanh"), x, name=name)
    g.cost(Quadratic(), g.add(Add(), *g.outputs), target="<b>t</b>")
    run = g.forward({"x": np.eye(2), "<b>t</b>": np.eye(2)}).backward()
    page = opened(page_of(run, frames=[("<b>1</b>", {})], scale=[("red", "<i>")]))
    assert page.title().startswith("</script><script>")
    page.evaluate(f"() => {{ window.made = []; {WATCH}; }}")
    seen = page.evaluate(WALK)
    assert {name for name in HOSTILE if name.isprintable() and 0 < len(name) < 60} <= set(seen)
    kinds = set(page.evaluate(MADE))
    assert kinds <= OURS, kinds - OURS
    page.get_by_role("combobox", name="Find a node").fill("img src")
    assert page.locator("#found").get_by_role("option").count() == 2
    assert page.evaluate("[typeof pwned, document.images.length, document.scripts.length]") == ["undefined", 0, 2]
    assert page.locator("#found b b, #stage :is(b, img, script), h1 *").count() == 0


def test_the_policy_lets_nothing_in_but_the_pages_own_script():
    text = explorer_html(chain("</script>"), svg=BARE)
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', text)[1]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("script-src")[2]
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//|@import|url\(\"?http", text)
    content = re.search(r'<script id="content" type="application/json">(.*?)</script>', text, re.DOTALL)[1]
    assert "<" not in content
    assert json.loads(content)["m"] == 5


# ---- the controls ----


@needs_browser
def test_search_goes_to_the_step_of_the_way_we_are_on(opened):
    page = opened(page_of(towers(m=2)))
    box = page.get_by_role("combobox", name="Find a node")
    page.keyboard.press("/")
    box.fill("dense")
    names = page.locator("#found b").all_inner_texts()
    assert names == ["u", "v", "h", "out"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.locator("#found").get_by_role("option", selected=True).inner_text().startswith("h")
    page.keyboard.press("Enter")
    assert page.locator("#slider").input_value() == "7"
    page.keyboard.press("End")
    choose(page, "h")
    assert page.locator("#slider").input_value() == "14"
    page.get_by_role("button", name="forward: step 7").click()
    assert page.locator("#slider").input_value() == "7"
    box.fill("nothing like it")
    assert page.locator("#found").inner_text() == "no such node"
    page.keyboard.press("Escape")
    assert box.get_attribute("aria-expanded") == "false"


@needs_browser
def test_zoom_and_pan(opened):
    page = opened(page_of(chain()))

    def view():
        return [float(x) for x in page.locator("#stage svg").get_attribute("viewBox").split()]

    whole = view()
    page.get_by_role("button", name="Zoom in").click()
    page.keyboard.press("+")
    assert view()[2] == pytest.approx(whole[2] / 1.3**2)
    page.get_by_role("group", name="Network").focus()
    page.keyboard.press("ArrowRight")
    assert view()[0] == pytest.approx(whole[0] + (whole[2] - view()[2]) / 2 + view()[2] / 10)
    assert page.locator("#slider").input_value() == "1"
    page.get_by_role("button", name="Fit").click()
    assert view() == pytest.approx(whole)
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + 200, box["y"] + 100
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    eventually(page, lambda: view()[2] < whole[2], "the wheel zooms")
    zoomed = view()
    page.mouse.down()
    page.mouse.move(x - 50, y - 20)
    page.mouse.up()
    scale = zoomed[2] / box["width"]
    assert view()[:2] == pytest.approx([zoomed[0] + 50 * scale, zoomed[1] + 20 * scale])
    page.keyboard.press("0")
    page.keyboard.press("ArrowRight")
    assert page.locator("#slider").input_value() == "2"


@needs_browser
def test_play_and_the_address(opened):
    page = opened(page_of(chain()), "#step=4&example=2")
    slider = page.get_by_role("slider", name="Step", exact=True)
    assert slider.input_value() == "4"
    assert page.locator("#example").input_value() == "2"
    page.keyboard.press("Space")
    assert page.get_by_role("button", name="Pause").get_attribute("aria-pressed") == "true"
    eventually(page, lambda: int(slider.input_value()) >= 6, "it plays")
    page.keyboard.press("Space")
    assert page.get_by_role("button", name="Play").count() == 1
    eventually(page, lambda: page.url.endswith(f"#step={slider.input_value()}&example=2"), "the address says the step")
    page.evaluate("location.hash = '#step=2'")
    eventually(page, lambda: slider.input_value() == "2", "the address leads to the step")


@needs_browser
def test_the_gradient_flow_over_training(opened):
    run = chain()
    line = "e0-1-0"
    frames = [
        (f"step {k}", {line: (color, width, f"{k}.5")})
        for k, (color, width) in enumerate([("#ff0000", 2), ("#00ff00", 5)])
    ]
    page = opened(page_of(run, frames=frames, scale=[("#ff0000", "10⁻³"), ("#00ff00", "1")]))
    path = page.locator(f"#{line} path")
    stroke = "path => [getComputedStyle(path).stroke, getComputedStyle(path).strokeWidth]"
    opacity = "all => all.map(one => getComputedStyle(one).opacity)"
    page.emulate_media(reduced_motion="reduce")  # else fading takes its time
    assert "not shown" in page.locator("#when").inner_text()
    assert "0.3" in page.locator("#stage :is(.node, .edge)").evaluate_all(opacity)
    own = path.evaluate(stroke)
    page.get_by_role("slider", name="Training step").fill("1")
    assert page.get_by_role("checkbox", name="Gradient flow over training").is_checked()
    assert set(page.locator("#stage :is(.node, .edge)").evaluate_all(opacity)) == {"1"}
    said = page.get_by_role("group", name="Gradient flow over training").inner_text()
    assert "Root mean square of ∂Cₓ/∂a per element" in said
    assert "relative to the largest cost edge" in said
    assert path.evaluate(stroke) == ["rgb(0, 255, 0)", "5px"]
    assert page.locator(".sizes").text_content() == "1.5"
    assert page.locator("#when").inner_text() == "step 1"
    assert page.locator("#stage .still").count() == len(run.graph.edges) - 1
    page.get_by_role("checkbox", name="Gradient flow").uncheck()
    assert path.evaluate(stroke) == own
    assert page.locator("#scale").inner_text().split() == ["10⁻³", "1"]
    assert opened(page_of(run)).get_by_role("slider").count() == 1


@needs_browser
def test_a_drawing_in_which_nodes_are_folded(opened):
    run = chain()
    h, out = run.graph["h"], run.graph["out"]
    svg = (
        '<?xml version="1.0"?><svg viewBox="0 0 90 40" xmlns="http://www.w3.org/2000/svg"><g id="graph0">'
        '<g id="both" class="node"><rect x="5" y="5" width="30" height="20"/></g>'
        '<g id="way" class="edge"><path d="M35 15L80 15" stroke="black"/></g></g></svg>'
    )
    edge = next(edge for edge in run.graph.edges if edge.source is out)
    page = opened(explorer_html(run, svg=svg, boxes={h: "both", out: "both"}, lines={edge: "way"}), "#step=4")
    assert page.locator("rect.ahead").count() == 1
    page.locator("#both").dispatch_event("click")
    assert page.locator("h2").inner_text() == "out"  # the active one of the two
    page.keyboard.press("End")
    assert page.locator("rect.back").count() == 1
    page.keyboard.press("ArrowLeft")
    assert page.locator("#way.came").count() == 1
    page.keyboard.press("Home")  # x has no box
    assert page.locator("#both.faint").count() == 1


LINE = """<svg viewBox="0 0 {0} 40" xmlns="http://www.w3.org/2000/svg"><g id="graph0">
<g id="one" class="node"><rect x="0" y="5" width="30" height="30"/></g>
<g id="two" class="node"><rect x="{1}" y="5" width="30" height="30"/></g>
<g id="way" class="edge"><path d="M30 20L{1} 20" stroke="black"/></g></g></svg>"""


@needs_browser
@pytest.mark.parametrize("gap", [36, 90])
@pytest.mark.parametrize("down", [False, True])
def test_numbers_keep_clear_of_boxes(opened, gap, down):
    run, svg = chain(), LINE.format(gap + 60, gap + 30)
    if down:
        svg = LINE.format(gap + 60, gap + 30).replace("0 0 96 40", "0 0 40 96").replace("0 0 150 40", "0 0 40 150")
        svg = re.sub(r'x="(\d+)" y="(\d+)"', r'x="\2" y="\1"', svg).replace(
            f"M30 20L{gap + 30} 20", f"M20 30L20 {gap + 30}"
        )
    h, out = run.graph["h"], run.graph["out"]
    [edge] = [edge for edge in run.graph.edges if edge.target is out]
    frames = [("step 0", {"way": ("#ff0000", 6, "0.0123")})]
    page = opened(explorer_html(run, svg=svg, boxes={h: "one", out: "two"}, lines={edge: "way"}, frames=frames))
    page.get_by_role("checkbox", name="Gradient flow").check()
    box = "one => (({ x, y, width, height }) => [x, y, x + width, y + height])(one.getBBox())"
    left, top, right, bottom = page.locator(".sizes text").evaluate(box)
    for name in ("one", "two"):
        x, y, to, end = page.locator(f"#{name}").evaluate(box)
        assert right + 4 < x or left - 4 > to or bottom + 2 < y or top - 2 > end
    size = float(page.locator(".sizes text").get_attribute("font-size"))
    assert size == 9 if gap == 90 or down else size < 9


@needs_browser
def test_a_box_that_stands_for_repetitions_shows_the_one_at_hand(opened):
    g = mg.Graph("repeated", seed=0)
    h, twice = g.input("x", 2), []
    for i in (1, 2):
        for name in "pq":
            h = g.add(Dense(2, "tanh"), h, name=f"{name}{i}")
            twice.append(h)
    g.cost(Quadratic(), h, target="t")
    run = g.forward(x=np.eye(2), t=np.eye(2)).backward()
    rect = '<g id="{0}" class="node"><rect x="{1}" y="5" width="30" height="20"/></g>'
    shapes = "".join(rect.format(name, 50 * i + 5) for i, name in enumerate(("p", "q", "cost")))
    svg = f'<svg viewBox="0 0 160 40" xmlns="http://www.w3.org/2000/svg"><g id="graph0">{shapes}</g></svg>'
    p1, q1, p2, q2 = twice
    boxes = {p1: "p", p2: "p", q1: "q", q2: "q", g["quadratic"]: "cost"}
    page = opened(explorer_html(run, svg=svg, boxes=boxes, repeats={p1: (1, 2), q1: (1, 2), p2: (2, 2), q2: (2, 2)}))
    for name, turn, faint in (
        ("p1", "1 of 2", ["q", "cost"]),
        ("q1", "1 of 2", ["cost"]),
        ("p2", "2 of 2", ["q", "cost"]),  # the second repetition of q isn't there yet
        ("q2", "2 of 2", ["cost"]),
    ):
        choose(page, name)
        assert page.locator(".badge.turn.there").text_content() == turn
        assert turn in page.locator("#kind").inner_text()
        assert page.locator(".node.faint").evaluate_all("all => all.map(one => one.id)") == faint
    page.keyboard.press("End")
    seen = []
    for _ in range(5):  # back to the cost
        seen.append((page.locator("h2").inner_text(), page.locator(".badge.error.there").count()))
        page.keyboard.press("ArrowLeft")
    assert seen == [("p1", 3), ("q1", 2), ("p2", 3), ("q2", 2), ("quadratic", 1)]
    page.locator("#p").dispatch_event("click")
    assert page.locator("h2").inner_text() == "p1"


@needs_browser
def test_findings_are_marked_where_they_begin(opened):
    run = chain()
    worst = Finding("vanishing", "out", "it shrinks <b>", "relu", nodes=("out", "h"))
    quiet = Finding("inputs near 0", "h", "two are 0", "nothing", level="note")
    page = opened(page_of(run, findings=[worst, quiet]))
    warning, remark = page.locator(".badge.warning"), page.locator(".badge.remark")
    for mark, name in ((warning, "out"), (remark, "h")):
        place, box = mark.bounding_box(), page.locator(f"#n{run.graph[name].id}").bounding_box()
        assert place["x"] < box["x"] < place["x"] + place["width"]
        assert place["y"] < box["y"] < place["y"] + place["height"]
    page.get_by_role("button", name="⚠ 1 finding").click()
    assert page.locator("h2").inner_text() == "out"
    assert page.locator(".verdict.alarm").inner_text().split("\n\n") == [
        "⚠ vanishing gradients: it shrinks <b>.", "Try: relu.",
    ]  # fmt: skip
    choose(page, "h")
    assert page.locator(".verdict").all_inner_texts() == [
        "⚠ vanishing gradients, see out", "Note: inputs near 0: two are 0.\n\nTry: nothing.",
    ]  # fmt: skip
    page.locator(".verdict button").click()
    assert page.locator("h2").inner_text() == "out"
    choose(page, "x")
    assert page.locator(".verdict").count() == 0


# ---- room ----


def wide():
    """Ten neurons with thirty inputs each."""
    g = mg.Sequential(30, Dense(10, "tanh", name="out"), cost=Quadratic(), name="a rather long name", seed=0)
    return g.forward(x=np.ones((10, 30)), t=np.ones((10, 10))).backward()


@needs_browser
@pytest.mark.parametrize(("width", "height"), [(1280, 850), (1600, 900)])
def test_in_wide_windows_heat_maps_use_the_room(opened, width, height):
    page = opened(page_of(wide()), "#step=6", width=width, height=height)
    weights, gradient = (figures(page, name).bounding_box() for name in ("w", "∂C/∂w"))
    assert weights["y"] == gradient["y"]  # side by side
    across, high = figures(page, "w").locator("canvas").evaluate("c => [c.clientWidth / 30, c.clientHeight / 10]")
    assert 14 < across <= 28
    assert across == pytest.approx(high)


@needs_browser
def test_in_narrow_windows_the_panel_has_room_and_nothing_is_clipped(opened):
    run = wide()
    frames = [("step 1", {"e0-2-0": ("#ff0000", 6, "0.0123")})]
    findings = [Finding("dead", "out", "all", "relu")]
    page = opened(page_of(run, frames=frames, scale=[("red", "1")], findings=findings), width=400, height=800)
    page.get_by_role("combobox", name="Numbers of").select_option("-1")
    assert page.locator("#drawing").bounding_box()["height"] <= 0.35 * 800
    assert page.locator("nav").bounding_box()["y"] - page.locator("#panel").bounding_box()["y"] > 0.35 * 800
    needed = """select => {
      const copy = select.cloneNode(true);
      copy.style.cssText = "width: max-content; max-width: none";
      document.body.append(copy);
      const wide = copy.offsetWidth;
      copy.remove();
      return wide - select.offsetWidth;
    }"""
    assert page.locator("#example").evaluate(needed) <= 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_browser
def test_of_a_drawing_far_too_long_fit_shows_the_whole_width(opened):
    svg = '<svg viewBox="0 0 300 9000"><g id="graph0"></g></svg>'
    page = opened(explorer_html(chain(), svg=svg))
    for way in ("Zoom in", "Fit"):
        page.get_by_role("button", name=way).click()
    x, y, width, height = map(float, page.locator("#stage svg").get_attribute("viewBox").split())
    stage = page.locator("#stage").bounding_box()
    assert stage["width"] / width == pytest.approx(1, rel=1e-3)  # as large as it is drawn
    assert x < 0 < 300 < x + width
    assert 0 <= y < y + height <= 9000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("w_q", "<msubsup><mi>w</mi><mi>q</mi><mrow><mn>2</mn></mrow></msubsup>"),
        ("w_out", "<msubsup><mi>w</mi><mtext>out</mtext><mrow><mn>2</mn></mrow></msubsup>"),
        ("gamma", "<msup><mi>γ</mi><mrow><mn>2</mn></mrow></msup>"),
        ("beta_1", "<msubsup><mi>β</mi><mi>1</mi><mrow><mn>2</mn></mrow></msubsup>"),
        ("_<b>", "<msup><mtext>_&lt;b&gt;</mtext><mrow><mn>2</mn></mrow></msup>"),
        ("w_<", "<msubsup><mi>w</mi><mi>&lt;</mi><mrow><mn>2</mn></mrow></msubsup>"),
    ],
)
def test_params_have_symbols(name, said):
    g = chain().graph
    assert Equations(g).letter(name, g["h"]) == said


# ---- for everybody ----


@needs_browser
def test_themes(opened):
    run = chain()
    svg, dark = (BARE.replace("<g ", f'<g class="{name}" ') for name in ("bright", "night"))
    page = opened(explorer_html(run, svg=svg, svg_dark=dark), color_scheme="dark")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("#stage .night").count() == 1
    page.get_by_role("button", name="Light").click()  # what it leads to
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert page.get_by_role("button", name="Dark").count() == 1
    assert page.locator("#stage .bright").count() == 1
    page = opened(page_of(run), color_scheme="light")
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.emulate_media(color_scheme="dark")
    eventually(page, lambda: page.locator("html").get_attribute("data-theme") == "dark", "it follows the system")
    assert page.locator("#stage.bright").count() == 1  # there is no drawing for dark paper: it keeps its own


@needs_browser
def test_everything_has_a_name_and_the_keyboard_reaches_it(opened):
    page = opened(page_of(chain()))
    for role, names in {
        "banner": [""], "main": [""], "navigation": ["Steps"], "status": [""],
        "region": ["Drawing of the network", "x"], "img": ["chain"],
        "combobox": ["Find a node", "Numbers of"], "slider": ["Step"],
        "button": ["First step", "Step back", "Play", "Next step", "Last step", "Zoom in", "Zoom out", "Fit", "Dark"],
    }.items():  # fmt: skip
        for name in names:
            assert page.get_by_role(role, name=name).count() >= 1, (role, name)
    page.keyboard.press("End")
    maps = page.get_by_role("application")
    assert maps.count() == page.locator("canvas").count() > 5
    assert page.get_by_role("application", name=re.compile(r"^w of h, weights, 4×3: .*arrow keys")).count() == 1
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')"))
        if page.evaluate("document.activeElement === document.body"):
            break
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", reached
    assert {
        "search",
        "theme",
        "stage",
        "closer",
        "fit",
        "first",
        "back",
        "play",
        "next",
        "last",
        "slider",
        "example",
    } <= reached
    assert sum(map(str(reached).count, ("arrow keys read",))) == maps.count()


CONTRAST = """() => {
  const channels = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = c => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const bright = ink => {
    const [r, g, b] = channels(ink).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faults = [];
  for (const one of document.querySelectorAll("body *:not(svg *, script, style, option)")) {
    const own = [...one.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    if (!own || !one.checkVisibility() || one.closest(".unseen, [aria-disabled=true]")) continue;
    let under = one;
    while (under && (channels(getComputedStyle(under).backgroundColor)[3] === 0)) under = under.parentElement;
    const [text, paper] = [bright(getComputedStyle(one).color), bright(getComputedStyle(under).backgroundColor)];
    const contrast = (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
    if (contrast < 4.5) faults.push(`${one.tagName}.${one.className} ${one.textContent.slice(0, 20)} ${contrast}`);
  }
  return faults;
}"""


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_text_has_contrast_and_nothing_runs_out_of_the_page(opened, theme, width):
    page = opened(page_of(towers()), "#step=14", width=width, color_scheme=theme)
    page.locator("summary").first.click()
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("combobox", name="Find a node").focus()
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(
        "[...document.querySelectorAll('canvas')].every(c => c.getBoundingClientRect().right <= innerWidth)"
    )


@needs_browser
def test_no_motion_where_none_is_wanted(opened):
    page = opened(page_of(chain()), reduced_motion="reduce")
    assert page.locator(".node").first.evaluate("node => getComputedStyle(node).transitionDuration") == "0s"
