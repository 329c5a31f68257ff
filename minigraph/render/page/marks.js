// What is marked in the drawing at a step, and the colors of the gradient flow over training.

/** What stands for each box of the drawing: its group, its nodes, its place, and the marks at its corners. */
function boxes() {
  if (drawing.boxes) return drawing.boxes;
  const members = new Map();
  content.nodes.forEach(({ box }, i) => members.set(box, [...(members.get(box) ?? []), i]));
  drawing.boxes = [...members].filter(([id]) => drawn(id)).map(([id, inside]) => {
    const place = drawn(id).getBBox();
    const [right, bottom] = [place.x + place.width, place.y + place.height];
    const error = badge("error", "δ", right + 2, place.y - 1);
    const turn = badge("turn", "", place.x + 15, bottom + 7);
    drawing.marks.append(error, turn, ...warnings(inside, place.x - 1, place.y - 1));
    return { group: drawn(id), inside, place, error, turn };
  });
  return drawing.boxes;
}

/** A disc, or what is wide enough for its words, around a point. */
function badge(kind, words, x, y) {
  const made = shape("g", { class: `badge ${kind}`, transform: `translate(${x} ${y})` });
  const wide = kind === "turn" ? 19 : 7.5;
  const label = shape("text", { "text-anchor": "middle", y: 3.4 });
  label.textContent = words;
  made.append(shape("rect", { x: -wide, y: -7.5, width: 2 * wide, height: 15, rx: 7.5 }), label);
  return made;
}

/** A triangle where an alarm of run.diagnose() begins, a small i where only notes do. */
function warnings(inside, x, y) {
  const found = content.findings.filter(({ nodes: [first] }) => inside.includes(first));
  if (!found.length) return [];
  if (!found.some(({ alarm }) => alarm)) return [badge("remark", "i", x, y)];
  const made = badge("warning", "!", x, y);
  made.firstChild.replaceWith(shape("path", { d: "M0 -9 L10 7.5 L-10 7.5 z" }));
  return [made];
}

/** Whether node i is of the repetition that the active node is in, where drawings show several as one box. */
function atHand(i, active) {
  const [own, of] = content.nodes[i].repeat ?? [1, 1];
  const [now, all] = content.nodes[active].repeat ?? [1, 1];
  return own > Math.floor(((now - 1) * of) / all) && own <= Math.ceil((now * of) / all);
}

/** Show a step: boxes not reached are faint, those with an error bear a δ, the active one and its edges light up. */
function light(at, chosen) {
  const { nodes, steps } = content;
  const active = steps[at - 1];
  drawing.marks.querySelectorAll(".halo").forEach((halo) => halo.remove());
  for (const { group, inside, place, error, turn } of boxes()) {
    const now = inside.filter((i) => atHand(i, active.node));
    group.classList.toggle("faint", !now.some((i) => nodes[i].forward && nodes[i].forward <= at));
    error.classList.toggle("there", now.some((i) => nodes[i].backward && nodes[i].backward <= at));
    const marked = [active.node, chosen].find((i) => inside.includes(i));
    const kind = marked === active.node ? (active.back ? "back" : "ahead") : "chosen";
    if (marked !== undefined) halo(place, kind);
    turn.setAttribute("class", marked !== undefined && nodes[marked].repeat ? `badge turn there ${kind}` : "badge turn");
    turn.lastChild.textContent = nodes[marked]?.repeat?.join(" of ") ?? "";
  }
  lightLines(at, active);
  const group = drawn(nodes[chosen].box);
  if (group) follow(group);
}

/** Light up the lines along which something comes and goes; those that nothing came along yet are faint. */
function lightLines(at, active) {
  const { nodes, edges } = content;
  const lit = new Map();
  for (const i of active.out) lit.set(edges[i][0], "sent");
  for (const i of active.in) lit.set(edges[i][0], active.back ? "came" : "ahead");
  for (const [id, those] of lines()) {
    const now = those.filter(([, target]) => atHand(target, active.node));
    const carries = (now.length ? now : those).some(([source, target]) => nodes[source].forward <= at && nodes[source].forward && nodes[target].forward);
    for (const kind of ["ahead", "came", "sent"]) drawn(id).classList.toggle(kind, lit.get(id) === kind);
    drawn(id).classList.toggle("faint", !lit.has(id) && !carries);
  }
}

/** The edges that each line of the drawing stands for, as pairs of nodes. */
function lines() {
  if (drawing.lines) return drawing.lines;
  drawing.lines = new Map();
  for (const [id, ...ends] of content.edges) {
    if (drawn(id)) drawing.lines.set(id, [...(drawing.lines.get(id) ?? []), ends]);
  }
  return drawing.lines;
}

function halo({ x, y, width, height }, kind) {
  drawing.marks.prepend(shape("rect", { class: `halo ${kind}`, x: x - 4, y: y - 4, width: width + 8, height: height + 8, rx: 9 }));
}

// ---- gradient flow ----

/** Color the edges as in a frame of the gradient flow; null gives them their own colors back. */
function recolor(frame) {
  stage.classList.toggle("flow", frame !== null);
  drawing.querySelectorAll(".flowing, .still").forEach((line) => {
    line.classList.remove("flowing", "still");
    line.removeAttribute("style");
  });
  drawing.querySelector(".sizes")?.remove();
  if (!frame) return;
  const sizes = drawing.querySelector("g").appendChild(shape("g", { class: "sizes" }));
  const labels = [];
  for (const id of lines().keys()) {
    const [ink, width, size] = frame.lines[id] ?? [];
    drawn(id).classList.add(ink ? "flowing" : "still");
    if (!ink) continue;
    drawn(id).style.setProperty("--flow", ink);
    drawn(id).style.setProperty("--wide", `${width}px`);
    const label = sizes.appendChild(shape("text", { "text-anchor": "middle", "font-size": SIZES[0] }));
    label.textContent = size;
    labels.push({ label, width, points: middle(drawn(id)) });
  }
  for (const one of labels) one.wide = one.label.getComputedTextLength(); // all measured before any is moved
  const places = boxes().map(({ place }) => place);
  for (const one of labels) put(one, places);
}

const SIZES = [9, 8, 7.5, 7, 6.5, 6]; // of a line's number, smaller where boxes leave too little room
const CLEAR = 6; // between numbers and boxes, one of which has a frame

/** Points about the middle of a line, where its number may stand. */
function middle(line) {
  const path = line.querySelector("path");
  const length = path.getTotalLength();
  line.points ??= [0.5, 0.55, 0.45, 0.6, 0.4, 0.65, 0.35, 0.7, 0.3, 0.8, 0.2].map((part) => path.getPointAtLength(part * length));
  return line.points;
}

/** Place a number beside its line or above it, where it is clear of all boxes: as large as there is room for. */
function put({ label, width, points, wide }, places) {
  const free = ([x, y, half, tall]) =>
    places.every((box) => x + half + CLEAR < box.x || x - half - CLEAR > box.x + box.width || y + CLEAR < box.y || y - tall - CLEAR > box.y + box.height);
  let spot = null;
  for (const size of SIZES) {
    const half = (wide * size) / SIZES[0] / 2;
    label.setAttribute("font-size", size);
    const gap = width / 2 + 3;
    const spots = points.flatMap(({ x, y }) => [[x, y - gap], [x + half + gap, y + size / 3], [x - half - gap, y + size / 3], [x, y + gap + size * 0.8]]);
    spot = spots.find(([x, y]) => free([x, y, half, size * 0.8]));
    if (spot) break;
  }
  const [x, y] = spot ?? [points[0].x, points[0].y - width / 2 - 3];
  label.setAttribute("x", x);
  label.setAttribute("y", y);
}
