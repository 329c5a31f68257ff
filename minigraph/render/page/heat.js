// Numbers as heat maps and pictures: reads the embedded arrays and draws one sample of one of them.

const content = JSON.parse(document.getElementById("content").textContent);
const reduced = matchMedia("(prefers-reduced-motion: reduce)");

/** An element with properties and children; text only ever goes in as text. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A number as it is read, in so many digits: a real minus, no zeros behind. */
function text(x, digits = 6) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  const plain = x === 0 || (size >= 1e-3 && size < 10 ** digits);
  return (plain ? String(Number(x.toPrecision(digits))) : x.toExponential(digits - 1)).replaceAll("-", "−");
}

const product = (numbers) => numbers.reduce((all, n) => all * n, 1);

function decoded(array) {
  if (!array.numbers) {
    const bytes = Uint8Array.from(atob(array.data), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer); // little-endian on every machine
    const wide = array.type === "f8";
    const read = wide ? (i) => view.getFloat64(8 * i, true) : (i) => view.getFloat32(4 * i, true);
    array.numbers = Float64Array.from({ length: bytes.length / (wide ? 8 : 4) }, (_, i) => read(i));
    const [h, w] = [1, 1, ...array.shape].slice(-2);
    array.kept ??= [product(array.shape.slice(0, -2)), h, w];
  }
  return array;
}

/** One sample of an array: example `which`, or the mean over the batch for −1. Null where it isn't kept. */
function sample(number, which) {
  const array = decoded(content.arrays[number]);
  const row = array.each ? which + Number(array.mean) : 0;
  if (row < 0 || row >= array.rows) return null;
  const length = product(array.kept);
  const values = array.numbers.subarray(row * length, (row + 1) * length);
  return { values, shape: array.shape, kept: array.kept, block: array.block ?? [1, 1], facts: array.facts?.[row] };
}

/** BP4 for one example: what goes in, times the error that comes out. Null where either was cut. */
function outer(delta, a) {
  if (!delta || !a || delta.facts || a.facts) return null;
  const [n, k] = [delta.values.length, a.values.length];
  const values = Float64Array.from({ length: n * k }, (_, i) => delta.values[Math.floor(i / k)] * a.values[i % k]);
  return { values, shape: [n, k], kept: [1, n, k], block: [1, 1] };
}

/** Smallest, largest and norm of a sample, and how many of its numbers aren't finite. */
function facts(shown) {
  let low = Infinity, high = -Infinity, squares = 0, odd = 0;
  for (const x of shown.values) {
    if (!Number.isFinite(x)) odd += 1;
    else [low, high] = [Math.min(low, x), Math.max(high, x)];
  }
  const top = Math.max(Math.abs(low), Math.abs(high));
  for (const x of shown.values) squares += top > 0 ? (x / top) ** 2 : 0;
  const norm = top > 0 ? top * Math.sqrt(squares) : 0;
  const counted = odd < shown.values.length ? [low, high, odd ? NaN : norm] : [NaN, NaN, NaN];
  const [least, most, length] = shown.facts?.map((x) => x.replaceAll("-", "−")) ?? counted.map((x) => text(x, 3));
  return { low, high, odd, said: `${least} … ${most} · ‖·‖ ${length}` };
}

/** How the numbers lie: so many tiles of rows and columns, `per` numbers each. */
function lie(shown, tile) {
  const [tiles, h, w] = shown.kept;
  if (tile) return { tiles: (tiles * h * w) / (tile[0] * tile[1]), rows: tile[0], cols: tile[1], per: tile[0] * tile[1] };
  if (shown.shape.length === 1 && w > 64) {
    const cols = Math.ceil(Math.sqrt(w)); // a long vector runs over several lines
    return { tiles: 1, rows: Math.ceil(w / cols), cols, per: w };
  }
  return { tiles, rows: h, cols: w, per: h * w };
}

/** The index of a number in the array as it was before it was cut. */
function index(shown, k) {
  const [, h, w] = shown.kept;
  const [tall, wide] = shown.block;
  const span = (i, length, end) => (length === 1 ? `${i}` : `${i * length}–${Math.min((i + 1) * length, end) - 1}`);
  const rank = shown.shape.length;
  const places = [];
  let tile = Math.floor(k / (h * w));
  for (const n of shown.shape.slice(0, -2).reverse()) {
    places.unshift(`${tile % n}`);
    tile = Math.floor(tile / n);
  }
  if (rank > 1) places.push(span(Math.floor(k / w) % h, tall, shown.shape[rank - 2]));
  if (rank > 0) places.push(span(k % w, wide, shown.shape[rank - 1]));
  return rank ? `[${places.join(", ")}]` : "";
}

const PALETTES = {
  light: { zero: [247, 247, 247], plus: [[107, 174, 214], [8, 48, 107]], minus: [[247, 163, 92], [140, 45, 4]], odd: [200, 0, 120] },
  dark: { zero: [30, 36, 46], plus: [[38, 104, 168], [176, 218, 255]], minus: [[190, 92, 22], [255, 214, 165]], odd: [255, 64, 160] },
};

/** The color of x on a scale that ends at ±top: blue above 0, orange below, as in drawings of neurons. */
function color(x, top) {
  const palette = PALETTES[document.documentElement.dataset.theme];
  if (!Number.isFinite(x)) return palette.odd;
  const part = top > 0 ? Math.min(Math.abs(x) / top, 1) : 0;
  const ramp = [palette.zero, ...(x < 0 ? palette.minus : palette.plus)];
  const [from, to, rest] = part < 0.5 ? [ramp[0], ramp[1], 2 * part] : [ramp[1], ramp[2], 2 * part - 1];
  return from.map((channel, i) => Math.round(channel + rest * (to[i] - channel)));
}

const LARGEST = 28; // pixels of a cell at most
const HIGHEST = { picture: 196, tiles: 300, map: 280 }; // pixels of what is drawn

/** From how many pixels to how many a heat map is to be wide: from cells that one sees to the largest ones. */
function widths({ tiles, rows, cols }, picture) {
  if (picture) return [0, 0];
  if (tiles > 1) return [Math.min(tiles * (cols * 16 + 3), 420), tiles * (cols * LARGEST + 3)];
  const cell = Math.min(HIGHEST.map / rows, LARGEST);
  return [cols * Math.min(cell, rows > 1 ? 16 : 10), cols * cell];
}

/** The sizes of cells and where each tile stands, for a width and a height at most. */
function geometry({ tiles, rows, cols }, width, height) {
  const gap = tiles > 1 ? 3 : 0;
  let best = { size: 0, across: 1 };
  for (let across = 1; across <= Math.min(tiles, 64); across += 1) {
    const down = Math.ceil(tiles / across);
    const size = Math.min((width - gap * (across - 1)) / across / cols, (height - gap * (down - 1)) / down / rows);
    if (size > best.size) best = { size, across };
  }
  const fine = devicePixelRatio || 1;
  const whole = (size) => (size >= 1 ? Math.floor(size * fine) / fine : size);
  const size = Math.min(best.size, LARGEST);
  // of long and thin arrays, cells are stretched, else nobody would see them
  const wide = whole(tiles > 1 ? size : Math.max(size, Math.min(6, width / cols)));
  const tall = whole(tiles > 1 ? size : Math.max(size, Math.min(6, height / rows), rows === 1 ? Math.min(14, height) : 0));
  const step = [wide * cols + gap, tall * rows + gap];
  const across = Math.min(best.across, tiles);
  const box = [across * step[0] - gap, Math.ceil(tiles / across) * step[1] - gap];
  return { wide, tall, across, step, box, fine };
}

/** A canvas with one sample, to be read by pointer and by keyboard; `tell` gets a number's index and value. */
function heatMap(shown, { tile, picture, top, label, tell }) {
  const canvas = element("canvas", { tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", picture ? "picture" : "heat map");
  canvas.setAttribute("aria-label", label);
  const form = picture?.form;
  const lies = form ? { tiles: 1, rows: form[1], cols: form[2], per: form[1] * form[2] } : lie(shown, tile);
  const count = form ? lies.per : shown.values.length;
  const base = element("canvas"); // all but the cursor, so that moving it measures and paints nothing else
  let place = null, cursor = -1;

  function paint(k) {
    if (!form) return color(shown.values[k], top);
    const [black, white] = picture.range;
    const planes = Array.from({ length: 3 }, (_, i) => shown.values[k + (form[0] === 3 ? i * lies.per : 0)]);
    if (!planes.every(Number.isFinite)) return color(NaN, top);
    return planes.map((x) => (255 * (x - black)) / (white - black || 1));
  }

  function draw() {
    const style = getComputedStyle(canvas.parentElement);
    const width = canvas.parentElement.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    place = geometry(lies, Math.max(width, 40), form ? HIGHEST.picture : lies.tiles > 1 ? HIGHEST.tiles : HIGHEST.map);
    const { wide, tall, across, step, box, fine } = place;
    Object.assign(canvas.style, { width: `${box[0]}px`, height: `${box[1]}px` });
    for (const one of [canvas, base]) [one.width, one.height] = box.map((length) => Math.max(1, Math.round(length * fine)));
    const pen = base.getContext("2d");
    pen.scale(fine, fine);
    pen.imageSmoothingEnabled = wide < 1 || tall < 1;
    const small = element("canvas", { width: lies.cols, height: lies.rows });
    const raster = small.getContext("2d");
    for (let t = 0; t < lies.tiles; t += 1) {
      const pixels = raster.createImageData(lies.cols, lies.rows);
      for (let i = 0; i < lies.per && t * lies.per + i < count; i += 1) pixels.data.set([...paint(t * lies.per + i), 255], 4 * i);
      raster.putImageData(pixels, 0, 0);
      const [x, y] = [(t % across) * step[0], Math.floor(t / across) * step[1]];
      pen.drawImage(small, x, y, wide * lies.cols, tall * lies.rows);
    }
    if (Math.min(wide, tall) >= 9 && lies.tiles === 1 && !form) rule(pen, style);
    place.inks = ["--card", "--ink"].map((ink) => style.getPropertyValue(ink));
    show();
  }

  function show() {
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(base, 0, 0);
    pen.scale(place.fine, place.fine);
    if (cursor >= 0) mark(pen);
  }

  function corner(k) {
    const [t, i] = [Math.floor(k / lies.per), k % lies.per];
    const { wide, tall, across, step } = place;
    return [(t % across) * step[0] + (i % lies.cols) * wide, Math.floor(t / across) * step[1] + Math.floor(i / lies.cols) * tall];
  }

  /** Lines between cells that are large enough, and a cross in those that hold no finite number. */
  function rule(pen, style) {
    const { wide, tall } = place;
    pen.strokeStyle = style.getPropertyValue("--card");
    for (let k = 0; k < count; k += 1) {
      const [x, y] = corner(k);
      pen.strokeRect(x, y, wide, tall);
      if (Number.isFinite(shown.values[k])) continue;
      pen.beginPath();
      pen.moveTo(x + 2, y + 2);
      pen.lineTo(x + wide - 2, y + tall - 2);
      pen.moveTo(x + wide - 2, y + 2);
      pen.lineTo(x + 2, y + tall - 2);
      pen.stroke();
    }
  }

  function mark(pen) {
    const [x, y] = corner(cursor);
    const [wide, tall] = [Math.max(place.wide, 4), Math.max(place.tall, 4)];
    place.inks.forEach((ink, i) => {
      Object.assign(pen, { strokeStyle: ink, lineWidth: 4 - 2 * i });
      pen.strokeRect(x, y, wide, tall);
    });
  }

  function read(k, aloud) {
    const values = form?.[0] === 3 ? [0, 1, 2].map((i) => shown.values[k + i * lies.per]) : [shown.values[k]];
    const mean = shown.block[0] * shown.block[1] > 1 ? "mean of " : "";
    tell(`${mean}${index(shown, k)} ${values.map((x) => text(x)).join(", ")}`.trim(), aloud);
  }

  canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
    if (!place) return;
    const { wide, tall, across, step } = place;
    const [u, v] = [Math.floor(offsetX / step[0]), Math.floor(offsetY / step[1])];
    const [c, r] = [Math.floor((offsetX - u * step[0]) / wide), Math.floor((offsetY - v * step[1]) / tall)];
    const k = (v * across + u) * lies.per + r * lies.cols + c;
    const inside = u >= 0 && v >= 0 && u < across && c >= 0 && r >= 0 && c < lies.cols && r < lies.rows && r * lies.cols + c < lies.per && k < count;
    if (inside) read(k, false);
    else tell(null, false);
  });
  canvas.addEventListener("pointerleave", () => tell(null, false));
  canvas.addEventListener("blur", () => { cursor = -1; show(); tell(null, false); });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -lies.cols, ArrowDown: lies.cols, Home: -Infinity, End: Infinity };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    cursor = cursor < 0 && Number.isFinite(move) ? 0 : Math.min(Math.max(cursor + move, 0), count - 1);
    show();
    read(cursor, true);
  });
  return { canvas, draw, widths: widths(lies, form) };
}
