// The panel: equations and figures of the chosen node, as they stand at a step.

const $ = (id) => document.getElementById(id);
const { nodes, steps } = content;
const turn = steps.findIndex((step) => step.back); // how many steps go forward; −1: all
const toggled = new Map(); // which figures are shown as pictures, or not, against their default
let at = 1, chosen = steps[0].node, which = 0; // which example; −1: the mean over the batch, for which BP2 doesn't hold
let redraws = [];

function showPanel() {
  const node = nodes[chosen], step = steps[at - 1], active = step.node === chosen;
  $("name").textContent = node.name;
  $("kind").textContent = `${node.kind} · ${node.shapes}${node.repeat ? ` · ${node.repeat.join(" of ")} in one box` : ""}`;
  $("jumps").replaceChildren(...jumps(node));
  const back = active ? step.back : node.backward <= at && node.backward > 0;
  $("equations").replaceChildren(...equations(node, back), ...words(node));
  $("verdicts").replaceChildren(...verdicts(chosen));
  const order = back ? ["backward", "weights", "forward"] : ["forward", "weights", "backward"];
  redraws = [];
  $("figures").replaceChildren(...order.map((group) => section(node, group)).filter(Boolean));
  for (const draw of redraws) draw();
  $("note").textContent = [content.note, keptNote()].filter(Boolean).join(" ");
}

function jumps(node) {
  return ["forward", "backward"].filter((way) => node[way]).map((way) => {
    const button = element("button", { type: "button", className: way, textContent: `${way}: step ${node[way]}` });
    if (node[way] === at) button.setAttribute("aria-current", "step");
    button.addEventListener("click", () => { go(node[way]); $("name").focus(); });
    return button;
  });
}

function equations(node, back) {
  return (back ? node.back : node.ahead).map(({ tag, math, words }) => {
    const formula = element("span", { className: "formula" });
    formula.innerHTML = math; // MathML made at export, with every name in it escaped; the page's policy runs no other script
    return element("p", { className: "equation" }, element("b", { textContent: tag }), formula, element("span", { textContent: words }));
  });
}

/** Findings that begin at a node, with the evidence and what to try; of others that concern it or its box, where they begin. */
function verdicts(chosen) {
  const near = (i) => i === chosen || (nodes[i].box && nodes[i].box === nodes[chosen].box);
  return content.findings.filter((finding) => finding.nodes.includes(chosen) || near(finding.nodes[0])).map(({ title, alarm, nodes: [first], evidence, remedy }) => {
    const made = element("div", { className: alarm ? "verdict alarm" : "verdict" }, element("b", { textContent: alarm ? `⚠ ${title}` : `Note: ${title}` }));
    if (first === chosen) made.append(`: ${evidence}.`, element("p", { textContent: `Try: ${remedy}.` }));
    else made.append(", see ", toNode(first));
    return made;
  });
}

function toNode(i) {
  const button = element("button", { type: "button", textContent: nodes[i].name });
  button.addEventListener("click", () => { go(at, i); $("name").focus(); });
  return button;
}

function words(node) {
  const said = content.words[node.words];
  if (!said) return [];
  const [summary, ...lines] = said.split("\n\n");
  const own = element("details", { open: !node.ahead.length || !/^Dense/.test(node.kind) }, element("summary", { textContent: summary }));
  if (lines.length) own.append(element("pre", { textContent: lines.join("\n\n").replace(/(\S) {4,}/g, "$1    "), tabIndex: 0 }));
  return [own];
}

const HEADINGS = { forward: "Forward", weights: "Weights and their gradients", backward: "Backward" };

function section(node, group) {
  const members = node.figures.filter((figure) => figure.group === group);
  if (!members.length) return null;
  const forks = members.filter((figure) => figure.scale === "fork" && figure.since <= at);
  const tops = forks.map((figure) => sample(figure.array, which)).filter(Boolean).map((shown) => topOf(facts(shown)));
  const grid = element("div", { className: "grid" });
  grid.append(...members.map((figure, i) => card(node, figure, `${chosen} ${group} ${i}`, Math.max(...tops))));
  return element("section", { className: group }, element("h3", { textContent: HEADINGS[group] }), grid);
}

const topOf = ({ low, high }) => Math.max(Math.abs(low), Math.abs(high), 0);

/** One figure: a title, then a number, a heat map or a picture; or why there is none. */
function card(node, figure, key, shared) {
  const symbol = element("span", { className: "formula" });
  symbol.innerHTML = figure.symbol; // as above
  const caption = element("figcaption", {}, symbol, element("span", { textContent: figure.label }));
  const made = element("figure", {}, caption);
  made.dataset.name = figure.name;
  const reached = figure.array !== undefined && figure.since <= at;
  const [shown, remark] = reached ? numbers(figure) : [null, figure.lacks ?? "not computed yet"];
  if (remark) made.append(element("p", { className: shown ? "remark" : "missing", textContent: remark }));
  if (!shown) return made;
  const { low, high, odd, said } = facts(shown);
  if (shown.values.length === 1 && !shown.facts) {
    made.append(element("p", { className: Number.isFinite(shown.values[0]) ? "scalar" : "scalar odd", textContent: text(shown.values[0]) }));
    return made;
  }
  const form = figure.image ?? figure.rows;
  const on = form && !shown.facts && (toggled.get(key) ?? form.on);
  if (form && !shown.facts) caption.append(toggle(figure, key, on));
  const top = figure.scale ? shared : topOf({ low, high });
  const size = shown.shape.join("×") || "1";
  const readout = element("p", { className: "readout" });
  const idle = () => { readout.textContent = said; readout.classList.remove("live"); };
  const tell = (words, aloud) => {
    if (words === null) return idle();
    readout.textContent = words;
    readout.classList.add("live");
    if (aloud) $("said").textContent = words;
  };
  const label = `${figure.name} of ${node.name}, ${figure.label}, ${size}: ${said}; arrow keys read its numbers`;
  const map = heatMap(shown, { tile: on && figure.rows ? figure.rows.form : null, picture: on ? figure.image : null, top, label, tell });
  redraws.push(map.draw);
  const [least, most] = map.widths;
  made.style.setProperty("--least", `${least + 22}px`); // with the card's padding
  made.style.setProperty("--most", `${most + 22}px`);
  idle();
  made.append(element("div", { className: "map" }, map.canvas), readout);
  if (odd) made.append(element("p", { className: "odd", textContent: `${odd} of ${shown.values.length} not finite` }));
  made.append(element("p", { className: "legend" }, ...legend(on && figure.image, low, high, top), element("span", { className: "size", textContent: cutNote(shown, size) })));
  return made;
}

/** The numbers to show of a figure for the chosen example, and what is to be said of them. */
function numbers(figure) {
  const array = content.arrays[figure.array];
  const exact = sample(figure.array, array.each || which < 0 ? which : 0);
  const slopes = figure.name === "σ′" && which < 0 ? "mean; each example's error meets its own slope" : "";
  const alone = figure.name.startsWith("∂C/") && content.m > 1 && which >= 0 ? `example ${which} alone` : "";
  if (array.each && exact) return [exact, slopes || alone];
  if (array.each) return [null, which < 0 ? "choose an example: a mean of integers says nothing" : "this example isn't kept"];
  if (!figure.name.startsWith("∂C/") || content.m === 1 || which < 0) return [exact, ""];
  const single = figure.outer && outer(...figure.outer.map((number) => sample(number, which)));
  if (single) return [single, alone];
  return [exact, content.mixed ? "mean over the batch: a layer mixes examples, so none has a gradient of its own" : "mean over the batch"];
}

function cutNote(shown, size) {
  if (!shown.facts) return size;
  const [tiles, h, w] = shown.kept;
  const [tall, wide] = shown.block;
  const all = shown.shape.slice(0, -2).reduce((n, length) => n * length, 1);
  const blocks = tall * wide > 1 ? `, as ${shown.shape.length > 1 ? `${h}×${w}` : w} means of ${tall}×${wide}` : "";
  return size + (tiles < all ? `, first ${tiles} of ${all}` : "") + blocks;
}

function keptNote() {
  if (content.examples >= content.m) return "";
  return `The page keeps the first ${content.examples} of ${content.m} examples; means are over all.`;
}

function toggle(figure, key, on) {
  const rows = figure.rows && `rows as ${figure.rows.form.join("×")}`;
  const button = element("button", { type: "button", className: "toggle", textContent: rows || "as image" });
  button.setAttribute("aria-pressed", on);
  button.addEventListener("click", () => {
    toggled.set(key, !on);
    const place = [...document.querySelectorAll(".toggle")].indexOf(button);
    showPanel();
    document.querySelectorAll(".toggle")[place]?.focus();
  });
  return button;
}

function legend(picture, low, high, top) {
  const ends = picture ? picture.range : [low < 0 ? -top : 0, high > 0 ? top : 0];
  const bar = element("i");
  const stops = Array.from({ length: 9 }, (_, i) => ends[0] + ((ends[1] - ends[0]) * i) / 8);
  const inks = picture ? ["rgb(0 0 0)", "rgb(255 255 255)"] : stops.map((x) => `rgb(${color(x, top).join(" ")})`);
  bar.style.background = `linear-gradient(to right, ${inks.join(", ")})`;
  return [element("span", { textContent: text(ends[0], 3) }), bar, element("span", { textContent: text(ends[1], 3) })];
}
