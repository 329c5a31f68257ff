// The drawing: zoom and pan.

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

const LEGIBLE = 0.3; // smaller than this part of its size, a drawing is a hairline or a cloud of dots

/** The view that has the whole drawing in it, or, of one far too long for the stage, its whole width or height. */
function fit() {
  const [, , width, height] = drawing.whole;
  const scales = [stage.clientWidth / width, stage.clientHeight / height];
  const least = Math.min(...scales, 1.6);
  const scale = least < LEGIBLE ? Math.min(Math.max(...scales, LEGIBLE), 1) : least;
  const [x, y] = view ? [view[0] + view[2] / 2, view[1] + view[3] / 2] : [0, 0];
  return around(x, y, stage.clientWidth / scale, stage.clientHeight / scale);
}

/** A view of a size, with a point as near to its middle as goes without showing what is beside the drawing. */
function around(x, y, width, height) {
  const [left, top, allWide, allHigh] = drawing.whole;
  const within = (at, length, from, all) => (length < all ? Math.min(Math.max(at - length / 2, from), from + all - length) : from - (length - all) / 2);
  return [within(x, width, left, allWide), within(y, height, top, allHigh), width, height];
}

/** At first, all of it, or as much as can be read of a large one. */
function begin() {
  view = null;
  look(fit());
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
  const to = around(x + width / 2, y + height / 2, wide, high);
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
document.getElementById("fit").addEventListener("click", () => look(fit()));
