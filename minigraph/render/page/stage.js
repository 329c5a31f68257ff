// The drawing: zoom, pan, what is marked in it at a step, and the colors of the gradient flow over training.

const SPACE = "http://www.w3.org/2000/svg";
const stage = document.getElementById("stage");
const drawings = { light: stage.querySelector("svg"), dark: document.getElementById("dark").content.querySelector("svg") };
for (const svg of Object.values(drawings)) if (svg) prepare(svg);
let drawing = drawings.light;
let view = null; // x, y, width, height of what is seen, in units of the drawing

function prepare(svg) {
  for (const own of ["width", "height", "style"]) svg.removeAttribute(own); // the page says how large it is
  svg.setAttribute("role", "img");
  if (!svg.hasAttribute("aria-labelledby")) svg.setAttribute("aria-label", `Drawing of ${document.querySelector("h1").textContent}`);
  svg.setAttribute("preserveAspectRatio", "xMidYMid meet");
  const tip = shape("marker", { id: "tip", viewBox: "0 0 10 10", refX: 10, refY: 5, markerWidth: 11, markerHeight: 11, markerUnits: "userSpaceOnUse", orient: "auto-start-reverse" });
  tip.append(shape("path", { d: "M0 0 L10 5 L0 10 z", fill: "context-stroke" }));
  const { x, y, width, height } = svg.viewBox.baseVal;
  svg.whole = [x, y, width, height];
  svg.parts = new Map([...svg.querySelectorAll("g[id]")].map((part) => [part.id, part]));
  svg.paper = svg.querySelector("g.graph > polygon")?.getAttribute("fill") ?? "";
  svg.prepend(tip);
  svg.marks = svg.querySelector("g").appendChild(shape("g", { class: "marks" }));
}

function shape(tag, attributes) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const drawn = (id) => drawing.parts.get(id);

// ---- what is seen ----

function look(to) {
  view = to;
  drawing.setAttribute("viewBox", view.join(" "));
}

/** The view that has the stage's proportions and the whole drawing in it. */
function whole() {
  const [x, y, width, height] = drawing.whole;
  const { clientWidth, clientHeight } = stage;
  const scale = Math.min(clientWidth / width, clientHeight / height, 1.6);
  const [w, h] = [clientWidth / scale, clientHeight / scale];
  return [x - (w - width) / 2, y - (h - height) / 2, w, h];
}

/** At first, all of it, or as much as can be read of a large one. */
function begin() {
  look(whole());
  const scale = stage.clientWidth / view[2];
  if (scale < 0.55) zoom(0.8 / scale);
}

function zoom(factor, at = [view[0] + view[2] / 2, view[1] + view[3] / 2]) {
  const scale = stage.clientWidth / view[2];
  const part = Math.min(Math.max(scale * factor, 0.02), 8) / scale;
  look([at[0] - (at[0] - view[0]) / part, at[1] - (at[1] - view[1]) / part, view[2] / part, view[3] / part]);
}

function pan(dx, dy) {
  look([view[0] + dx * view[2], view[1] + dy * view[3], view[2], view[3]]);
}

/** A box of the drawing, in the units of the view. */
function boxOf(group) {
  const toView = drawing.getScreenCTM().inverse().multiply(group.getScreenCTM());
  const { x, y, width, height } = group.getBBox();
  const [from, to] = [new DOMPoint(x, y), new DOMPoint(x + width, y + height)].map((point) => point.matrixTransform(toView));
  return [from.x, from.y, to.x - from.x, to.y - from.y];
}

/** Move so that a box is seen, unless it is. */
function follow(group) {
  const [x, y, width, height] = boxOf(group);
  const [left, top, wide, high] = view;
  const seen = x > left && y > top && x + width < left + wide && y + height < top + high;
  if (seen) return;
  const [fromX, fromY, allWide, allHigh] = drawing.whole;
  const within = (start, length, from, all) => (length < all ? Math.min(Math.max(start, from), from + all - length) : from - (length - all) / 2);
  const to = [within(x + width / 2 - wide / 2, wide, fromX, allWide), within(y + height / 2 - high / 2, high, fromY, allHigh)];
  const began = performance.now();
  const frame = (now) => {
    const part = reduced.matches ? 1 : Math.min((now - began) / 220, 1);
    look([left + (to[0] - left) * part, top + (to[1] - top) * part, view[2], view[3]]);
    if (part < 1) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), [x, y]);
}, { passive: false });

let drag = null;
stage.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  event.preventDefault(); // the focus stays where it is, so that arrow keys go on stepping
  drag = { x: event.clientX, y: event.clientY, view, moved: false };
});
stage.addEventListener("mousedown", (event) => event.preventDefault());
window.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  drag.moved ||= Math.hypot(dx, dy) > 4;
  const scale = drag.view[2] / stage.clientWidth;
  if (drag.moved) look([drag.view[0] - dx * scale, drag.view[1] - dy * scale, drag.view[2], drag.view[3]]);
});
window.addEventListener("pointerup", () => setTimeout(() => { drag = null; }));
window.addEventListener("pointercancel", () => { drag = null; });
stage.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
  const move = moves[event.key];
  if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  pan(...move);
});
document.getElementById("closer").addEventListener("click", () => zoom(1.3));
document.getElementById("farther").addEventListener("click", () => zoom(1 / 1.3));
document.getElementById("fit").addEventListener("click", () => look(whole()));

// ---- what is marked ----

/** What stands for each box of the drawing: its group, its nodes, its place, and a δ that shows once there is one. */
function boxes() {
  if (drawing.boxes) return drawing.boxes;
  const members = new Map();
  content.nodes.forEach(({ box }, i) => members.set(box, [...(members.get(box) ?? []), i]));
  drawing.boxes = [...members].filter(([id]) => drawn(id)).map(([id, inside]) => ({ group: drawn(id), inside, place: drawn(id).getBBox() }));
  for (const box of drawing.boxes) {
    box.badge = shape("g", { class: "badge", transform: `translate(${box.place.x + box.place.width + 2} ${box.place.y - 1})` });
    const letter = shape("text", { "text-anchor": "middle", y: 3.4 });
    letter.textContent = "δ";
    box.badge.append(shape("circle", { r: 7.5 }), letter);
  }
  drawing.marks.append(...drawing.boxes.map((box) => box.badge));
  return drawing.boxes;
}

/** Show a step: boxes not reached are faint, those with an error bear a δ, the active one and its edges light up. */
function light(at, chosen) {
  const { nodes, edges, steps } = content;
  const active = steps[at - 1];
  const reached = (i) => nodes[i].forward && nodes[i].forward <= at;
  drawing.marks.querySelectorAll("rect").forEach((halo) => halo.remove());
  for (const { group, inside, place, badge } of boxes()) {
    group.classList.toggle("faint", !inside.some(reached));
    badge.classList.toggle("there", inside.some((i) => nodes[i].backward && nodes[i].backward <= at));
    if (inside.includes(active.node)) halo(place, active.back ? "back" : "ahead");
    else if (inside.includes(chosen)) halo(place, "chosen");
  }
  const lit = new Map();
  for (const i of active.out) lit.set(edges[i][0], "sent");
  for (const i of active.in) lit.set(edges[i][0], active.back ? "came" : "ahead");
  const carrying = new Set(edges.filter(([, source, target]) => reached(source) && nodes[target].forward).map(([id]) => id));
  for (const [id] of edges) {
    const line = drawn(id);
    if (!line) continue;
    for (const kind of ["ahead", "came", "sent"]) line.classList.toggle(kind, lit.get(id) === kind);
    line.classList.toggle("faint", !lit.has(id) && !carrying.has(id));
  }
  const group = drawn(nodes[chosen].box);
  if (group) follow(group);
}

function halo({ x, y, width, height }, kind) {
  drawing.marks.prepend(shape("rect", { class: kind, x: x - 4, y: y - 4, width: width + 8, height: height + 8, rx: 9 }));
}

/** Color the edges as in a frame of the gradient flow; null gives them their own colors back. */
function recolor(frame) {
  drawing.querySelectorAll(".flowing, .still").forEach((line) => {
    line.classList.remove("flowing", "still");
    line.removeAttribute("style");
  });
  drawing.querySelector(".sizes")?.remove();
  if (!frame) return;
  const sizes = drawing.querySelector("g").appendChild(shape("g", { class: "sizes" }));
  for (const [id] of content.edges) {
    const line = drawn(id);
    if (!line) continue;
    const [ink, width, size] = frame.lines[id] ?? [];
    line.classList.add(ink ? "flowing" : "still");
    if (!ink) continue;
    line.style.setProperty("--flow", ink);
    line.style.setProperty("--wide", `${width}px`);
    const path = line.querySelector("path");
    const { x, y } = path.getPointAtLength(path.getTotalLength() / 2);
    const label = shape("text", { x, y: y - width / 2 - 3, "text-anchor": "middle" });
    label.textContent = size;
    sizes.append(label);
  }
}
