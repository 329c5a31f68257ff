// The page: which step is shown, and the controls.

let playing = null, noting = null;

function go(step, node = null) {
  at = Math.min(Math.max(step, 1), steps.length);
  chosen = node ?? steps[at - 1].node;
  show();
  clearTimeout(noting);
  noting = setTimeout(note, 300); // browsers take only so many changes of the address a minute
}

function note() {
  if (!/^(file|https?):$/.test(location.protocol)) return; // in a notebook's frame there is no address to change
  history.replaceState(null, "", `#step=${at}${content.m > 1 ? `&example=${which < 0 ? "mean" : which}` : ""}`);
}

function show() {
  const { node, back } = steps[at - 1];
  const { name, kind, tags } = nodes[node];
  const forward = turn < 0 ? steps.length : turn;
  const count = back ? `backward ${at - forward} of ${steps.length - forward}` : `forward ${at} of ${forward}`;
  const ran = back && tags.length ? ` · ${tags.join(", ")}` : "";
  $("where").replaceChildren(element("b", { className: back ? "back" : "ahead", textContent: count }), ` ${name}, ${kind}${ran}`);
  $("said").textContent = `Step ${at} of ${steps.length}, ${count}: ${name}, ${kind}${back && tags.length ? `, ${tags.join(", ")}` : ""}`;
  Object.assign($("slider"), { value: at });
  $("slider").setAttribute("aria-valuetext", $("said").textContent);
  for (const [id, end] of [["first", 1], ["back", 1], ["next", steps.length], ["last", steps.length]]) {
    $(id).setAttribute("aria-disabled", at === end); // still has the focus, unlike a disabled one
  }
  light(at, chosen);
  showPanel();
}

function choose(node) {
  chosen = node;
  show();
}

function play(on) {
  clearInterval(playing);
  playing = on ? setInterval(() => (at < steps.length ? go(at + 1) : play(false)), 1400) : null;
  if (on) go(at < steps.length ? at + 1 : 1);
  $("play").setAttribute("aria-pressed", on);
  $("play").textContent = on ? "Pause" : "Play";
}

const moves = { first: () => go(1), back: () => go(at - 1), next: () => go(at + 1), last: () => go(steps.length), play: () => play(!playing) };
for (const [id, move] of Object.entries(moves)) $(id).addEventListener("click", move);
$("slider").max = steps.length;
$("slider").style.setProperty("--turn", `${(100 * (turn < 0 ? steps.length : turn - 0.5)) / Math.max(steps.length - 1, 1)}%`);
$("slider").addEventListener("input", () => go(Number($("slider").value)));

$("choice").hidden = content.m === 1;
$("example").append(...Array.from({ length: content.examples }, (_, i) => new Option(`example ${i}`, i)), new Option(`mean of all ${content.m}`, -1));
$("example").addEventListener("change", () => { which = Number($("example").value); go(at, chosen); });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const keys = { ArrowLeft: moves.back, ArrowRight: moves.next, Home: moves.first, End: moves.last, "/": () => $("search").focus() };
  Object.assign(keys, { "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: () => look(fit()) });
  if (!event.target.matches("button, summary, [role=application]")) keys[" "] = moves.play;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

stage.addEventListener("click", (event) => {
  const id = event.target.closest("g.node")?.id;
  const members = nodes.flatMap((node, i) => (id && node.box === id ? [i] : []));
  const active = steps[at - 1].node;
  if (!drag?.moved && members.length) choose(members.includes(active) ? active : members.find((i) => atHand(i, active)));
});

// ---- search ----

const SHOWN = 60;
let matches = [], picked = 0;

function find() {
  const words = $("search").value.trim().toLowerCase();
  const ranks = nodes.map((node) => {
    const [name, kind] = [node.name.toLowerCase(), node.kind.toLowerCase()];
    return [name === words, name.startsWith(words), name.includes(words), kind.includes(words)].indexOf(true); // the best first
  });
  matches = [...nodes.keys()].filter((i) => ranks[i] >= 0).sort((i, j) => ranks[i] - ranks[j]);
  const options = matches.slice(0, SHOWN).map((i, place) => {
    const node = nodes[i];
    const state = !node.forward ? "not in this run" : node.forward > at ? "not computed yet" : node.backward && node.backward <= at ? "a, δ computed" : "a computed";
    const option = element("li", { id: `option${place}` }, element("b", { textContent: node.name }), element("span", { textContent: node.kind }), element("small", { textContent: state }));
    option.setAttribute("role", "option");
    option.addEventListener("pointerdown", (event) => { event.preventDefault(); jump(i); });
    return option;
  });
  const rest = matches.length - SHOWN;
  if (rest > 0 || !matches.length) options.push(element("li", { className: "rest", textContent: rest > 0 ? `and ${rest} more` : "no such node" }));
  $("found").replaceChildren(...options);
  open(true);
  pick(0);
}

function open(on) {
  $("found").hidden = !on;
  $("search").setAttribute("aria-expanded", on);
  if (!on) $("search").removeAttribute("aria-activedescendant");
}

function pick(place) {
  const options = [...$("found").querySelectorAll("[role=option]")];
  if (!options.length) return;
  picked = (place + options.length) % options.length;
  options.forEach((option, i) => option.setAttribute("aria-selected", i === picked));
  options[picked].scrollIntoView({ block: "nearest" });
  $("search").setAttribute("aria-activedescendant", options[picked].id);
}

/** Go to a node: to its backward step if we are on the way back, else to its forward step. */
function jump(i) {
  const node = nodes[i];
  open(false);
  const step = (steps[at - 1].back && node.backward) || node.forward;
  go(step ?? at, i);
  $("name").focus();
}

$("search").addEventListener("input", find);
$("search").addEventListener("focus", find);
$("search").addEventListener("blur", () => open(false));
$("search").addEventListener("keydown", (event) => {
  const keys = {
    ArrowDown: () => pick(picked + 1),
    ArrowUp: () => pick(picked - 1),
    Enter: () => matches.length && jump(matches[picked]),
    Escape: () => { open(false); $("search").blur(); },
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

// ---- findings, training, theme, address ----

const alarms = content.findings.filter(({ alarm }) => alarm);
let met = -1; // the finding seen last

$("findings").hidden = !alarms.length;
$("findings").append(`⚠ ${alarms.length}`, element("span", { textContent: ` finding${alarms.length > 1 ? "s" : ""}` }));
$("findings").addEventListener("click", () => {
  met = (met + 1) % alarms.length;
  go(at, alarms[met].nodes[0]);
  $("name").focus();
});

if (content.frames.length) {
  $("training").hidden = false;
  $("frame").max = content.frames.length - 1;
  $("scale").append(...content.scale.map(([ink, words]) => {
    const chip = element("i");
    chip.style.background = ink;
    return element("li", {}, chip, words);
  }));
  $("frame").addEventListener("input", () => { $("flow").checked = true; train(); });
  $("flow").addEventListener("change", train);
}

function train() {
  const frame = content.frames[$("frame").value];
  const on = $("flow").checked;
  $("training").classList.toggle("on", on);
  $("when").textContent = on ? frame.label : "not shown: move the slider";
  $("frame").setAttribute("aria-valuetext", frame?.label ?? "");
  recolor(on ? frame : null);
}

const night = matchMedia("(prefers-color-scheme: dark)");

function dress(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = dark ? "Light" : "Dark"; // what a click leads to
  const next = dark ? (drawings.dark ?? drawings.light) : drawings.light;
  stage.classList.toggle("bright", next === drawings.light);
  stage.style.background = next.paper; // what is beside the drawing looks like what it is drawn on
  if (next !== drawing) {
    drawing.replaceWith(next);
    drawing = next;
    look(view);
    train();
  }
  show();
}

$("theme").addEventListener("click", () => dress(document.documentElement.dataset.theme !== "dark"));
night.addEventListener("change", () => dress(night.matches));
new ResizeObserver(() => { for (const draw of redraws) draw(); }).observe($("figures"));
new ResizeObserver(() => look([view[0], view[1], view[2], (view[2] * stage.clientHeight) / stage.clientWidth])).observe(stage);

function read() {
  const wish = new URLSearchParams(location.hash.slice(1));
  const example = wish.get("example");
  if (example === "mean" && content.m > 1) which = -1;
  else if (/^\d+$/.test(example) && Number(example) < content.examples) which = Number(example);
  $("example").value = which;
  return Number(wish.get("step")) || 1;
}

const [, , width, height] = drawing.whole;
document.body.classList.add(width > 1.5 * height ? "across" : "down");
at = Math.min(Math.max(read(), 1), steps.length);
chosen = steps[at - 1].node;
look(drawing.whole);
dress(night.matches);
begin();
train();
show();
window.addEventListener("hashchange", () => go(read()));
